"""The studies at equal processor time: their folds, its budget and its statistics, worked out by hand."""

from __future__ import annotations

import csv
import json
import math
import sys
import time
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest

FOLDER = Path(__file__).parents[2] / "benchmarks" / "equal_time"
sys.path[:0] = [str(FOLDER), str(FOLDER / "trainers")]

import case_tables  # noqa: E402
import cubes_dataset  # noqa: E402
import degraded_cubes  # noqa: E402
import false_volume  # noqa: E402
import label_parts  # noqa: E402
import masked_trainer  # noqa: E402
import nodule_tables  # noqa: E402
import pandas as pd  # noqa: E402
import processor_time_trainers  # noqa: E402
import pseudo_labels  # noqa: E402
import scanners  # noqa: E402
import SimpleITK as sitk  # noqa: E402
import torch  # noqa: E402
import whole_scans  # noqa: E402
from nnunetv2.training.nnUNetTrainer.nnUNetTrainer import nnUNetTrainer  # noqa: E402

from nnunetv2_raemd.evaluation.froc import froc_curve  # noqa: E402
from nnunetv2_raemd.evaluation.summary import LesionSummary  # noqa: E402
from nnunetv2_raemd.training.trainer import nnUNetTrainerRAEMD  # noqa: E402


def test_every_nodule_is_validated_once() -> None:
    names = [f"{i}_nod" for i in range(103)]
    folds = cubes_dataset.five_folds(names)
    validated = [name for fold in folds for name in fold["val"]]
    assert sorted(validated) == sorted(names)
    for fold in folds:
        assert sorted(fold["train"] + fold["val"]) == sorted(names)
    assert folds == cubes_dataset.five_folds(names)


@pytest.mark.parametrize(
    ("name", "base"), [("nnUNetTrainer", nnUNetTrainer), ("nnUNetTrainerRAEMD", nnUNetTrainerRAEMD)]
)
def test_a_name_says_system_budget_and_seed(name: str, base: type) -> None:
    trainer: Any = getattr(processor_time_trainers, f"{name}_150s_seed3")
    assert issubclass(trainer, base)
    assert (trainer.seconds, trainer.seed) == (150.0, 3)


def test_other_names_are_not_found() -> None:
    assert not hasattr(processor_time_trainers, "nnUNetTrainerRAEMD")


def test_the_budget_counts_training_time_only(monkeypatch: pytest.MonkeyPatch) -> None:
    clock = iter([10.0, 13.0, 16.0, 16.0])
    monkeypatch.setattr(time, "process_time", lambda: next(clock))
    trainer: Any = SimpleNamespace(spent=20.0, seconds=50.0, running_since=None)
    done = processor_time_trainers.ProcessorTimeBudget.epochs_done
    assert done(trainer) == pytest.approx(0.4 * 1000)  # the clock stands: 20 of 50 s
    trainer.running_since = 10.0
    next(clock)
    assert done(trainer) == pytest.approx((20 + 3) / 50 * 1000)
    trainer.spent = 49.0
    assert done(trainer) == 1000  # never more than all


def test_holms_correction_by_hand() -> None:
    # ordered 0.01 x 3, 0.03 x 2, 0.04 x 1, none below the one before
    assert case_tables.holm([0.01, 0.04, 0.03]) == pytest.approx([0.03, 0.06, 0.06])
    assert case_tables.holm([0.5, 0.9]) == pytest.approx([1.0, 1.0])


@pytest.mark.parametrize(
    ("diameter", "group"), [(7.99, "< 8 mm"), (8.0, "8-15 mm"), (14.9, "8-15 mm"), (15.0, "> 15 mm")]
)
def test_diameter_groups(diameter: float, group: str) -> None:
    assert nodule_tables.diameter_group(diameter) == group


def test_the_tables_of_two_systems(tmp_path: Path) -> None:
    """Two systems on eight nodules: the first is better by 0.1 on all."""
    models = {"A__P__2d": ("RAEMD-Net", 0), "B__P__3d": ("U-Net", 0)}
    nodules = {f"n{i}": {"diameter_mm": 6.0 + 2 * i, "texture": "solid"} for i in range(8)}
    file = tmp_path / "cases.csv"
    with file.open("w", newline="") as stream:
        keys = [*case_tables.METRICS, "continuity"]
        writer = csv.DictWriter(stream, ["system", "case", "fold", *keys])
        writer.writeheader()
        for name, dice in (("A", 0.7), ("B", 0.6)):
            for i in range(8):
                row = dict.fromkeys(keys, dice + 0.01 * i)
                writer.writerow({"system": name, "case": f"n{i}", "fold": i % 2} | row)
    table = nodule_tables.with_nodules(case_tables.read_cases(file, models), nodules)
    text = case_tables.comparisons(table)
    # the smallest p that eight pairs of one sign can give, two-sided: 2 / 2^8
    assert "| U-Net | 8 | +0.100 | +0.100 to +0.100 | 8 |" in text
    assert "0.0078" in text
    assert f"{np.mean(0.7 + 0.01 * np.arange(8)):.3f}" in case_tables.main_table(table)
    assert (
        nodule_tables.by_group(table, "diameter")
        .splitlines()[0]
        .endswith("| < 8 mm (1) | 8-15 mm (4) | > 15 mm (3) |")
    )


