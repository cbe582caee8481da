"""How much Dice on real nodules falls where scans differ from those trained on: docs/scanners.md.

    python benchmarks/equal_time/scanners.py --data FOLDER [--output real_nodules] [--seconds 200]
        [--folds 0 1] [--systems NAME ...]

Trains what is missing of the systems as `real_nodules.py` does, in the same output folder, and lets
`raemd predict` segment the nodules of each fold that it was not trained on: as they are, and changed in
kernel, noise, slice thickness and HU by three severities each. The figures of each cube go to `scanners.csv`,
the table to `scanners.md` and the picture to `scanners.png` in the output folder.
"""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from pathlib import Path

import numpy as np
import pandas as pd
import SimpleITK as sitk
from cubes_dataset import DATASET, DATASET_ID
from degraded_cubes import KINDS, NAMES, degraded
from false_volume import dice, voxels
from matplotlib.figure import Figure
from nodule_trainings import trained_study
from study_commands import command, study_parser
from study_plan import PLANS
from systems import SYSTEMS

from nnunetv2_raemd.whole_files import whole_file

COMPARED = ("RAEMD-Net", "RAEMD-Net, scanners", "nnU-Net 2d")
FOLDS = ("0", "1")
MIDDLE = 2


def cases_of(fold: str, root: Path) -> list[str]:
    """The cases that the networks of a fold were not trained on."""
    splits = root / "nnUNet_preprocessed" / DATASET / "splits_final.json"
    cases: list[str] = json.loads(splits.read_text(encoding="utf-8"))[int(fold)]["val"]
    return cases


def write_degraded(fold: str, root: Path) -> Path:
    """The fold's cubes, degraded, as images of nnU-Net; the folder. Cases that are there stay."""
    folder = root / "degraded" / f"fold_{fold}"
    folder.mkdir(parents=True, exist_ok=True)
    for case in cases_of(fold, root):
        if not all((folder / f"{name}_{case}_0000.nii.gz").is_file() for name in NAMES):
            write_degraded_case(case, folder, root)
    return folder


def write_degraded_case(case: str, folder: Path, root: Path) -> None:
    """One cube in all of its changes, each written whole or not at all."""
    image = sitk.ReadImage(str(root / "nnUNet_raw" / DATASET / "imagesTr" / f"{case}_0000.nii.gz"))
    for name, cube in degraded(sitk.GetArrayFromImage(image).astype(float)):
        changed = sitk.GetImageFromArray(cube.astype(np.float32))
        changed.CopyInformation(image)
        with whole_file(folder / f"{name}_{case}_0000.nii.gz") as making:
            sitk.WriteImage(changed, str(making))


def predict(
    model: str, system: str, fold: str, images: Path, root: Path, variables: Mapping[str, str]
) -> Path:
    """The segmentations of a fold's degraded cubes by one model; those that are there stay."""
    masks = root / "degraded_predictions" / model / f"fold_{fold}"
    which = ("-d", str(DATASET_ID), "-c", SYSTEMS[system].configuration, "-p", PLANS, "-f", fold)
    how = ("--disable_tta", "--continue_prediction", "-device", "cpu", "-npp", "1", "-nps", "1")
    trainer = model.partition("__")[0]
    command(variables, "raemd", "predict", "-i", str(images), "-o", str(masks), *which, "-tr", trainer, *how)
    return masks


def dice_rows(masks: Path, system: str, fold: str, root: Path) -> list[dict[str, object]]:
    """System, fold, case, kind, step and Dice of each segmentation."""
    rows: list[dict[str, object]] = []
    for file in sorted(masks.glob("*.nii.gz")):
        change, _, case = file.name.removesuffix(".nii.gz").partition("_")
        overlap = dice(voxels(file), voxels(root / "nnUNet_raw" / DATASET / "labelsTr" / f"{case}.nii.gz"))
        kind, _, step = change.partition("-")
        rows.append(
            {"system": system, "fold": fold, "case": case, "kind": kind, "step": int(step), "dice": overlap}
        )
    return rows


def loss_table(rows: pd.DataFrame) -> str:
    """Mean Dice of the cubes as they are, and what each kind and severity takes of it."""
    means = rows.groupby(["system", "kind", "step"], sort=False)["dice"].mean()
    systems = list(dict.fromkeys(rows["system"]))
    lines = ["| change | severity | " + " | ".join(systems) + " |", "|---" * (len(systems) + 2) + "|"]
    untouched = [means[system, "asis", 0] for system in systems]
    lines.append("| none: Dice | | " + " | ".join(f"{value:.3f}" for value in untouched) + " |")
    for name, kind in KINDS.items():
        for step, severity in enumerate(kind.severities, start=1):
            losses = [means[system, name, step] - means[system, "asis", 0] for system in systems]
            lines.append(f"| {kind.title} | {severity:g} | " + " | ".join(f"{x:+.3f}" for x in losses) + " |")
    middle = rows[rows["step"] == MIDDLE].groupby("system")["dice"].mean()
    losses = [middle[system] - means[system, "asis", 0] for system in systems]
    lines.append("| mean of the middle severities | | " + " | ".join(f"{x:+.3f}" for x in losses) + " |")
    return "\n".join(lines)


def draw(rows: pd.DataFrame, picture: Path) -> None:
    """Mean Dice against severity, a panel for each kind."""
    figure = Figure(figsize=(15, 3.4), layout="constrained")
    means = rows.groupby(["system", "kind", "step"], sort=False)["dice"].mean()
    all_axes = figure.subplots(1, len(KINDS), sharey=True)
    for axes, (name, kind) in zip(all_axes, KINDS.items(), strict=True):
        for system in dict.fromkeys(rows["system"]):
            values = [means[system, "asis", 0], *(means[system, name, step] for step in (1, 2, 3))]
            axes.plot(range(4), values, marker="o", label=system)
        axes.set_xticks(range(4), ["none", *(f"{severity:g}" for severity in kind.severities)])
        axes.set_xlabel(kind.title)
        axes.grid(alpha=0.3)
    all_axes[0].set_ylabel("mean Dice")
    all_axes[0].legend()
    figure.savefig(picture, dpi=80)


def write_results(rows: pd.DataFrame, root: Path) -> None:
    """The figures of each cube, the table and the picture."""
    rows.to_csv(root / "scanners.csv", index=False, float_format="%.4f")
    table = loss_table(rows)
    (root / "scanners.md").write_text(table + "\n", encoding="utf-8")
    draw(rows, root / "scanners.png")
    print(table)


def all_rows(
    models: Mapping[str, tuple[str, int]], folds: Sequence[str], root: Path, variables: Mapping[str, str]
) -> pd.DataFrame:
    """Of all models and folds."""
    rows: list[dict[str, object]] = []
    for fold in folds:
        images = write_degraded(fold, root)
        for model, (system, _) in models.items():
            rows += dice_rows(predict(model, system, fold, images, root, variables), system, fold, root)
    return pd.DataFrame(rows)


def main() -> None:
    """Run what is missing and write the table."""
    options, root, variables, models = trained_study(study_parser(__doc__, COMPARED, FOLDS), seconds=200)
    write_results(all_rows(models, options.folds, root, variables), root)


if __name__ == "__main__":
    main()
