"""Dice of nnUNetv2_predict's sliding window and of raemd predict's, on the scans of `raemd demo`.

    python benchmarks/prediction_dice.py [--demo demo_output] [--threads 1]

Both predict, with the RAEMD-Net that the demonstration has trained, the scans that it was not trained on (the
validation scans and the new ones), in this process and mirrored as always. Printed are the Dice to the exact
masks, per scan and on average, and the processor time of the two.
"""

from __future__ import annotations

import argparse
import json
import os
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import SimpleITK as sitk
import torch
from nnunetv2.inference.predict_from_raw_data import nnUNetPredictor
from rich.console import Console
from rich.table import Table

from nnunetv2_raemd.demo.workspace import DATASET, DATASET_ID, PLANS, Workspace

TRAINER = "nnUNetTrainerRAEMD_quick"


def scans(workspace: Workspace) -> Iterator[tuple[Path, Path]]:
    """Image and exact mask of each scan that was not trained on."""
    splits = json.loads((workspace.preprocessed / "splits_final.json").read_text(encoding="utf-8"))
    for case in splits[0]["val"]:
        image = workspace.root / "nnUNet_raw" / DATASET / "imagesTr" / f"{case}_0000.nii.gz"
        yield image, workspace.archive / "oracle" / f"{case}.nii.gz"
    for mask in sorted(workspace.exact_masks.glob("*.nii.gz")):
        yield workspace.new_scans / mask.name.replace(".nii.gz", "_0000.nii.gz"), mask


def predicted_mask(logits: torch.Tensor, properties: dict[str, Any], shape: tuple[int, ...]) -> np.ndarray:
    """Where foreground wins, boolean (z, y, x), in the whole scan of `shape`; phantoms are not resampled.

    `logits` (labels, z, y, x) are of the part that preprocessing left of the scan.
    """
    mask = np.zeros(shape, bool)
    box = tuple(slice(*side) for side in properties["bbox_used_for_cropping"])
    mask[box] = logits.float().argmax(0).numpy() > 0
    return mask


def dice(one: np.ndarray, other: np.ndarray) -> float:
    """Dice of two boolean masks (z, y, x), 0 to 1; at least one of them is not empty."""
    return 2 * np.count_nonzero(one & other) / (np.count_nonzero(one) + np.count_nonzero(other))


def main() -> None:
    """Predict all scans in both ways, and print Dice and processor time in a table."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawTextHelpFormatter)
    parser.add_argument("--demo", type=Path, default=Path("demo_output"))
    parser.add_argument("--threads", type=int, default=1)
    options = parser.parse_args()
    workspace = Workspace(options.demo.resolve())
    os.environ.update(workspace.environment())
    from nnunetv2_raemd.prediction.model_loading import load_model  # noqa: PLC0415 - reads the variables
    from nnunetv2_raemd.prediction.trained_model import Model  # noqa: PLC0415 - likewise

    torch.set_num_threads(options.threads)
    model = Model(str(DATASET_ID), TRAINER, PLANS, "2d", ("0",), "checkpoint_final.pth")
    ours = load_model(model, device=torch.device("cpu"), allow_tqdm=False)
    ways = {
        "nnUNetv2_predict": nnUNetPredictor.predict_sliding_window_return_logits,
        "raemd predict": type(ours).predict_sliding_window_return_logits,
    }
    preprocessor = ours.configuration_manager.preprocessor_class(verbose=False)
    found: dict[str, list[float]] = {name: [] for name in ways}
    seconds = dict.fromkeys(ways, 0.0)
    for image, mask_file in scans(workspace):
        mask = sitk.GetArrayFromImage(sitk.ReadImage(str(mask_file))) > 0
        arguments = (ours.plans_manager, ours.configuration_manager, ours.dataset_json)
        data, _, properties = preprocessor.run_case([str(image)], None, *arguments)
        for name, way in ways.items():
            start = time.process_time()
            logits = way(ours, torch.from_numpy(data))
            seconds[name] += time.process_time() - start
            found[name].append(dice(mask, predicted_mask(logits, properties, mask.shape)))
    table = Table("predicted by", "Dice of the scans", "mean", "processor time, s")
    for name, values in found.items():
        per_scan = " ".join(f"{value:.2f}" for value in values)
        table.add_row(name, per_scan, f"{np.mean(values):.3f}", f"{seconds[name]:.0f}")
    Console(width=140).print(table)


if __name__ == "__main__":
    main()
