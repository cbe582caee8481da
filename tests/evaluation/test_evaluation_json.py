"""The JSON file: nothing lost, valid for other readers, and errors that say what to do."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path

import pytest
from segmentations import block, write_labels

from nnunetv2_raemd.errors import UserError
from nnunetv2_raemd.evaluation.case_results import Candidate, Evaluation, Problem, SystemResult
from nnunetv2_raemd.evaluation.evaluation_json import load_results, save_results
from nnunetv2_raemd.evaluation.summary import Summary, summarize
from nnunetv2_raemd.evaluation.systems import PredictionFolder, System, evaluate_folders
from nnunetv2_raemd.nnunet_files.label_set import LabelSet, Target
from nnunetv2_raemd.nnunet_files.segmentation_folder import ReferenceFolder


@pytest.fixture
def evaluation(tmp_path: Path) -> Evaluation:
    """One case with a found, a missed and a false lesion, one with an empty prediction, a problem."""
    first = block(((1, 2, 2), (4, 6, 6)), ((1, 2, 10), (4, 6, 14)))
    second = block(((1, 3, 2), (3, 6, 6)), ((5, 12, 12), (7, 14, 14)))
    for name, prediction in (("a", second), ("b", block())):
        write_labels(first, tmp_path / "ref" / f"{name}.nii.gz")
        write_labels(prediction, tmp_path / "pred" / f"{name}.nii.gz")
    folder = PredictionFolder(tmp_path / "pred", frozenset({"a", "b", "c"}), "0")
    labels = LabelSet((Target("nodule", (1,)), Target("all", (1, 2))), 3)
    return evaluate_folders([System("A", (folder,))], ReferenceFolder(tmp_path / "ref", ".nii.gz"), labels)


def test_what_is_read_equals_what_was_written(evaluation: Evaluation, tmp_path: Path) -> None:
    file = tmp_path / "out" / "evaluation.json"
    save_results(evaluation, summarize(evaluation), file)
    loaded = load_results(file)
    assert repr(loaded) == repr(evaluation)  # NaN equals NaN there
    assert repr(summarize(loaded)) == repr(summarize(evaluation))
    assert [path.name for path in file.parent.iterdir()] == ["evaluation.json"]


def test_it_is_json_as_the_standard_has_it(evaluation: Evaluation, tmp_path: Path) -> None:
    file = tmp_path / "evaluation.json"
    save_results(evaluation, summarize(evaluation), file)

    def refuse(constant: str) -> None:
        raise AssertionError(constant)

    content = json.loads(file.read_text(encoding="utf-8"), parse_constant=refuse)
    empty = content["systems"][0]["cases"][1]["targets"]["nodule"]["metrics"]
    assert (empty["hd95_mm"], empty["precision"], empty["dice"]) == ("Infinity", None, 0)
    assert content["summary"]["targets"][0]["metrics"][0]["metric"] == "dice"


def test_candidates_and_problems_survive(evaluation: Evaluation, tmp_path: Path) -> None:
    problem = SystemResult("B", (), (Problem("x", None, "because ä"),))
    case = evaluation.systems[0].cases[0]
    scored = replace(case.targets["nodule"], candidates=(Candidate(0.5, (1.0, 2.0, 3.5), (0, 1)),))
    case = replace(case, targets={**case.targets, "nodule": scored})
    evaluation = replace(evaluation, systems=(SystemResult("A", (case,)),))
    more = Evaluation(evaluation.labels, (*evaluation.systems, problem), {"froc": "False"})
    save_results(more, Summary((), (), None), tmp_path / "e.json")
    assert repr(load_results(tmp_path / "e.json")) == repr(more)


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("{", " is not valid JSON"),
        ("[]", r": its content is \[\], but should be a mapping"),
        ('{"format": "other"}', ': format is "other", but should be'),
        ('{"format": "nnunetv2-raemd evaluation, version 1"}', ": labels is missing"),
    ],
)
def test_other_files_are_refused(tmp_path: Path, text: str, message: str) -> None:
    (tmp_path / "e.json").write_text(text, encoding="utf-8")
    with pytest.raises(UserError, match=rf"e\.json{message}.*Run raemd evaluate"):
        load_results(tmp_path / "e.json")


def test_a_metric_that_is_missing_is_named(evaluation: Evaluation, tmp_path: Path) -> None:
    file = tmp_path / "evaluation.json"
    save_results(evaluation, summarize(evaluation), file)
    content = json.loads(file.read_text(encoding="utf-8"))
    del content["systems"][0]["cases"][0]["targets"]["nodule"]["metrics"]["dice"]
    file.write_text(json.dumps(content), encoding="utf-8")
    with pytest.raises(UserError, match=r"evaluation\.json: A, a, nodule: dice missing"):
        load_results(file)


def test_absent_and_unwritable_files(evaluation: Evaluation, tmp_path: Path) -> None:
    with pytest.raises(UserError, match=r"none\.json does not exist. Run raemd evaluate"):
        load_results(tmp_path / "none.json")
    (tmp_path / "file").write_text("")
    with pytest.raises(UserError, match="cannot be written"):
        save_results(evaluation, summarize(evaluation), tmp_path / "file" / "e.json")
