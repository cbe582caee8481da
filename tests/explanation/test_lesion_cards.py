"""Cards: views along the patient's axes, maps where they belong, a page that needs nothing from outside."""

from __future__ import annotations

import base64
import io
import re
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import SimpleITK as sitk
from PIL import Image

from nnunetv2_raemd.explanation.card_page import (
    CardPage,
    LesionCard,
    channels_sentence,
    chart_points,
    facts_of,
    reliance_sentence,
    render,
    svg_path,
)
from nnunetv2_raemd.explanation.lesion_views import SIDE, View, views
from nnunetv2_raemd.explanation.preprocessed_space import PreprocessedSpace
from nnunetv2_raemd.explanation.slice_reliance import SliceReliance
from nnunetv2_raemd.lesions.measured_lesion import MeasuredLesion, ScanLesions

LESION = MeasuredLesion(
    *(3, "nodule", (1.0, 2.0, 3.0), (0, 0, 0), 8, 523.6, 10.0, 12.0, 8.0, 4, 3, 6),
    mean_hu=-20.0,
    sd_hu=30.0,
)
FLIPPED = (-1.0, 0, 0, 0, -1, 0, 0, 0, 1)
SAGITTAL = (0.0, 0, 1, 1, 0, 0, 0, 1, 0)


def pixels(text: str) -> np.ndarray:
    return np.asarray(Image.open(io.BytesIO(base64.b64decode(text))))


def marked(direction: tuple[float, ...]) -> tuple[sitk.Image, sitk.Image]:
    """A lesion in the origin, and bright balls 15 mm to the patient's left, back and head."""
    image = sitk.Image([61, 61, 61], sitk.sitkInt16) - 1000
    image.SetDirection(direction)
    image.SetOrigin((-np.reshape(direction, (3, 3)) @ [30.0, 30, 30]).tolist())
    lesion = sitk.Image(image.GetSize(), sitk.sitkUInt8)
    lesion.CopyInformation(image)
    for offset in np.ndindex(5, 5, 5):
        shift = np.array(offset) - 2.0
        lesion[image.TransformPhysicalPointToIndex(shift.tolist())] = 1
        for ball in ((15, 0, 0), (0, 15, 0), (0, 0, 15)):
            image[image.TransformPhysicalPointToIndex((np.array(ball) + shift).tolist())] = 100
    return image, lesion


@pytest.mark.parametrize("direction", [(1.0, 0, 0, 0, 1, 0, 0, 0, 1), FLIPPED, SAGITTAL])
def test_views_are_as_radiologists_look_at_them(direction: tuple[float, ...]) -> None:
    """The patient's left on the right and the back below; in the others, the head on top."""
    image, lesion = marked(direction)
    found = {view.plane: view for view in views(image, lesion, (0.0, 0, 0), 5.0, {})}
    offset = round(15 / found["axial"].pixel_mm)
    middle = SIDE // 2
    bright = {plane: pixels(view.picture) > 128 for plane, view in found.items()}
    assert bright["axial"][middle, middle + offset]
    assert bright["axial"][middle + offset, middle]
    assert bright["coronal"][middle - offset, middle]
    assert bright["coronal"][middle, middle + offset]
    assert bright["sagittal"][middle - offset, middle]
    assert bright["sagittal"][middle, middle + offset]
    assert not bright["axial"][middle, middle - offset]
    assert not bright["coronal"][middle + offset, middle]
    for view in found.values():  # 5 mm of the lesion, in half pixels of 48 mm / SIDE
        x, y, *steps = map(int, view.outlines.split(";")[0].split())
        corners = np.cumsum([(x, y), *zip(steps[::2], steps[1::2], strict=True)], axis=0)
        assert np.ptp(corners, axis=0) / 2 * view.pixel_mm == pytest.approx([5, 5], abs=0.7)


def test_overlays_lie_where_they_belong_in_the_patient() -> None:
    image, lesion = marked(FLIPPED)
    there = sitk.Image([3, 3, 3], sitk.sitkFloat32) + 1
    there.SetSpacing((4.0, 4.0, 4.0))
    there.SetOrigin((11.0, -4.0, -4.0))
    axial = views(image, lesion, (0.0, 0, 0), 5.0, {"map": there})[0]
    alpha = pixels(axial.overlays["map"])[..., 3]
    rows, columns = np.nonzero(alpha > 100)
    assert (columns.mean() - (SIDE - 1) / 2) * axial.pixel_mm == pytest.approx(15, abs=0.5)
    assert (rows.mean() - (SIDE - 1) / 2) * axial.pixel_mm == pytest.approx(0, abs=0.5)


