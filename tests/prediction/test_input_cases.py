"""What is found out about a folder of images before prediction starts."""

from __future__ import annotations

from pathlib import Path

import nibabel
import numpy as np
import pytest
import SimpleITK as sitk
from skimage import io

from nnunetv2_raemd.errors import UserError
from nnunetv2_raemd.nnunet_files.image_header import ImageHeader
from nnunetv2_raemd.prediction.input_cases import (
    InputFormat,
    check_channels,
    check_names,
    find_cases,
    lie_on_one_grid,
)

TWO_CHANNELS = InputFormat(".nii.gz", 2, "SimpleITKIO")


def write(file: Path, size: tuple[int, int, int] = (4, 5, 6)) -> None:
    sitk.WriteImage(sitk.Image(*size, sitk.sitkInt16), str(file))


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """Two complete cases of two channels; the name of one is the beginning of the other's."""
    for name in ("a_0000", "a_0001", "a_b_0000", "a_b_0001"):
        write(tmp_path / f"{name}.nii.gz")
    return tmp_path


def problems(
    folder: Path, previous_stage: Path | None = None, expected: InputFormat = TWO_CHANNELS
) -> dict[str, str | None]:
    found: dict[str, str | None] = {}
    for case in find_cases(folder, expected.file_ending):
        try:
            check_names(case, expected, previous_stage)
            check_channels(case, expected)
            found[case.case_id] = None
        except UserError as error:
            found[case.case_id] = str(error)
    return found


def test_complete_cases_have_no_problem(folder: Path) -> None:
    (folder / "notes.txt").touch()
    (folder / "._a_0000.nii.gz").touch()
    assert [case.images for case in find_cases(folder, ".nii.gz")] == [
        (folder / "a_0000.nii.gz", folder / "a_0001.nii.gz"),
        (folder / "a_b_0000.nii.gz", folder / "a_b_0001.nii.gz"),
    ]
    assert problems(folder) == {"a": None, "a_b": None}


def test_a_missing_channel_is_named(folder: Path) -> None:
    (folder / "a_0001.nii.gz").unlink()
    found = problems(folder)
    assert found["a_b"] is None
    assert "a_0001" in str(found["a"])


@pytest.mark.parametrize("renamed", ["a_0002", "a_0001_0000"])
def test_channels_of_other_numbers_are_not_taken_for_those_expected(folder: Path, renamed: str) -> None:
    (folder / "a_0001.nii.gz").rename(folder / f"{renamed}.nii.gz")
    assert "a_0000, a_0001" in str(problems(folder)["a"])


def test_a_segmentation_beside_its_images_is_no_case(folder: Path) -> None:
    write(folder / "a.nii.gz")
    assert problems(folder) == {"a": None, "a_b": None}


def test_a_name_without_channel_is_no_reason_to_stop(folder: Path) -> None:
    write(folder / "stray scan.nii.gz")
    found = problems(folder)
    assert "channel number" in str(found.pop("stray scan.nii.gz"))
    assert found == {"a": None, "a_b": None}


@pytest.mark.parametrize("content", [b"", b"no image", b"\x1f\x8b\x08\x00"])
def test_a_file_that_is_no_image_is_named(folder: Path, content: bytes) -> None:
    (folder / "a_0001.nii.gz").write_bytes(content)
    found = problems(folder)
    assert str(folder / "a_0001.nii.gz") in str(found["a"])
    assert found["a_b"] is None


def test_channels_of_different_size_are_told_of(folder: Path) -> None:
    write(folder / "a_0001.nii.gz", (4, 5, 7))
    assert "(4, 5, 6), (4, 5, 7)" in str(problems(folder)["a"])


def test_a_missing_prediction_of_the_previous_stage_is_named(folder: Path, tmp_path: Path) -> None:
    previous = tmp_path / "previous"
    previous.mkdir()
    write(previous / "a.nii.gz")
    found = problems(folder, previous)
    assert found["a"] is None
    assert str(previous) in str(found["a_b"])


