"""What is reported of a folder before anything heavy is loaded."""

from __future__ import annotations

from pathlib import Path

import pytest
import SimpleITK as sitk
from small_plans import dataset_json
from untrained_model import plans

from nnunetv2_raemd.errors import UserError
from nnunetv2_raemd.prediction.batch_request import Batch
from nnunetv2_raemd.prediction.input_survey import Survey, survey_input


def survey(source: Path, **options: object) -> Survey:
    return survey_input(Batch(source, source / "out", **options), plans(), dataset_json())  # type: ignore[arg-type]


def test_all_that_lies_in_a_folder_of_odd_files_is_named(real_data: Path) -> None:
    found = survey(real_data / "public-cases" / "predict-odd-files" / "input")
    assert {case.case_id: case.turn_to for case in found.usable} == {"plain": None, "coronal": "LPS"}
    told = "\n".join(found.problems)
    for name in (
        "fourD-two_0000",
        "colour_0000",
        "zero-spacing_0000",
        "uncompressed_0000.nii",
        "upper_0000.NII.GZ",
    ):
        assert name in told
    assert len(found.problems) == 5
    (remark,) = found.remarks
    assert remark.startswith("coronal: its axes are stored as LSP; it is predicted as LPS")


def write(file: Path, origin: tuple[float, float, float] = (0, 0, 0)) -> None:
    image = sitk.Image(4, 5, 6, sitk.sitkInt16)
    image.SetOrigin(origin)
    file.parent.mkdir(parents=True, exist_ok=True)
    sitk.WriteImage(image, str(file))


def test_other_files_are_left_alone_and_named(tmp_path: Path) -> None:
    write(tmp_path / "a_0000.nii.gz")
    for name in ("notes.txt", "dataset.json", "a.npz", "a.nii.gz", ".hidden"):
        (tmp_path / name).touch()
    found = survey(tmp_path)
    assert found.remarks == [f"{tmp_path} also holds notes.txt: left alone"] and not found.problems


@pytest.mark.parametrize(("n_others", "told"), [(10, "file_9: left"), (11, "file_9 and 1 more: left")])
def test_the_first_ten_other_files_are_named(tmp_path: Path, n_others: int, told: str) -> None:
    write(tmp_path / "a_0000.nii.gz")
    for number in range(n_others):
        (tmp_path / f"{'file' if number < 10 else 'last'}_{number}").touch()
    (remark,) = survey(tmp_path).remarks
    assert remark.endswith(f"{told} alone") and "file_0, " in remark


def test_only_files_of_another_format(tmp_path: Path) -> None:
    write(tmp_path / "a_0000.nii")
    with pytest.raises(UserError, match=r"no image that ends with \.nii\.gz.*but a_0000\.nii"):
        survey(tmp_path)


def test_channels_at_different_places_are_a_remark(tmp_path: Path) -> None:
    write(tmp_path / "a_0000.nii.gz")
    write(tmp_path / "a_0001.nii.gz", origin=(200, 0, 0))
    two = dataset_json() | {"channel_names": {"0": "CT", "1": "PET"}}
    found = survey_input(Batch(tmp_path, tmp_path / "out"), plans(), two)
    assert found.remarks == ["a: its channels differ in origin or direction"]
    assert [case.case_id for case in found.usable] == ["a"]
