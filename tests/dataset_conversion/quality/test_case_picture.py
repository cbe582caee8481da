"""The picture of a case: outlines, lesions and what is where."""

from __future__ import annotations

import io

import numpy as np
import pytest
import SimpleITK as sitk
from PIL import Image

from nnunetv2_raemd.dataset_conversion.quality.case_picture import (
    MOST_LESIONS,
    _turn,
    draw_case,
    find_lesions,
    outline,
)


def scan(mask: np.ndarray) -> tuple[sitk.Image, sitk.Image]:
    """Lung with the lesions of `mask` in it, 2 x 1 x 1 mm."""
    image = sitk.GetImageFromArray(np.where(mask == 1, 40, -900).astype(np.int16))
    label = sitk.GetImageFromArray(mask.astype(np.uint8))
    for turned in (image, label):
        turned.SetSpacing((1.0, 1.0, 2.0))
        turned.SetOrigin((-20.0, 10.0, 5.0))
    return image, label


def lesions_at(*corners: tuple[int, int, int], size: int = 4) -> np.ndarray:
    mask = np.zeros((20, 48, 60), dtype=np.uint8)
    for z, y, x in corners:
        mask[z : z + size, y : y + size, x : x + size] = 1
    return mask


def pixels(jpeg: bytes) -> np.ndarray:
    with Image.open(io.BytesIO(jpeg)) as opened:
        return np.asarray(opened.convert("RGB")).astype(int)


def red(jpeg: bytes) -> np.ndarray:
    """Where the picture has the red of the lesions' outline."""
    r, g, b = np.moveaxis(pixels(jpeg), -1, 0)
    return (r > 150) & (g < 110) & (b < 110)


def test_outline_of_a_pixel_is_its_square() -> None:
    mask = np.zeros((3, 4), dtype=bool)
    mask[1, 2] = True
    segments = {frozenset(map(tuple, segment)) for segment in outline(mask).tolist()}
    corners = [(1.5, 0.5), (2.5, 0.5), (2.5, 1.5), (1.5, 1.5)]
    assert segments == {frozenset((corners[i], corners[(i + 1) % 4])) for i in range(4)}


@pytest.mark.parametrize(
    ("mask", "length"),
    [
        (np.ones((2, 3), dtype=bool), 10),  # touches the border all round
        (np.pad(np.array([[1, 1, 1], [1, 0, 1], [1, 1, 1]], dtype=bool), 1), 12 + 4),  # a ring
        (np.eye(2, dtype=bool), 8),
        (np.zeros((2, 2), dtype=bool), 0),
    ],
)
def test_outline_has_the_length_of_the_border(mask: np.ndarray, length: int) -> None:
    segments = outline(mask)
    assert segments.shape == (length, 2, 2)
    assert np.all(np.linalg.norm(segments[:, 0] - segments[:, 1], axis=1) == 1)


def test_lesions_are_found_largest_first_with_their_largest_slices() -> None:
    labels = lesions_at((2, 3, 4), size=2)
    labels[10, 20:23, 30] = 1  # 3, then 5 and 1 voxels in the slices of a second lesion of 9 voxels
    labels[11, 20:25, 30] = 1
    labels[12, 20, 30] = 1
    labels[0, 0, 0] = 2  # another class
    first, second = find_lesions(labels)
    assert (first.voxels, first.box) == (9, (slice(10, 13), slice(20, 25), slice(30, 31)))
    assert first.largest_slices == (11, 20, 30)
    assert (second.voxels, second.largest_slices) == (8, (2, 3, 4))
    assert find_lesions(np.zeros((3, 3, 3), dtype=np.uint8)) == []


def test_same_case_same_bytes_and_the_comment_is_kept() -> None:
    image, label = scan(lesions_at((5, 10, 20)))
    first, again = (draw_case(image, label, "case", comment="state 1") for _ in range(2))
    assert first == again != draw_case(image, label, "another", comment="state 1")
    with Image.open(io.BytesIO(first)) as opened:
        assert opened.info["comment"] == b"state 1"


