"""`raemd evaluate`: nnU-Net's cross-validation folders and two folders, to exit status and files."""

from __future__ import annotations

import csv
import json
import math
import shutil
from pathlib import Path

import numpy as np
import pytest
import SimpleITK as sitk
from nnunetv2.evaluation.evaluate_predictions import compute_metrics_on_folder, load_summary_json
from nnunetv2.imageio.simpleitk_reader_writer import SimpleITKIO
from segmentations import NnunetFolders, block, noisy_labels, write_labels
from typer.testing import CliRunner, Result

from nnunetv2_raemd.cli import app
from nnunetv2_raemd.errors import UserError
from nnunetv2_raemd.evaluation.evaluation_json import load_results
from nnunetv2_raemd.evaluation.summary import summarize

SPLITS = (("case_0", "case_1"), ("case_2", "case_3"))
REGIONS = {"background": 0, "whole": [1, 2], "core": 2, "ignore": 3}
ALL_FILES = {
    *("evaluation.json", "cases.csv", "lesions.csv", "summary.csv", "comparisons.csv", "froc.csv"),
    *("summary.md", "summary.tex"),
}


def raemd(*arguments: object) -> Result:
    result = CliRunner().invoke(app, [str(argument) for argument in arguments])
    if isinstance(result.exception, UserError):
        raise result.exception
    assert result.exception is None or isinstance(result.exception, SystemExit), result.output
    return result