def test_places_of_the_preprocessed_image_and_back() -> None:
    """Transposed, cropped from (2, 3, 5), and twice as fine along the last axis."""
    properties = {
        "shape_after_cropping_and_before_resampling": (6, 8, 10),
        "bbox_used_for_cropping": [[2, 8], [3, 11], [5, 15]],
    }
    space = PreprocessedSpace.of(properties, (1, 0, 2), (6, 8, 20))
    assert space.from_scan((3, 2, 5)) == (0, 0, 0.5)  # the centre of two fine voxels
    assert space.to_scan((1, 4, 2.5)) == (7, 3, 6)
    for there in ((0.0, 0, 0), (3.5, 2, 17)):
        assert space.from_scan(space.to_scan(there)) == pytest.approx(there)
    scan = sitk.Image([20, 16, 14], sitk.sitkInt16)
    scan.SetSpacing((0.5, 1.0, 2.0))
    scan.SetOrigin((10, 20, 30))
    scan.SetDirection(FLIPPED)
    window = np.zeros((4, 4, 6), np.float32)
    window[1, 2, 3] = 1
    image = space.in_patient(window, (2, 1, 4), scan)
    place = space.to_scan((3, 3, 7))
    expected = scan.TransformContinuousIndexToPhysicalPoint([float(i) for i in place[::-1]])
    (where,) = np.argwhere(sitk.GetArrayFromImage(image) == 1).tolist()
    assert image.TransformIndexToPhysicalPoint(where[::-1]) == pytest.approx(expected)
    assert image.GetSpacing() == (0.25, 1, 2)


def a_page(**changes: Any) -> CardPage:
    view = View("axial", "QUJD", "10 10 4 0 0 4 -4 0 0 -4", {"<b>map": "REVG"}, 0.3)
    card = LesionCard(
        LESION, facts_of(LESION), [view], SliceReliance((0.2, 0.9)), channels_sentence([0.1, 0.9, 0.5])
    )
    scan = ScanLesions(
        "<script>case", Path("a"), None, (1, 1, 1), (LESION,), ("HU are left out: & why",), ("far & off",)
    )
    return replace(CardPage(scan, [card], ["<b>map"], ["About."], 2), **changes)


def test_the_page_needs_nothing_from_outside_and_escapes_what_is_not_its_own() -> None:
    html = render(a_page())
    assert "<script>case" not in html
    assert "<b>map" not in html
    assert re.findall(r"""(?:src|href)=["'](?!data:)""", html) == []
    assert "http://" not in html.replace("http-equiv", "")
    assert "default-src 'none'" in html
    for text in ("nodule 3", "12.0 × 8.0 mm", "not calibrated", "far &amp; off", "2 more lesions"):
        assert text in html


def test_a_scan_without_lesions_says_so() -> None:
    html = render(a_page(cards=[], n_without_card=0))
    assert "No lesion was predicted" in html
    assert "<form" not in html and "What the maps are" not in html  # there is nothing to switch or explain


def test_texts_and_figures() -> None:
    assert facts_of(replace(LESION, confidence=0.876, listed=False))["Confidence"] == (
        "0.88 (below the operating point)"
    )
    assert facts_of(LESION)["HU"] == "-20 ± 30"
    assert reliance_sentence(SliceReliance((0.2, 0.9))).startswith("Probability 0.20 from the middle slice")
    assert "add nothing" in reliance_sentence(SliceReliance((0.9, 0.9)))
    assert chart_points(SliceReliance((0.0, 1.0))) == "0.0,70.0 220.0,0.0"
    assert (
        channels_sentence([0.1, 0.9]) == "between 0.10 and 0.90; highest in the channels 1 (0.90), 0 (0.10)"
    )
    assert svg_path("10 10 4 0 0 4 -4 0 0 -4") == "M5.5 5.5 l2 0 l0 2 l-2 0 l0 -2z"
    assert svg_path("") == ""


def test_small_lesions_in_one_slice_say_so() -> None:
    facts = facts_of(replace(LESION, volume_mm3=2.54, first_slice=4, last_slice=4))
    assert facts["Volume"].startswith("3 mm³ (") and facts["Slices"] == "4 (from 0)"
    assert (facts_of(LESION)["Volume"][:8], facts_of(LESION)["Slices"]) == ("0.52 ml ", "3 to 6 (from 0)")


@pytest.mark.parametrize(
    ("n_without_card", "told"), [(1, "1 more lesion is in"), (2, "2 more lesions are in")]
)
def test_lesions_without_a_card_are_counted(n_without_card: int, told: str) -> None:
    assert told in render(a_page(n_without_card=n_without_card))
