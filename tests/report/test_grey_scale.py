"""Grey levels keep what the windows show."""

from __future__ import annotations

import base64
import io

import numpy as np
import pytest
from PIL import Image

from nnunetv2_raemd.report.grey_scale import CT_SCALE, scale_of
from nnunetv2_raemd.report.slice_pictures import jpegs


@pytest.mark.parametrize(("low", "high", "error_hu"), [(-1350, -160, 6), (-160, 240, 1.4)])
def test_ct_can_be_read_back_from_grey_levels(low: int, high: int, error_hu: float) -> None:
    hu = np.arange(low, high + 1)
    levels = CT_SCALE.grey(hu)
    assert np.all(np.diff(levels.astype(int)) >= 0)
    back = np.interp(levels, CT_SCALE.levels, CT_SCALE.values)
    assert np.abs(back - hu).max() <= error_hu


def test_values_beyond_the_windows_are_black_and_white() -> None:
    assert CT_SCALE.grey(np.array([-3024, 3000])).tolist() == [0, 255]


def test_windows_are_the_usual_ones() -> None:
    centres_and_widths = {w.name: ((w.low + w.high) / 2, w.high - w.low) for w in CT_SCALE.windows}
    assert centres_and_widths == {"Lung": (-600, 1500), "Mediastinum": (40, 400)}


def test_other_channels_take_their_own_range() -> None:
    image = np.linspace(0, 10, 1001)
    scale = scale_of(image, "MRI")
    assert (scale.windows[0].low, scale.windows[0].high) == pytest.approx((0.05, 9.95))
    assert scale_of(image, "CT") is CT_SCALE


def test_a_constant_image_has_a_scale() -> None:
    assert scale_of(np.full((2, 3), 7.0), "").grey(np.full((2, 3), 7.0)).max() == 0


def test_jpegs_stay_within_their_size() -> None:
    noise = [np.random.default_rng(i).integers(0, 256, (64, 64)).astype(np.uint8) for i in range(3)]
    free = jpegs(noise, most=10**9)
    tight = jpegs(noise, most=sum(map(len, free)) * 2 // 3)
    assert sum(map(len, tight)) <= sum(map(len, free)) * 2 // 3
    with Image.open(io.BytesIO(base64.b64decode(tight[0]))) as picture:
        assert (picture.format, picture.mode, picture.size) == ("JPEG", "L", (64, 64))


def test_jpegs_look_like_their_slices() -> None:
    ramp = np.tile(np.arange(0, 256, 2, dtype=np.uint8), (32, 1))
    with Image.open(io.BytesIO(base64.b64decode(jpegs([ramp])[0]))) as picture:
        assert np.abs(np.asarray(picture).astype(int) - ramp).max() <= 6


def test_what_is_not_a_number_is_black() -> None:
    image = np.array([np.nan, 0.0, 10.0, np.inf])
    scale = scale_of(image, "MRI")
    assert (scale.windows[0].low, scale.windows[0].high) == pytest.approx((0.05, 9.95))
    assert scale.grey(image).tolist() == [0, 0, 255, 255]
    assert scale_of(np.full(3, np.nan), "MRI").grey(np.full(3, np.nan)).tolist() == [0, 0, 0]
