"""Peak memory of `raemd predict` by what is asked for, beside that of a segmentation alone.

    python benchmarks/option_memory.py --size 512 --slices 300 [--features 8] [--only uncertainty]

A narrow RAEMD-Net with random weights, which finds a little along three vessels, predicts a scan without
mirroring, by torch in one thread, each time in a process of its own. The segmentation alone is what
`raemd predict` wrote before it listed lesions. Its DICOM objects are of the same scan as a DICOM series.
"""

from __future__ import annotations

import argparse
import shutil
import sys
import tempfile
from dataclasses import replace
from pathlib import Path

import numpy as np
import SimpleITK as sitk
import torch
from scan_memory import SEQUENCE, peak_mb_of, predict_command, untrained
from torch import nn

from nnunetv2_raemd.bench.sized_plans import SPACING_MM
from nnunetv2_raemd.confidence.calibration import Calibration, LabelCalibration
from nnunetv2_raemd.confidence.confidence_model import FEATURES, ConfidenceModel
from nnunetv2_raemd.confidence.unlike_scans import TrainingScans
from nnunetv2_raemd.deployment.export_choices import ExportOptions
from nnunetv2_raemd.deployment.model_description import GraphFormat
from nnunetv2_raemd.deployment.model_export import export_model
from nnunetv2_raemd.deployment.source_model import SourceModel
from nnunetv2_raemd.nnunet_files.label_set import Target
from nnunetv2_raemd.phantom.dicom_ct import DicomCase, write_ct_series
from nnunetv2_raemd.phantom.thorax import Thorax

SHARE = 1e-5  # of voxels that the network takes for lesions
ALONE = "segmentation alone"
OPTIONS: dict[str, tuple[str, ...]] = {
    "lesion list": (),
    "lesion list, calibrated": (),
    "uncertainty": ("--uncertainty",),
    "explain": ("--explain",),
    "dicom seg rtstruct sr": ("--dicom", "seg", "rtstruct", "sr"),
    "dicom seg probability": ("--dicom", "seg", "probability"),
    "dicom seg, uncertainty": ("--dicom", "seg", "--uncertainty"),
}
WITHOUT_LIST = """
from nnunetv2_raemd import cli
from nnunetv2_raemd.prediction import prediction_batch
prediction_batch._lister = lambda predictor, batch: None
cli.main()
"""


def chest(n_slices: int, size: int) -> np.ndarray:
    """HU (z, y, x): noisy lung with three vessels through all slices."""
    rng = np.random.default_rng(0)
    rows, columns = np.mgrid[:size, :size] / size
    hu = rng.normal(-800, 20, (16, size, size))
    for centre in ((0.3, 0.3), (0.5, 0.7), (0.7, 0.4)):
        hu[:, np.hypot(rows - centre[0], columns - centre[1]) < 0.02] += 850
    return np.resize(hu.astype(np.int16), (n_slices, size, size))


def finds_a_little(network: nn.Module, hu: np.ndarray) -> None:
    """Lower the odds of a lesion until few voxels of the first slices are left."""
    image = torch.from_numpy((np.clip(hu[:SEQUENCE], -1000, 400).astype(np.float32) + 600) / 400)
    *_, head = network.get_submodule("decoder.seg_layers").children()
    bias = head.get_parameter("bias")
    with torch.inference_mode():
        bias.zero_()
        background, lesion = network(image[None, None])[0]
    odds = (lesion - background).flatten().numpy()
    with torch.no_grad():
        bias.copy_(torch.tensor([float(np.quantile(odds, 1 - SHARE)), 0.0]))


def calibrated(source: SourceModel) -> SourceModel:
    """With a calibration that rates all lesions the same."""
    n = len(FEATURES)
    model = ConfidenceModel((0.0,) * n, (1.0,) * n, (0.0,) * n, 0.0, 9, 9)
    (name,) = (one for one in source.predictor.dataset_json["labels"] if one != "background")
    label = LabelCalibration(Target(name, (1,)), 1.0, model, ())
    training = TrainingScans(9, {"slice_spacing_mm": (0.5, 5.0)}, (-800.0,) * 20, 2000.0)
    return replace(source, calibration=Calibration(("0",), (), (label,), training))


def write_scans(hu: np.ndarray, folder: Path) -> None:
    """The same scan for nnU-Net and as DICOM, in folders of these names."""
    image = sitk.GetImageFromArray(hu)
    image.SetSpacing(SPACING_MM[::-1])
    (folder / "nnunet").mkdir()
    sitk.WriteImage(image, str(folder / "nnunet" / "scan_0000.nii.gz"), True)
    nothing = np.zeros((1, 1, 1), np.uint8)
    thorax = Thorax(SPACING_MM, hu, nothing, nothing, {}, ())
    case = DicomCase("scan", (0.0, 0.0, 0.0), SPACING_MM, len(hu), ("benchmark",))
    write_ct_series(folder / "dicom", thorax, case)


def main() -> None:
    """Print a row for every option."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawTextHelpFormatter)
    parser.add_argument("--size", type=int, default=512)
    parser.add_argument("--slices", type=int, default=300)
    parser.add_argument("--features", type=int, default=8)
    parser.add_argument("--only", nargs="+", default=list(OPTIONS), choices=list(OPTIONS))
    options = parser.parse_args()
    torch.set_num_threads(1)
    hu = chest(options.slices, options.size)
    source = untrained(options.size, options.features)
    finds_a_little(source.predictor.network, hu)
    source.predictor.list_of_parameters = [source.predictor.network.state_dict()]
    with tempfile.TemporaryDirectory(prefix="raemd_memory_") as name:
        folder = Path(name)
        write_scans(hu, folder)
        models = {"": source, "calibrated": calibrated(source)}
        for kind, one in models.items():
            export_model(one, folder / f"model{kind}", ExportOptions(GraphFormat.NONE))
        output = folder / "out"
        command = predict_command(folder / "model", folder / "nnunet", output)
        alone = peak_mb_of([sys.executable, "-c", WITHOUT_LIST, *command])
        print("| | peak, MB | relative |\n|---|---|---|")
        print(f"| {ALONE} | {alone:.0f} | 1 |", flush=True)
        for kind in options.only:
            shutil.rmtree(output)
            model = folder / ("modelcalibrated" if kind.endswith("calibrated") else "model")
            images = folder / ("dicom" if "dicom" in kind else "nnunet")
            command = predict_command(model, images, output, *OPTIONS[kind])
            peak = peak_mb_of([sys.executable, "-m", "nnunetv2_raemd.cli", *command])
            print(f"| {kind} | {peak:.0f} | {peak / alone:.2f} |", flush=True)


if __name__ == "__main__":
    main()