def test_lesions_of_a_system_are_means_over_its_seeds() -> None:
    """Two scans with two lesions: one seed finds one of them and a false one, the other finds both."""
    half = froc_curve([0.9], [0.8], n_lesions=2, n_scans=2)  # 0.5 from no false lesion on
    whole = froc_curve([0.9, 0.7], [], n_lesions=2, n_scans=2)
    undefined = (math.nan,) * 5
    lesions = {
        "A_seed0": LesionSummary(2, 2, 1, 1, *undefined, by_diameter=(), froc=half),
        "A_seed1": LesionSummary(2, 2, 2, 0, *undefined, by_diameter=(), froc=whole),
    }
    models = {"A_seed0__P__2d": ("A", 0), "A_seed1__P__2d": ("A", 1)}
    (row,) = whole_scans.lesion_table(lesions, models).splitlines()[2:]
    # the deviation of 0.5 and 1 is the root of 1/8
    assert row == "| A | 0.750 | 0.250 | " + "0.750 | " * 8 + "0.354 |"


def test_where_dice_is_lost_by_hand() -> None:
    reference = np.zeros((6, 8, 8), bool)
    reference[2:4, 2:4, 2:4] = True  # 8 voxels
    predicted = np.zeros_like(reference)
    predicted[2:5, 2:4, 2] = True  # 4 of them, and 2 joined to it in the slice above
    predicted[2, 7, 7] = True  # 1 apart, in a slice of the nodule
    predicted[0, 7, 5:8] = True  # 3 apart, elsewhere
    shares = false_volume.volume_shares(predicted, reference)
    assert shares == pytest.approx(
        {
            "dice": 2 * 4 / (8 + 10),
            "dice_in_slices": 2 * 4 / (8 + 5),
            "missed": 4 / 8,
            "joined": 2 / 8,
            "apart": 4 / 8,
        }
    )


def test_thick_slices_of_a_ramp_by_hand() -> None:
    """Slices 0 to 5 in pairs: means 0.5, 2.5, 4.5 at just these places, and level beyond them."""
    ramp = np.arange(6.0)[:, None, None] * np.ones((1, 2, 2))
    assert degraded_cubes.thick(ramp, 2)[:, 0, 0].tolist() == pytest.approx([0.5, 1, 2, 3, 4, 4.5])
    # three slices of two: the last is a slice by itself
    assert degraded_cubes.thick(ramp[:5], 2)[:, 0, 0].tolist() == pytest.approx([0.5, 1, 2, 3, 4])


def test_other_changes_by_closed_forms() -> None:
    flat = np.full((4, 40, 40), -700.0)
    assert degraded_cubes.shifted(flat, 50) == pytest.approx(flat + 50)
    assert degraded_cubes.sharpened(flat, 4) == pytest.approx(flat)
    assert np.std(degraded_cubes.noisy(flat, 80)) == pytest.approx(80)
    point = np.zeros((1, 41, 41))
    point[0, 20, 20] = 1
    rows = np.arange(41) - 20
    assert (degraded_cubes.smoothed(point, 1.5)[0].sum(axis=1) * rows**2).sum() == pytest.approx(
        1.5**2, rel=0.01
    )


def test_what_a_change_takes_of_dice(tmp_path: Path) -> None:
    """One cube; a step of each kind takes a tenth."""
    rows = [{"system": "A", "kind": "asis", "step": 0, "dice": 0.8}]
    rows += [
        {"system": "A", "kind": kind, "step": step, "dice": 0.8 - step / 10}
        for kind in degraded_cubes.KINDS
        for step in (1, 2, 3)
    ]
    lines = scanners.loss_table(pd.DataFrame(rows)).splitlines()
    assert lines[2] == "| none: Dice | | 0.800 |"
    assert lines[4] == "| smooth kernel, sigma in mm | 1 | -0.200 |"
    assert lines[-1] == "| mean of the middle severities | | -0.200 |"
    scanners.draw(pd.DataFrame(rows), tmp_path / "picture.png")
    assert (tmp_path / "picture.png").stat().st_size > 1000


