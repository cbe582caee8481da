"""Whole folders: what belongs together, what is missing or surplus, and workers."""

from __future__ import annotations

import os
import signal
import sys
from pathlib import Path

import pytest
from segmentations import block, noisy_labels, write_labels
from typer.testing import CliRunner

from nnunetv2_raemd.cli import app
from nnunetv2_raemd.errors import UserError
from nnunetv2_raemd.evaluation import case_pool
from nnunetv2_raemd.evaluation.case_evaluation import CaseFiles
from nnunetv2_raemd.evaluation.case_results import CaseResult, Evaluation
from nnunetv2_raemd.evaluation.evaluation_json import load_results
from nnunetv2_raemd.evaluation.evaluation_options import EvaluationOptions
from nnunetv2_raemd.evaluation.systems import PredictionFolder, System, evaluate_folders
from nnunetv2_raemd.nnunet_files.label_set import LabelSet, Target
from nnunetv2_raemd.nnunet_files.segmentation_folder import ReferenceFolder

LABELS = LabelSet((Target("one", (1,)), Target("two", (2,))))


def write_folders(folder: Path, n_cases: int = 4) -> tuple[System, ReferenceFolder]:
    for i in range(n_cases):
        write_labels(noisy_labels(i, 2), folder / "ref" / f"case_{i}.nii.gz")
        write_labels(noisy_labels(50 + i, 2), folder / "pred" / f"case_{i}.nii.gz")
    reference = ReferenceFolder(folder / "ref", ".nii.gz")
    return System("A", (PredictionFolder(folder / "pred", frozenset(reference.case_ids())),)), reference


def by_worker(evaluation: Evaluation) -> list[tuple[str, str]]:
    """All that was measured, as text: NaN equals NaN there."""
    return [(case.case_id, repr(case)) for case in evaluation.systems[0].cases]


def test_workers_give_the_same_in_the_same_order(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(case_pool, "_CASES_PER_WORKER", 2)
    system, reference = write_folders(tmp_path)
    alone = evaluate_folders([system], reference, LABELS)
    together = evaluate_folders([system], reference, LABELS, workers=2)
    assert by_worker(alone) == by_worker(together)
    assert [name for name, _ in by_worker(alone)] == [f"case_{i}" for i in range(4)]
    assert not any(system.problems for system in alone.systems)
    assert alone.settings == EvaluationOptions().described()


def test_missing_surplus_and_bad_cases_leave_the_rest(tmp_path: Path) -> None:
    system, reference = write_folders(tmp_path)
    (tmp_path / "pred" / "case_0.nii.gz").unlink()
    (tmp_path / "pred" / "case_1.nii.gz").write_bytes(b"broken")
    write_labels(block(shape=(9, 20, 24)), tmp_path / "pred" / "case_2.nii.gz")
    write_labels(block(), tmp_path / "pred" / "stranger.nii.gz")
    (tmp_path / "pred" / "._case_3.nii.gz").write_bytes(b"what macOS leaves")
    found = evaluate_folders([system], reference, LABELS)
    assert [case.case_id for case in found.systems[0].cases] == ["case_3"]
    reasons = {problem.case_id: problem.reason for problem in found.systems[0].problems}
    assert list(reasons) == ["case_0", "case_1", "case_2", "stranger"]
    assert "case_0.nii.gz does not exist" in reasons["case_0"]
    assert "cannot be read" in reasons["case_1"]
    assert "same grid" in reasons["case_2"]
    assert "has no reference" in reasons["stranger"]


def test_cases_of_another_fold_are_left_out(tmp_path: Path) -> None:
    _, reference = write_folders(tmp_path)
    folder = PredictionFolder(tmp_path / "pred", frozenset({"case_0", "case_1"}), "3")
    found = evaluate_folders([System("A", (folder,))], reference, LABELS).systems[0]
    assert [(case.case_id, case.fold) for case in found.cases] == [("case_0", "3"), ("case_1", "3")]
    assert [(p.case_id, p.fold, "not of this fold" in p.reason) for p in found.problems] == [
        ("case_2", "3", True),
        ("case_3", "3", True),
    ]
    assert found.folds == ("3",)


def test_folders_that_are_absent_or_empty(tmp_path: Path) -> None:
    _, reference = write_folders(tmp_path, 1)
    empty = PredictionFolder(tmp_path / "pred", frozenset())
    with pytest.raises(UserError, match="no case to evaluate"):
        evaluate_folders([System("A", (empty,))], reference, LABELS)
    with pytest.raises(UserError, match="nowhere is not a folder"):
        evaluate_folders([System("A", (empty,))], ReferenceFolder(tmp_path / "nowhere", ".nii.gz"), LABELS)


def test_an_error_nobody_foresaw_costs_one_case(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    system, reference = write_folders(tmp_path, 2)
    monkeypatch.setattr("nnunetv2_raemd.evaluation.case_evaluation.find_surface", lambda *_: 1 // 0)
    problems = evaluate_folders([system], reference, LABELS).systems[0].problems
    assert ["ZeroDivisionError" in problem.reason for problem in problems] == [True, True]


class DeadlyJob(case_pool.EvaluationJob):
    """Dies of one case, as by the system's out-of-memory killer."""

    def __call__(self, case: CaseFiles, /) -> CaseResult:
        if case.case_id == "case_1":
            os.kill(os.getpid(), signal.SIGKILL)
        return super().__call__(case)


@pytest.mark.skipif(sys.platform == "win32", reason="SIGKILL is POSIX's")
def test_a_worker_that_is_killed_costs_only_its_case(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The case is named, the others are evaluated, and the exit status is 1."""
    monkeypatch.setattr(case_pool, "EvaluationJob", DeadlyJob)
    monkeypatch.setattr(case_pool, "_CASES_PER_WORKER", 1)
    write_folders(tmp_path)
    folders = ("--pred", str(tmp_path / "pred"), "--ref", str(tmp_path / "ref"))
    result = CliRunner().invoke(app, ["evaluate", *folders, "-l", "1", "-np", "2"])
    assert result.exit_code == 1
    assert "pred: case_1: the worker process died" in result.output
    assert "Evaluating 4/4, 1 failed" in result.output
    found = load_results(tmp_path / "pred" / "evaluation" / "evaluation.json").systems[0]
    assert [case.case_id for case in found.cases] == ["case_0", "case_2", "case_3"]
    assert [problem.case_id for problem in found.problems] == ["case_1"]