def test_every_lesion_has_a_row_up_to_a_limit() -> None:
    corners = [(8, 5, 2 + 7 * i) for i in range(8)]
    heights = [len(pixels(draw_case(*scan(lesions_at(*corners[:n])), "case"))) for n in (1, 2, 6, 8)]
    row = heights[1] - heights[0]
    assert [h - heights[0] for h in heights] == [0, row, 5 * row, (MOST_LESIONS - 1) * row]


def test_case_without_lesions_shows_slices_without_outline() -> None:
    picture = draw_case(*scan(lesions_at()), "negative")
    assert not red(picture).any() and np.ptp(pixels(picture)) > 200
    assert red(draw_case(*scan(lesions_at((5, 10, 20))), "positive")).any()


def test_what_is_ignored_in_the_lung_has_its_own_outline() -> None:
    """Both share their edges; the lung's colour must not hide the other."""
    mask = np.full((20, 48, 60), 2, dtype=np.uint8)
    mask[8:12, 20:28, 26:34] = 3
    r, g, b = np.moveaxis(pixels(draw_case(*scan(mask), "ignored")), -1, 0)
    assert np.count_nonzero((r > 180) & (g > 150) & (b < 110)) > 50


def test_scan_stored_turned_gives_the_same_picture() -> None:
    """Both axes of the slice reversed, as in some scans of LUNA16: the patient is the same."""
    image, label = scan(lesions_at((5, 10, 20), (12, 30, 45)))
    turned = (sitk.DICOMOrient(image, "RAS"), sitk.DICOMOrient(label, "RAS"))
    assert turned[0].GetDirection()[0] == -1
    assert draw_case(*turned, "case") == draw_case(image, label, "case")


def test_whole_slice_shows_the_lesion_where_the_patient_has_it() -> None:
    """On the patient's left and to the back: right and low in the picture."""
    whole = red(draw_case(*scan(lesions_at((5, 40, 50))), "case"))[52:, :260]
    rows, columns = np.nonzero(whole)
    assert rows.mean() > 0.7 * whole.shape[0] and columns.mean() > 0.7 * whole.shape[1]


@pytest.mark.parametrize(("direction", "end"), [(1.0, "feet"), (-1.0, "head")])
def test_the_end_at_which_slices_begin(direction: float, end: str) -> None:
    """z grows to the head in DICOM's patient coordinates."""
    image = sitk.Image(4, 4, 4, sitk.sitkInt16)
    image.SetDirection((1, 0, 0, 0, 1, 0, 0, 0, direction))
    label = sitk.Image(4, 4, 4, sitk.sitkUInt8)
    label.CopyInformation(image)
    assert _turn(image, label).first_end == end


def test_soft_tissue_is_told_apart_in_the_mediastinal_window() -> None:
    """A mass of 60 HU beside atelectasis of 0 HU: 10 of 255 grey levels apart for the lung, 38 here."""
    hu = np.full((20, 60, 60), -800, np.int16)
    hu[:, 20:40, 10:30], hu[:, 20:40, 30:50] = 60, 0
    mask = np.zeros(hu.shape, np.uint8)
    mask[5:15, 20:40, 10:30] = 1
    grey = pixels(draw_case(sitk.GetImageFromArray(hu), sitk.GetImageFromArray(mask), "case")).mean(axis=2)
    panel = grey.shape[1] // 7

    def share(column: int, level: float) -> float:
        """Of the pixels in a panel that have that grey."""
        return float((abs(grey[-panel:, column * panel : (column + 1) * panel] - level) < 3).mean())

    for column, low, high in ((1, -1350, 150), (3, -160, 240)):
        for value in (60, 0):
            assert share(column, 255 * (value - low) / (high - low)) > 0.05, (column, value)