def test_changed_cubes_that_are_there_stay(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(scanners, "cases_of", lambda fold, root: ["a"])
    images = tmp_path / "nnUNet_raw" / cubes_dataset.DATASET / "imagesTr"
    images.mkdir(parents=True)
    cube = np.random.default_rng(0).normal(-800, 60, (5, 6, 7)).astype(np.float32)
    sitk.WriteImage(sitk.GetImageFromArray(cube), str(images / "a_0000.nii.gz"))
    folder = scanners.write_degraded("0", tmp_path)
    files = {file.name: file.read_bytes() for file in folder.iterdir()}
    assert len(files) == 16
    for name, expected in degraded_cubes.degraded(cube.astype(float)):
        written = sitk.GetArrayFromImage(sitk.ReadImage(str(folder / f"{name}_a_0000.nii.gz")))
        np.testing.assert_allclose(written, expected, atol=0.01)
    times = {file.name: file.stat().st_mtime_ns for file in folder.iterdir()}
    scanners.write_degraded("0", tmp_path)
    assert {file.name: file.stat().st_mtime_ns for file in folder.iterdir()} == times
    (folder / "noise-2_a_0000.nii.gz").unlink()  # as after a kill
    scanners.write_degraded("0", tmp_path)
    again = sitk.GetArrayFromImage(sitk.ReadImage(str(folder / "noise-2_a_0000.nii.gz")))
    np.testing.assert_allclose(again, np.asarray(degraded_cubes.noisy(cube.astype(float), 100)), atol=0.01)


def test_fewer_labels_are_among_more_and_validate_the_same(tmp_path: Path) -> None:
    names = [f"{i}_nod" for i in range(50)]
    folder = tmp_path / "nnUNet_preprocessed" / cubes_dataset.DATASET
    folder.mkdir(parents=True)
    (folder / "splits_final.json").write_text(json.dumps(cubes_dataset.five_folds(names)))
    for _ in range(2):  # a second run leaves them as they are
        label_parts.write_splits(tmp_path, [10, 25, 100])
        splits = label_parts.read_splits(tmp_path)
        assert splits[:5] == cubes_dataset.five_folds(names)
        for fold in range(5):
            tenth, quarter = (splits[int(label_parts.fold_of(str(fold), p))] for p in (10, 25))
            assert (len(tenth["train"]), len(quarter["train"])) == (4, 10)
            assert set(tenth["train"]) < set(quarter["train"]) < set(splits[fold]["train"])
            assert tenth["val"] == quarter["val"] == splits[fold]["val"]


def test_a_teacher_decides_where_it_is_confident() -> None:
    probability = np.array([0.0, 0.05, 0.1, 0.11, 0.5, 0.89, 0.9, 1.0])
    labels = pseudo_labels.pseudo_label(probability)
    assert labels.tolist() == [0, 0, 0, 2, 2, 2, 1, 1]


def test_students_train_on_labels_and_answers_and_are_validated_as_their_teachers(tmp_path: Path) -> None:
    splits = [{"train": ["a", "b", "c"], "val": ["d"]}, {"train": ["a"], "val": ["d"]}]
    for case in ("b", "c"):
        (tmp_path / f"{case}.npz").touch()
    students = pseudo_labels.student_splits(splits, {"1": tmp_path})
    assert students == [splits[0], {"train": ["a", "b_by_1", "c_by_1"], "val": ["d"]}]


def test_slices_and_blocks_are_hidden() -> None:
    """A slice stays with probability 0.7, and a block of it with 0.7; of 4 slices, one more is hidden."""
    torch.manual_seed(0)
    hidden = masked_trainer.hidden_voxels(torch.Size((400, 1, 4, 20, 24)))
    assert hidden.shape == (400, 1, 4, 20, 24)
    assert set(hidden.unique().tolist()) == {0.0, 1.0}
    whole = hidden.amin((3, 4))[:, 0]
    assert whole.any(0).all()
    blocks = hidden[..., :16, :].unfold(3, 8, 8).unfold(4, 8, 8)
    assert (blocks.amin((-1, -2)) == blocks.amax((-1, -2))).all()
    assert hidden[:, :, whole.amin(0) == 0].mean().item() == pytest.approx(1 - 0.7 * 0.7, abs=0.05)


def test_the_loss_of_a_reconstruction_by_hand() -> None:
    """Only hidden voxels count, and only the first channel: (|3 - 1| + |0 - 4|) / 2."""
    output = torch.tensor([[3.0, 9.0, 0.0], [7.0, 7.0, 7.0]]).reshape(1, 2, 1, 1, 3)
    target = torch.tensor([[1.0, 2.0, 4.0], [1.0, 0.0, 1.0]]).reshape(1, 2, 1, 1, 3)
    assert masked_trainer.ReconstructionLoss()(output, target).item() == pytest.approx(3.0)
