"""Size of a `raemd report`, the time it takes to write, and the time it takes to open.

    python benchmarks/report_size.py [--trainers 6] [--folds 5] [--cases 20] [--slices 60] [--size 512]

Makes nnU-Net's folders with noisy CT of that size, references with nodules, predictions that are not quite
they, and checkpoints of 100 epochs; `--cases` are shown, half as many again are there. Slices compress like a
noisy real scan's: the size of one is printed, for comparison 24 to 31 kB in real chest CT of 512 x 512. The
page is opened in the Chromium of this machine, if it has one.
"""

from __future__ import annotations

import argparse
import json
import os
import shutil
import sys
import tempfile
import time
from pathlib import Path
from typing import Any

import numpy as np
import SimpleITK as sitk
import torch
from scipy.ndimage import gaussian_filter

from nnunetv2_raemd.commands.report_command import report
from nnunetv2_raemd.report.grey_scale import CT_SCALE
from nnunetv2_raemd.report.slice_pictures import jpegs

SPACING_MM = (1.25, 0.7, 0.7)  # z, y, x
NAME = "Dataset703_Size"
N_EPOCHS = 100


def write(voxels: np.ndarray, file: Path) -> None:
    """Write (z, y, x) as an image."""
    file.parent.mkdir(parents=True, exist_ok=True)
    image = sitk.GetImageFromArray(voxels)
    image.SetSpacing(SPACING_MM[::-1])
    sitk.WriteImage(image, str(file), True)


def chest(shape: tuple[int, int, int], rng: np.random.Generator) -> np.ndarray:
    """Air, a body, two lungs with texture, and noise."""
    z, y, x = np.ogrid[-1 : 1 : shape[0] * 1j, -1 : 1 : shape[1] * 1j, -1 : 1 : shape[2] * 1j]
    hu = np.where(x**2 / 0.8 + y**2 / 0.5 + 0 * z < 1, 40.0, -1000.0)
    for side in (-1, 1):
        hu = np.where((x - 0.42 * side) ** 2 / 0.09 + y**2 / 0.25 < 1, -850, hu)
    texture = 600 * gaussian_filter(rng.normal(size=shape), (1, 2, 2))
    noise = 60 * gaussian_filter(rng.normal(size=shape), (0, 0.6, 0.6))
    return (hu + np.where(hu == -850, texture, 0) + noise).astype(np.int16)


def nodules(shape: tuple[int, int, int], places: np.ndarray, radii_mm: np.ndarray) -> np.ndarray:
    """A mask of balls."""
    mask = np.zeros(shape, np.uint8)
    grid = np.indices(shape, sparse=True)
    for place, radius in zip(places, radii_mm, strict=True):
        squares = (((g - p) * s) ** 2 for g, p, s in zip(grid, place, SPACING_MM, strict=True))
        mask[sum(squares) < radius**2] = 1
    return mask


def logging_of(rng: np.random.Generator) -> dict[str, list[Any]]:
    """nnU-Net's log."""
    dice = 1 - np.exp(-np.arange(N_EPOCHS) / 20) * rng.uniform(0.8, 1, N_EPOCHS)
    return {
        "mean_fg_dice": list(dice),
        "dice_per_class_or_region": [[d] for d in dice],
        "train_losses": list(-dice),
        "val_losses": list(0.1 - dice),
        "lrs": [1e-3] * N_EPOCHS,
    }


def make_folders(root: Path, options: argparse.Namespace) -> list[str]:
    """Everything that the report reads; returns the trainers."""
    shape = (options.slices, options.size, options.size)
    rng = np.random.default_rng(0)
    raw, preprocessed, results = (root / kind / NAME for kind in ("raw", "preprocessed", "results"))
    labels = {"background": 0, "nodule": 1}
    description = {"channel_names": {"0": "CT"}, "labels": labels, "file_ending": ".nii.gz"}
    for folder in (raw, preprocessed, results):
        folder.mkdir(parents=True)
        (folder / "dataset.json").write_text(json.dumps(description), encoding="utf-8")
    cases = [f"case_{i:04d}" for i in range(3 * options.cases // 2)]
    folds = [cases[fold :: options.folds] for fold in range(options.folds)]
    splits = [{"train": [], "val": fold} for fold in folds]
    (preprocessed / "splits_final.json").write_text(json.dumps(splits), encoding="utf-8")
    trainers = [f"nnUNetTrainer{letter}" for letter in "ABCDEFGHIJ"[: options.trainers]]
    for i, case in enumerate(cases):
        places = rng.uniform(0.2, 0.8, (4, 3)) * shape
        radii_mm = rng.uniform(3, 15, 4)
        write(chest(shape, rng), raw / "imagesTr" / f"{case}_0000.nii.gz")
        write(nodules(shape, places, radii_mm), preprocessed / "gt_segmentations" / f"{case}.nii.gz")
        for trainer in trainers:
            found = nodules(shape, places + rng.normal(0, 2, (4, 3)), radii_mm * rng.uniform(0.7, 1.2, 4))
            fold = results / f"{trainer}__nnUNetPlans__2d" / f"fold_{i % options.folds}"
            write(found, fold / "validation" / f"{case}.nii.gz")
            torch.save({"logging": logging_of(rng)}, fold / "checkpoint_final.pth")
    return trainers


def open_seconds(file: Path) -> tuple[float, float] | None:
    """From the request to the first picture of the viewer, and to the first plot; None without Chromium."""
    chromium = shutil.which("chromium") or shutil.which("google-chrome")
    if chromium is None:
        return None
    from playwright.sync_api import sync_playwright  # noqa: PLC0415

    with sync_playwright() as driver:
        browser = driver.chromium.launch(executable_path=chromium, args=["--no-sandbox"])
        tab = browser.new_page(viewport={"width": 1280, "height": 900})
        started = time.perf_counter()
        tab.goto(file.as_uri())
        tab.wait_for_selector("#picture[data-drawn]")
        picture = time.perf_counter() - started
        tab.locator(".plot").first.scroll_into_view_if_needed()
        tab.wait_for_selector("svg.main-svg")
        plot = time.perf_counter() - started
        browser.close()
    return picture, plot


def main() -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawTextHelpFormatter)
    for name, default in (("trainers", 6), ("folds", 5), ("cases", 20), ("slices", 60), ("size", 512)):
        parser.add_argument(f"--{name}", type=int, default=default)
    parser.add_argument("--keep", type=Path)
    options = parser.parse_args()
    with tempfile.TemporaryDirectory() as place:
        root = Path(place)
        os.environ |= {f"nnUNet_{kind}": str(root / kind) for kind in ("raw", "preprocessed", "results")}
        slice_kb = len(
            jpegs([CT_SCALE.grey(chest((1, options.size, options.size), np.random.default_rng(0))[0])])[0]
        )
        trainers = make_folders(root, options)
        file = options.keep or root / "report.html"
        for when in ("evaluating", "from saved results"):
            started = time.perf_counter()
            try:
                report("703", trainers, against=trainers[0], cases=options.cases, output=file)
            except Exception as ended:  # typer.Exit
                if getattr(ended, "exit_code", 1):
                    raise
            print(f"{when}: {time.perf_counter() - started:.0f} s", file=sys.stderr)
        print(f"a slice: {slice_kb * 3 / 4 / 1000:.0f} kB")
        print(f"{file.stat().st_size / 1e6:.1f} MB")
        for seconds in filter(None, (open_seconds(file) for _ in range(3))):
            print(f"opened: first picture after {seconds[0]:.1f} s, first plot after {seconds[1]:.1f} s")


if __name__ == "__main__":
    main()
