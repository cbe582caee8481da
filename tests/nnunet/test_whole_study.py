"""One comparison of three trainers on two folds, from `raemd study` to `raemd report`, by the commands."""

from __future__ import annotations

import json
import math
import re
import shutil
from collections.abc import Iterator
from dataclasses import replace
from itertools import product
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import SimpleITK as sitk
from nnunet_models import RAEMD, STOCK
from nnunet_workspace import Workspace
from nnunetv2.evaluation.find_best_configuration import find_best_configuration_entry_point
from scipy.stats import wilcoxon
from typer.testing import CliRunner

from nnunetv2_raemd.cli import app
from nnunetv2_raemd.evaluation.case_results import Evaluation
from nnunetv2_raemd.evaluation.evaluation_json import load_results

pytestmark = pytest.mark.slow

ATTENTION = "nnUNetTrainerAttentionUNet_tiny"
TRAINERS = (STOCK, ATTENTION, RAEMD)
MODELS = ("-d", 501, "-c", "2d", "-tr", *TRAINERS, "--folds", 0, 1)
STUDY = ("study", *MODELS, "-device", "cpu", "--npz")
NNUNET_METRICS = {"Dice": "dice", "IoU": "iou"} | {
    name: name.lower() for name in ("TP", "FP", "FN", "TN", "n_pred", "n_ref")
}


def read_json(file: Path) -> Any:
    return json.loads(file.read_text(encoding="utf-8"))


def raemd(workspace: Workspace, *arguments: object) -> str:
    """Run `raemd` in this process; returns what it printed."""
    finished = CliRunner().invoke(app, [str(argument) for argument in arguments], env=workspace.variables())
    assert finished.exit_code == 0, (finished.output, finished.exception)
    return finished.output


def dataset(workspace: Workspace) -> Path:
    """The folder of results."""
    return workspace.results / "Dataset501_Spheres"


def nnunet_cases(workspace: Workspace, trainer: str) -> Iterator[tuple[str, dict[str, float]]]:
    """Every case of both folds with its metrics in nnU-Net's own summaries."""
    for fold in (0, 1):
        summary = workspace.model(trainer, "2d") / f"fold_{fold}" / "validation" / "summary.json"
        for case in read_json(summary)["metric_per_case"]:
            yield Path(case["prediction_file"]).name.removesuffix(".nii.gz"), case["metrics"]["1"]


@pytest.fixture(scope="module")
def began(
    workspace: Workspace, raemd_model: Path, stock_model: Path, tmp_path_factory: pytest.TempPathFactory
) -> Workspace:
    """Four trainings are there; the results are a copy, for other tests need theirs as they are."""
    copied = replace(workspace, results=tmp_path_factory.mktemp("study"))
    for model in (raemd_model, stock_model):
        ignored = shutil.ignore_patterns("crossval_results*")
        shutil.copytree(model, dataset(copied) / model.name, ignore=ignored)
    copied.train(501, "2d", 1, "-tr", STOCK, "--npz")
    copied.train(501, "2d", 0, "-tr", ATTENTION, "--npz")
    return copied


@pytest.fixture(scope="module")
def studied(began: Workspace) -> Workspace:
    """The study was run to its end."""
    assert "6 trainings, 2 of them to run" in raemd(began, *STUDY)
    return began


@pytest.fixture(scope="module")
def evaluation(studied: Workspace) -> Evaluation:
    """What `raemd evaluate` saved."""
    raemd(studied, "evaluate", *MODELS, "--froc", "-np", 1)
    return load_results(dataset(studied) / "evaluation__2d" / "evaluation.json")


@pytest.fixture(scope="module")
def best_configuration(studied: Workspace) -> dict[str, Any]:
    """What nnUNetv2_find_best_configuration found, ensembles included."""
    options = ("-c", "2d", "-tr", *TRAINERS, "-f", 0, 1, "-np", 1)
    studied.run_here(find_best_configuration_entry_point, 501, *options)
    found: dict[str, Any] = read_json(dataset(studied) / "inference_information.json")
    return found


def test_every_training_is_done_once(studied: Workspace) -> None:
    done_before = {(STOCK, 0), (STOCK, 1), (RAEMD, 0), (ATTENTION, 0)}
    for trainer, fold in product(TRAINERS, (0, 1)):
        log = dataset(studied) / "study" / f"{trainer}__nnUNetPlans__2d__fold_{fold}.log"
        if (trainer, fold) in done_before:
            assert not log.exists()
        else:
            assert (
                len(re.findall(r"^\$ .*nnUNetv2_train ", log.read_text(encoding="utf-8"), re.MULTILINE)) == 1
            )

    checkpoints = {
        file: file.stat().st_mtime_ns for file in dataset(studied).glob("*/fold_*/checkpoint_final.pth")
    }
    assert len(checkpoints) == 6
    assert "6 trainings, 0 of them to run" in raemd(studied, *STUDY)
    assert {file: file.stat().st_mtime_ns for file in checkpoints} == checkpoints