@pytest.fixture
def trained(nnunet_folders: NnunetFolders) -> NnunetFolders:
    """Dataset 701 with regions and an ignore label, and two trainers validated on two folds."""
    nnunet_folders.add_dataset(REGIONS, SPLITS, regions_class_order=[1, 2])
    for i in range(4):
        write_labels(noisy_labels(i, 3), nnunet_folders.references / f"case_{i}.nii.gz")
        for seed, trainer in ((50, "TrainerA"), (90, "TrainerB")):
            folder = nnunet_folders.validation(trainer, i // 2)
            write_labels(noisy_labels(seed + i, 2), folder / f"case_{i}.nii.gz")
            (folder / "summary.json").write_text("{}", encoding="utf-8")
    return nnunet_folders


def test_froc_of_probability_maps(trained: NnunetFolders) -> None:
    """Regions have no background channel; every lesion of `whole` is at 0.8 but one scan has only noise."""
    for i in range(4):
        reference = sitk.GetArrayFromImage(sitk.ReadImage(str(trained.references / f"case_{i}.nii.gz")))
        maps = np.stack([np.isin(reference, (1, 2)), reference == 2]) * np.float32(0.8 if i else 0.05)
        folder = trained.validation("TrainerA", i // 2)
        np.savez_compressed(folder / f"case_{i}.npz", probabilities=maps)
        write_labels(reference if i else np.zeros_like(reference), folder / f"case_{i}.nii.gz")
    result = raemd("evaluate", "-d", 701, "-tr", "TrainerA", "-np", 1, "--froc")
    assert result.exit_code == 0, result.output
    found = load_results(trained.results / "evaluation__2d" / "evaluation.json")
    curve = summarize(found).of("TrainerA", "whole").lesions.froc
    lesions = [len(case.targets["whole"].lesions) for case in found.systems[0].cases]
    assert curve is not None
    assert curve.cpm == pytest.approx(1 - lesions[0] / sum(lesions))
    assert "| TrainerA |" in (trained.results / "evaluation__2d" / "summary.md").read_text(encoding="utf-8")
    assert raemd("evaluate", "-d", 701, "-tr", "TrainerB", "-np", 1, "--froc").exit_code == 1


def test_a_map_that_is_not_of_the_prediction_is_named(trained: NnunetFolders) -> None:
    """Maps of what was predicted; the channels of one of them are swapped."""
    for i in range(4):
        folder = trained.validation("TrainerA", i // 2)
        labels = sitk.GetArrayFromImage(sitk.ReadImage(str(folder / f"case_{i}.nii.gz")))
        maps = np.stack([np.isin(labels, (1, 2)), labels == 2]) * np.float32(0.9)
        np.savez_compressed(folder / f"case_{i}.npz", probabilities=maps if i else maps[::-1])
    result = raemd("evaluate", "-d", 701, "-tr", "TrainerA", "-np", 1, "--froc")
    assert result.exit_code == 1
    found = load_results(trained.results / "evaluation__2d" / "evaluation.json").systems[0]
    assert [case.case_id for case in found.cases] == ["case_1", "case_2", "case_3"]
    (problem,) = found.problems
    assert problem.case_id == "case_0"
    assert "case_0.npz is not the probability map of" in problem.reason


def test_cross_validation_equals_nnunets_summary(trained: NnunetFolders) -> None:
    result = raemd("evaluate", "-d", 701, "-c", "2d", "-tr", "TrainerA", "TrainerB", "-np", 1)
    assert result.exit_code == 0, result.output
    folder = trained.results / "evaluation__2d"
    assert {file.name for file in folder.iterdir()} == ALL_FILES
    found = load_results(folder / "evaluation.json")
    assert [system.name for system in found.systems] == ["TrainerA", "TrainerB"]
    assert found.systems[0].folds == ("0", "1")
    summary = trained.root / "nnunet_summary.json"
    for fold in (0, 1):
        validation = trained.validation("TrainerA", fold)
        compute_metrics_on_folder(
            str(trained.references),
            str(validation),
            str(summary),
            SimpleITKIO(),
            ".nii.gz",
            [(1, 2), 2],
            3,
            1,
        )
        expected = load_summary_json(str(summary))
        for target, key in (("whole", (1, 2)), ("core", 2)):
            dice = found.systems[0].values(target, "dice")
            mean = sum(dice[case] for case in SPLITS[fold]) / 2
            assert mean == pytest.approx(expected["mean"][key]["Dice"], rel=1e-12)


def test_the_tables_agree_with_the_cases(trained: NnunetFolders) -> None:
    raemd("evaluate", "-d", 701, "-tr", "TrainerA", "TrainerB", "-np", 1, "-o", trained.root / "out")
    with (trained.root / "out" / "cases.csv").open(encoding="utf-8") as file:
        cases = [
            row for row in csv.DictReader(file) if (row["system"], row["target"]) == ("TrainerB", "core")
        ]
    with (trained.root / "out" / "summary.csv").open(encoding="utf-8") as file:
        rows = {(r["system"], r["target"], r["metric"]): r for r in csv.DictReader(file)}
    dice = [float(row["dice"]) for row in cases]
    means = [(dice[0] + dice[1]) / 2, (dice[2] + dice[3]) / 2]
    found = rows["TrainerB", "core", "dice"]
    assert float(found["mean"]) == pytest.approx(sum(means) / 2)
    assert float(found["sd"]) == pytest.approx(abs(means[0] - means[1]) / math.sqrt(2))
    text = (trained.root / "out" / "summary.md").read_text(encoding="utf-8")
    assert f"{sum(means) / 2:.3f} ± {abs(means[0] - means[1]) / math.sqrt(2):.3f}" in text
    assert "## core" in text
    assert "Against TrainerA" in text


def test_folds_and_other_models(trained: NnunetFolders) -> None:
    shutil.copytree(
        trained.validation("TrainerB").parent, trained.validation("TrainerB", model="P__3d").parent
    )
    arguments = ("-tr", "TrainerA", "TrainerB__P__3d", "-f", 0, "-np", 1, "--against", "TrainerB")
    assert raemd("evaluate", "-d", trained.name, *arguments).exit_code == 0
    found = load_results(trained.results / "evaluation__2d" / "evaluation.json")
    assert [(s.name, s.folds, len(s.cases)) for s in found.systems] == [
        ("TrainerA", ("0",), 2),
        ("TrainerB", ("0",), 2),
    ]
    both = ("-tr", "TrainerB", "TrainerB__P__3d", "-f", 0, "-np", 1)
    raemd("evaluate", "-d", 701, *both, "-o", trained.root / "out")
    names = [system.name for system in load_results(trained.root / "out" / "evaluation.json").systems]
    assert names == ["TrainerB__nnUNetPlans__2d", "TrainerB__P__3d"]


def test_fold_all_and_references_in_labelstr(trained: NnunetFolders) -> None:
    """Fold all has no split: what is there is evaluated. By default it is left out."""
    shutil.copytree(trained.validation("TrainerA", 0), trained.validation("TrainerA", "all"))
    trained.references.rename(trained.root / "raw" / trained.name / "labelsTr")
    file = trained.results / "evaluation__2d" / "evaluation.json"
    result = raemd("evaluate", "-d", 701, "-tr", "TrainerA", "-np", 1, "-f", "all")
    assert [case.fold for case in load_results(file).systems[0].cases] == ["all", "all"]
    assert "fold all was trained on 2 of the 2 cases that it is validated on" in result.output
    raemd("evaluate", "-d", 701, "-tr", "TrainerA", "-np", 1)
    assert load_results(file).systems[0].folds == ("0", "1")
    assert load_results(file).systems[0].cases[0].reference.parent.name == "labelsTr"


def test_cases_that_were_trained_on_are_named(trained: NnunetFolders) -> None:
    splits_file = trained.root / "preprocessed" / trained.name / "splits_final.json"
    splits = json.loads(splits_file.read_text(encoding="utf-8"))
    splits[1]["train"] = ["case_0", "case_3"]
    splits_file.write_text(json.dumps(splits), encoding="utf-8")
    result = raemd("evaluate", "-d", 701, "-tr", "TrainerA", "-np", 1)
    assert result.exit_code == 1
    found = load_results(trained.results / "evaluation__2d" / "evaluation.json").systems[0]
    (problem,) = found.problems
    assert (problem.case_id, problem.fold) == ("case_3", "1")
    assert "fold 1 was trained on 1 of the 2 cases that it is validated on" in problem.reason
    for command in (("calibrate", "-tr", "TrainerA"), ("postprocess", "determine", "-tr", "TrainerA")):
        with pytest.raises(UserError, match="fold 1 was trained on 1 of the 2 cases"):
            raemd(*command, "-d", 701, "-np", 1)


def test_patients_who_were_trained_on_are_named(trained: NnunetFolders) -> None:
    """case_1 and case_2 are two scans of one patient, as the report of the conversion says."""
    rows = [{"case": f"case_{i}", "patient": "P1" if i in (1, 2) else f"P{i + 5}"} for i in range(4)]
    raw = trained.root / "raw" / trained.name
    raw.mkdir(parents=True, exist_ok=True)
    (raw / "conversion_report.json").write_text(json.dumps({"cases": rows}), encoding="utf-8")
    splits = [{"train": ["case_2", "case_3"], "val": ["case_0", "case_1"]}]
    splits.append({"train": ["case_0"], "val": ["case_2", "case_3"]})
    splits_file = trained.root / "preprocessed" / trained.name / "splits_final.json"
    splits_file.write_text(json.dumps(splits), encoding="utf-8")
    assert raemd("evaluate", "-d", 701, "-tr", "TrainerA", "-np", 1).exit_code == 1
    found = load_results(trained.results / "evaluation__2d" / "evaluation.json").systems[0]
    (problem,) = found.problems
    assert (problem.case_id, problem.fold) == ("case_1", "0")
    about = "fold 0 has 1 patient in training and validation, as P1 (trained on case_2, validated on case_1)"
    assert about in problem.reason
    determined = raemd("postprocess", "determine", "-d", 701, "-tr", "TrainerA", "-np", 1)
    assert f"Note: {about}" in determined.output and "fold 1 has" not in determined.output


def test_no_case_counts_twice(trained: NnunetFolders) -> None:
    splits_file = trained.root / "preprocessed" / trained.name / "splits_final.json"
    splits = json.loads(splits_file.read_text(encoding="utf-8"))
    splits[1]["val"].append("case_0")
    splits_file.write_text(json.dumps(splits), encoding="utf-8")
    shutil.copy(trained.validation("TrainerA", 0) / "case_0.nii.gz", trained.validation("TrainerA", 1))
    with pytest.raises(UserError, match="case_0 is validated in fold 0 and in fold 1"):
        raemd("evaluate", "-d", 701, "-tr", "TrainerA", "-np", 1)
    assert raemd("evaluate", "-d", 701, "-tr", "TrainerA", "-np", 1, "-f", 1).exit_code == 0


def test_missing_cases_are_reported_with_status_1(trained: NnunetFolders) -> None:
    missing = trained.validation("TrainerA", 1) / "case_3.nii.gz"
    missing.unlink()
    result = raemd("evaluate", "-d", 701, "-tr", "TrainerA", "-np", 1)
    assert result.exit_code == 1
    assert "case_3.nii.gz does not exist" in result.output
    found = load_results(trained.results / "evaluation__2d" / "evaluation.json").systems[0]
    assert len(found.cases) == 3
    assert [(problem.case_id, problem.fold) for problem in found.problems] == [("case_3", "1")]


def test_not_one_good_case(trained: NnunetFolders) -> None:
    for file in trained.results.glob("TrainerA*/fold_*/validation/*.nii.gz"):
        file.write_bytes(b"broken")
    result = raemd("evaluate", "-d", 701, "-tr", "TrainerA", "TrainerB", "-np", 1)
    assert result.exit_code == 1
    assert result.output.count("cannot be read") == 4
    found = load_results(trained.results / "evaluation__2d" / "evaluation.json")
    assert [len(system.cases) for system in found.systems] == [0, 4]


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (("-d", 701, "-tr", "TrainerC"), r"TrainerC__nnUNetPlans__2d does not exist: train it"),
        (("-d", 701, "-tr", "A__B"), r"-tr A__B: give a trainer's name"),
        (("-d", 701, "-tr", "TrainerA", "-f", 0, 4), r"fold_4.validation does not exist: train fold 4"),
        (("-d", 702, "-tr", "TrainerA"), r"nnU-Net does not find dataset 702"),
        (("-d", 701, "-tr", "TrainerA", "--against", "TrainerB"), r"no system TrainerB"),
        (("-d", 701), r"give either -d and -tr"),
        (("--pred", "."), r"give either -d and -tr"),
        (("-d", 701, "-tr", "TrainerA", "-i", "."), r"give either -d and -tr"),
    ],
)
def test_what_is_not_there_is_named(
    trained: NnunetFolders, arguments: tuple[object, ...], message: str
) -> None:
    with pytest.raises(UserError, match=message):
        raemd("evaluate", *arguments)


def test_unset_folders_are_named(nnunet_folders: NnunetFolders, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("nnUNet_results")
    with pytest.raises(UserError, match="nnUNet_results is not set"):
        raemd("evaluate", "-d", 701, "-tr", "TrainerA")


def test_a_model_without_validation(trained: NnunetFolders) -> None:
    (trained.results / "TrainerC__nnUNetPlans__2d" / "fold_0").mkdir(parents=True)
    with pytest.raises(UserError, match="contains no fold_X/validation"):
        raemd("evaluate", "-d", 701, "-tr", "TrainerC")


def write_two_folders(folder: Path, labels: dict[str, int] | None = None) -> tuple[Path, Path]:
    for i in range(2):
        write_labels(noisy_labels(i, 2), folder / "labelsTs" / f"c{i}.nii.gz")
        write_labels(noisy_labels(9 + i, 2), folder / "predicted" / f"c{i}.nii.gz")
    if labels:
        content = {"labels": labels, "file_ending": ".nii.gz"}
        (folder / "predicted" / "dataset.json").write_text(json.dumps(content), encoding="utf-8")
    return folder / "predicted", folder / "labelsTs"


def test_two_folders_with_nnunets_dataset_json_beside_the_predictions(tmp_path: Path) -> None:
    predicted, reference = write_two_folders(tmp_path, {"background": 0, "nodule": 1, "vessel": 2})
    assert raemd("evaluate", "--pred", predicted, "--ref", reference, "-np", 1).exit_code == 0
    found = load_results(predicted / "evaluation" / "evaluation.json")
    assert [target.name for target in found.labels.targets] == ["nodule", "vessel"]
    assert [system.name for system in found.systems] == ["predicted"]
    assert found.systems[0].folds == ()


def test_two_folders_with_labels_by_number(tmp_path: Path) -> None:
    predicted, reference = write_two_folders(tmp_path)
    with pytest.raises(UserError, match=r"the labels are unknown.*-djfile.*-l"):
        raemd("evaluate", "--pred", predicted, "--ref", reference)
    result = raemd("evaluate", "--pred", predicted, "--ref", reference, "-l", 1, 2, "-np", 1)
    assert result.exit_code == 0
    found = load_results(predicted / "evaluation" / "evaluation.json")
    assert [target.values for target in found.labels.targets] == [(1,), (2,)]
    raemd(
        "evaluate", "--pred", predicted, "--ref", reference, "-l", 1, "-il", 2, "-np", 1, "-o", tmp_path / "o"
    )
    assert load_results(tmp_path / "o" / "evaluation.json").labels.ignore_label == 2


def test_two_folders_that_do_not_fit(tmp_path: Path) -> None:
    predicted, reference = write_two_folders(tmp_path)
    write_labels(block(), predicted / "surplus.nii.gz")
    (predicted / "c1.nii.gz").unlink()
    result = raemd("evaluate", "--pred", predicted, "--ref", reference, "-l", 1, "-np", 1)
    assert result.exit_code == 1
    assert "c1.nii.gz does not exist" in result.output
    assert "surplus.nii.gz has no reference" in result.output
    with pytest.raises(UserError, match="nowhere is not a folder"):
        raemd("evaluate", "--pred", tmp_path / "nowhere", "--ref", reference, "-l", 1)
    (tmp_path / "empty").mkdir()
    with pytest.raises(UserError, match="empty contains no segmentations"):
        raemd("evaluate", "--pred", predicted, "--ref", tmp_path / "empty", "-l", 1)
