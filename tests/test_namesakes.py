"""Names that a file system may take for one: noticed where it does, and nowhere else."""

from __future__ import annotations

import unicodedata
from pathlib import Path

import pytest
import SimpleITK as sitk
from small_plans import dataset_json
from untrained_model import plans

from nnunetv2_raemd.errors import UserError
from nnunetv2_raemd.namesakes import check_told_apart, namesakes
from nnunetv2_raemd.nnunet_files.label_set import Target
from nnunetv2_raemd.postprocessing.apply import apply_to_folder
from nnunetv2_raemd.postprocessing.postprocessing_steps import Postprocessing
from nnunetv2_raemd.postprocessing.settings_file import LabelSettings
from nnunetv2_raemd.prediction.batch_request import Batch
from nnunetv2_raemd.prediction.input_survey import survey_input
from nnunetv2_raemd.whole_files import write_json

COMPOSED, APART = (unicodedata.normalize(form, "Fälle-é") for form in ("NFC", "NFD"))


@pytest.fixture
def as_on_macos(monkeypatch: pytest.MonkeyPatch) -> None:
    """A file exists where one does whose name differs in case or composition only."""

    def exists(file: Path) -> bool:
        def alike(name: str) -> str:
            return unicodedata.normalize("NFD", name).upper()

        return file.parent.is_dir() and alike(file.name) in {alike(f.name) for f in file.parent.iterdir()}

    monkeypatch.setattr(Path, "exists", exists)


def test_which_names_are_alike() -> None:
    assert namesakes(["b", "Pat-1", "pat-1", "c", COMPOSED, "pat-1", APART, "PAT-1"]) == [
        (APART, COMPOSED),
        ("PAT-1", "Pat-1", "pat-1"),
    ]
    assert namesakes(["a", "a", "b", "ae", "ä"]) == []


def test_disc_that_tells_names_apart_takes_all(tmp_path: Path) -> None:
    check_told_apart(tmp_path / "not" / "yet", ["a", "A", COMPOSED, APART])
    assert not list(tmp_path.iterdir())


@pytest.mark.parametrize("names", [["a", "b", "A"], [COMPOSED, APART]])
def test_disc_that_does_not_refuses_both(tmp_path: Path, as_on_macos: None, names: list[str]) -> None:
    with pytest.raises(UserError, match=r"would be one file in .*rename one"):
        check_told_apart(tmp_path / "results", names)
    check_told_apart(tmp_path / "results", ["a", "b"])
    assert not list(tmp_path.iterdir())


def two_cases(folder: Path, ending: str) -> Path:
    folder.mkdir()
    for case in ("Scan", "scan"):
        sitk.WriteImage(sitk.Image(4, 5, 6, sitk.sitkUInt8), str(folder / f"{case}{ending}"))
    return folder


def test_predictions_that_would_overwrite_each_other_are_refused(
    tmp_path: Path, request: pytest.FixtureRequest
) -> None:
    batch = Batch(two_cases(tmp_path / "scans", "_0000.nii.gz"), tmp_path / "out")
    assert len(survey_input(batch, plans(), dataset_json()).usable) == 2
    request.getfixturevalue("as_on_macos")
    with pytest.raises(UserError, match="Scan and scan would be one file"):
        survey_input(batch, plans(), dataset_json())


def test_postprocessed_cases_that_would_overwrite_each_other_are_refused(
    tmp_path: Path, request: pytest.FixtureRequest
) -> None:
    source = two_cases(tmp_path / "predicted", ".nii.gz")
    write_json(source / "dataset.json", dataset_json())
    settings = [LabelSettings(Target("nodule", (1,)), Postprocessing())]
    assert apply_to_folder(source, tmp_path / "done", settings) == ["Scan", "scan"]
    request.getfixturevalue("as_on_macos")
    with pytest.raises(UserError, match="Scan and scan would be one file"):
        apply_to_folder(source, tmp_path / "again", settings)