def test_a_training_that_fails_is_told(studied: Workspace) -> None:
    nobody = ("nnUNetTrainerOfNobody", "-device", "cpu")
    finished = studied.raemd("study", "-d", 501, "--folds", 0, "-tr", RAEMD, *nobody)
    assert finished.returncode == 1, finished.stdout[-3000:]
    assert "2 trainings, 1 of them to run" in finished.stdout
    assert "nnUNetTrainerOfNobody__nnUNetPlans__2d__fold_0: failed" in finished.stdout


def test_the_evaluation_equals_nnunets_own(studied: Workspace, evaluation: Evaluation) -> None:
    splits = read_json(studied.preprocessed / "Dataset501_Spheres" / "splits_final.json")
    for trainer in TRAINERS:
        expected = dict(nnunet_cases(studied, trainer))
        assert expected.keys() == {*splits[0]["val"], *splits[1]["val"]}
        cases = evaluation.system(trainer).cases
        assert {case.case_id for case in cases} == expected.keys()
        for case in cases:
            got = case.targets["nodule"].metrics
            for name, key in NNUNET_METRICS.items():
                np.testing.assert_equal(got[key], expected[case.case_id][name])


def test_trainers_are_compared_by_nnunets_numbers(studied: Workspace, evaluation: Evaluation) -> None:
    """Against the first; Holm's correction for two p-values written out."""
    dice = {
        trainer: np.array([metrics["Dice"] for _, metrics in sorted(nnunet_cases(studied, trainer))])
        for trainer in TRAINERS
    }
    differences = {trainer: dice[trainer] - dice[STOCK] for trainer in (ATTENTION, RAEMD)}
    p = {trainer: wilcoxon(d).pvalue if d.any() else 1.0 for trainer, d in differences.items()}
    summary = read_json(dataset(studied) / "evaluation__2d" / "evaluation.json")["summary"]
    found = {c["system"]: c for c in summary["comparisons"] if c["metric"] == "dice"}
    assert found.keys() == differences.keys()
    for trainer, d in differences.items():
        assert found[trainer]["against"] == STOCK
        assert found[trainer]["test"]["n_pairs"] == 3
        assert found[trainer]["test"]["median_difference"] == pytest.approx(float(np.median(d)))
        assert found[trainer]["test"]["p"] == pytest.approx(p[trainer])
        twice_the_lower = 2 * min(p.values())
        holm = twice_the_lower if p[trainer] == min(p.values()) else max(p[trainer], twice_the_lower)
        assert found[trainer]["p_holm"] == pytest.approx(min(1.0, holm))


def test_nnunets_choice_agrees(best_configuration: dict[str, Any], evaluation: Evaluation) -> None:
    results = best_configuration["all_results"]
    assert len(results) == 6  # and an ensemble of each pair
    for trainer in TRAINERS:
        dice = evaluation.system(trainer).values("nodule", "dice").values()
        assert results[f"{trainer}__nnUNetPlans__2d"] == pytest.approx(math.fsum(dice) / len(dice))


def test_three_cases_prove_no_postprocessing(
    studied: Workspace, best_configuration: dict[str, Any], tmp_path: Path
) -> None:
    """So that applying what was determined to the merged folds of nnU-Net changes nothing."""
    model = studied.model(RAEMD, "2d")
    options = ("--dataset", 501, "-c", "2d", "-tr", RAEMD, "--folds", 0, 1, "-np", 1)
    raemd(studied, "postprocess", "determine", *options)
    file = model / "postprocessing_raemd.json"
    content = read_json(file)
    assert set(content["cases"]) == {case for case, _ in nnunet_cases(studied, RAEMD)}
    (label,) = content["labels"]
    assert label["trials"] and not any(trial["kept"] for trial in label["trials"])

    merged = model / "crossval_results_folds_0_1"
    raemd(studied, "postprocess", "apply", "-i", merged, "-o", tmp_path, "-pp_file", file, "-np", 1)
    segmentations = sorted(merged.glob("*.nii.gz"))
    assert len(segmentations) == 3
    for segmentation in segmentations:
        before, after = (
            sitk.GetArrayFromImage(sitk.ReadImage(str(folder / segmentation.name)))
            for folder in (merged, tmp_path)
        )
        np.testing.assert_array_equal(before, after)


def test_the_report_holds_all_trainers(studied: Workspace, evaluation: Evaluation) -> None:
    printed = raemd(studied, "report", *MODELS, "-np", 1)
    page = (dataset(studied) / "report__2d.html").read_text(encoding="utf-8")
    assert "report__2d.html" in printed and "Missing" not in printed
    embedded = dict(
        re.findall(r'<script type="application/json" id="([^"]+)">(.*?)</script>', page, re.DOTALL)
    )
    assert json.loads(embedded["case-names"]).keys() == set(TRAINERS)
    box = json.loads(embedded["figure-box-0-0"])
    assert {trace["name"] for trace in box["data"]} == set(TRAINERS)
    assert {name for name in embedded if re.fullmatch(r"case-\d", name)} == {"case-0", "case-1", "case-2"}
