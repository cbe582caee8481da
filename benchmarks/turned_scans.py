"""Dice of scans stored in another order of axes, turned for prediction and not.

    python benchmarks/turned_scans.py --model FOLDER --fold 0 --images imagesTr --masks labelsTr CASE ...

FOLDER is that of a trained model whose training was axial, and the cases are axial ones that the fold was not
trained on. Each is predicted as it is, and stored with coronal and with sagittal slices, by `raemd predict`,
which turns it, and by nnUNetv2_predict_from_modelfolder, which does not; without mirroring. Printed are the
mean Dice to the reference, and of how many cases each way loses more than 0.05 of the Dice of the axial scan.
"""

from __future__ import annotations

import argparse
import subprocess
import sys
import tempfile
from collections.abc import Sequence
from pathlib import Path

import numpy as np
import SimpleITK as sitk
from rich.console import Console
from rich.table import Table

from nnunetv2_raemd.prediction.scan_orientation import turn_file

STORED = {"axial": "LPS", "coronal": "LIP", "sagittal": "PIL"}
LOSS = 0.05
ENDING = ".nii.gz"


def dice(mask: Path, prediction: Path) -> float:
    """Dice of two binary segmentations, the second turned to the first."""
    reference, found = sitk.ReadImage(str(mask)), sitk.ReadImage(str(prediction))
    filter_ = sitk.DICOMOrientImageFilter
    to = filter_.GetOrientationFromDirectionCosines(reference.GetDirection())
    one, other = (sitk.GetArrayFromImage(x) > 0 for x in (reference, sitk.DICOMOrient(found, to)))
    return float(2 * np.count_nonzero(one & other) / (np.count_nonzero(one) + np.count_nonzero(other)))


def predict(command: Sequence[str], options: argparse.Namespace, scans: Path, output: Path) -> None:
    """Run one of the two commands on a folder of scans."""
    subprocess.run(
        [
            Path(sys.executable).parent / command[0],
            *command[1:],
            *("-i", scans, "-o", output, "-m", options.model, "-f", str(options.fold)),
            *(
                "-device",
                "cpu",
                "--disable_tta",
                "-npp",
                "0" if command[0] == "raemd" else "1",
                "-nps",
                "1",
                "--disable_progress_bar",
            ),
        ],
        check=True,
        stdout=subprocess.DEVNULL,
    )


def main() -> None:
    """Predict all cases in all ways, and print the table."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawTextHelpFormatter)
    for name in ("--model", "--images", "--masks"):
        parser.add_argument(name, type=Path, required=True)
    parser.add_argument("--fold", type=int, default=0)
    parser.add_argument("cases", nargs="+")
    options = parser.parse_args()
    ways = {"raemd predict": ("raemd", "predict"), "nnUNetv2_predict": ("nnUNetv2_predict_from_modelfolder",)}
    table = Table("slices stored as", "predicted by", "mean Dice", f"cases that lose more than {LOSS}")
    axial: dict[str, list[float]] = {}
    with tempfile.TemporaryDirectory() as folder:
        for stored, orientation in STORED.items():
            scans = Path(folder) / stored
            scans.mkdir()
            for case in options.cases:
                name = f"{case}_0000{ENDING}"
                turn_file(options.images / name, scans / name, orientation)
            for way, command in ways.items():
                output = Path(folder) / f"{stored} {way}"
                predict(command, options, scans, output)
                files = [f"{case}{ENDING}" for case in options.cases]
                found = [dice(options.masks / file, output / file) for file in files]
                before = axial.setdefault(way, found)
                lost = sum(b - f > LOSS for b, f in zip(before, found, strict=True))
                table.add_row(stored, way, f"{np.mean(found):.3f}", f"{lost} of {len(found)}")
    Console(width=100).print(table)


if __name__ == "__main__":
    main()