def test_an_empty_folder_is_refused(tmp_path: Path) -> None:
    with pytest.raises(UserError, match=r"\.nii\.gz"):
        find_cases(tmp_path, ".nii.gz")


@pytest.mark.parametrize("reader", ["NibabelIO", "NibabelIOWithReorient"])
def test_other_readers(tmp_path: Path, reader: str) -> None:
    nibabel.save(nibabel.Nifti1Image(np.zeros((3, 4, 5), np.int16), np.eye(4)), tmp_path / "a_0000.nii.gz")
    (tmp_path / "b_0000.nii.gz").touch()
    found = problems(tmp_path, expected=InputFormat(".nii.gz", 1, reader))
    assert "b_0000.nii.gz" in str(found["b"])
    assert found["a"] is None


def test_colours_are_three_channels_of_one_file(tmp_path: Path) -> None:
    """As nnUNetv2_predict takes pictures; before, each was refused for lack of _0001 and _0002."""
    io.imsave(tmp_path / "a_0000.png", np.zeros((4, 5, 3), np.uint8), check_contrast=False)
    io.imsave(tmp_path / "grey_0000.png", np.zeros((4, 5), np.uint8), check_contrast=False)
    found = problems(tmp_path, expected=InputFormat(".png", 3, "NaturalImage2DIO"))
    assert found["a"] is None
    assert "takes 3 channel(s), as grey_0000, grey_0001, grey_0002, but grey_0000.png has 1" in str(
        found["grey"]
    )
    assert "a_0000.png has 3" in str(
        problems(tmp_path, expected=InputFormat(".png", 1, "NaturalImage2DIO"))["a"]
    )


UPRIGHT, TURNED = (1.0, 0, 0, 0, 1, 0, 0, 0, 1), (0.0, 1, 0, 1, 0, 0, 0, 0, 1)


@pytest.mark.parametrize(
    ("origin_mm", "direction", "same"),
    [
        ((1.0, 2, 3), UPRIGHT, True),
        ((1.001, 2, 3), UPRIGHT, True),
        ((1.0, 2, 3.5), UPRIGHT, False),
        ((1.0, 2, 3), TURNED, False),
        ((0.0, 0, 0), TURNED, False),
        (None, None, True),  # pictures have no place
    ],
)
def test_channels_lie_on_one_grid_by_place_and_direction(
    origin_mm: tuple[float, ...] | None, direction: tuple[float, ...] | None, same: bool
) -> None:
    first = ImageHeader((4, 5, 6), 1, (1.0, 1, 1), (1.0, 2, 3), UPRIGHT)
    second = ImageHeader((4, 5, 6), 1, (1.0, 1, 1), origin_mm, direction)
    assert lie_on_one_grid([first, second]) is same


def test_channels_of_different_spacing_are_told_of(folder: Path) -> None:
    image = sitk.Image(4, 5, 6, sitk.sitkInt16)
    image.SetSpacing((1, 1, 2))
    sitk.WriteImage(image, str(folder / "a_0001.nii.gz"))
    assert "differ in spacing" in str(problems(folder)["a"])


@pytest.mark.parametrize(
    ("name", "told"),
    [
        ("fourD-two", "holds several images (48 x 40 x 6 x 2), such as points of time"),
        ("colour", "holds 3 values a voxel, such as colours"),
        ("zero-spacing", "has a spacing (pixdim) of"),
        ("plain", None),
        ("coronal", None),
    ],
)
def test_odd_files_of_a_trial(real_data: Path, name: str, told: str | None) -> None:
    one_channel = InputFormat(".nii.gz", 1, "SimpleITKIO")
    found = problems(real_data / "public-cases" / "predict-odd-files" / "input", expected=one_channel)[name]
    assert found is None if told is None else told in str(found) and name in str(found)
