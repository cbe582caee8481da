"""Patients on both sides of a fold, against splits made by hand."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from nnunetv2_raemd.nnunet_files.patients import (
    SharedPatients,
    patients_of_cases,
    shared_in_fold,
    shared_patients,
)
from nnunetv2_raemd.nnunet_files.splits_file import Split

PATIENTS = {"a1": "A", "a2": "A", "b1": "B", "b2": "B", "c1": "C", "d1": "D"}


def test_patients_are_those_of_the_conversion_report(tmp_path: Path) -> None:
    rows = [{"case": case, "patient": patient, "status": "in dataset"} for case, patient in PATIENTS.items()]
    rows.append({"case": "file_1", "patient": ""})  # rejected, and nobody's
    (tmp_path / "conversion_report.json").write_text(json.dumps({"counts": {}, "cases": rows}))
    assert patients_of_cases(tmp_path) == PATIENTS


@pytest.mark.parametrize("content", [None, "{", "[]", '{"cases": [{"name": "a1"}]}'])
def test_without_a_report_of_ours_nobody_is_known(tmp_path: Path, content: str | None) -> None:
    if content is not None:
        (tmp_path / "conversion_report.json").write_text(content)
    assert patients_of_cases(tmp_path) == {}


@pytest.mark.parametrize(
    ("training", "validation", "shared"),
    [
        (["a1", "a2", "c1"], ["b1", "b2", "d1"], None),
        (["a1", "b1", "c1"], ["b2", "a2", "d1"], SharedPatients(2, "A", "a1", "a2")),
        (["a1", "c1"], ["b1", "c1"], None),  # the same case, which is another fault
        (["x1"], ["x2", "a1"], None),  # of unknown patients
    ],
)
def test_patients_on_both_sides(
    training: list[str], validation: list[str], shared: SharedPatients | None
) -> None:
    assert shared_patients(training, validation, PATIENTS) == shared


def test_one_example_is_named() -> None:
    told = SharedPatients(2, "A", "a1", "a2").told()
    assert told == "2 patients in training and validation, as A (trained on a1, validated on a2)"


@pytest.mark.parametrize(
    ("fold", "is_shared"), [("0", True), ("1", False), ("2", False), ("all", False), (None, False)]
)
def test_of_a_fold_of_the_splits(fold: str | None, is_shared: bool) -> None:
    splits: list[Split] = [{"train": ["a1", "b1"], "val": ["a2"]}, {"train": ["b1"], "val": ["a1", "a2"]}]
    assert (shared_in_fold(fold, splits, PATIENTS) is not None) is is_shared
