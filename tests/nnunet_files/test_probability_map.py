"""Probability maps that hold something else, or too many channels."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from nnunetv2_raemd.errors import UserError
from nnunetv2_raemd.nnunet_files.label_set import LabelSet, labels_from_numbers, labels_of
from nnunetv2_raemd.nnunet_files.probability_map import channel_of, channels_of, read_probabilities

SHAPE = (2, 3, 4)
ONE = labels_of({"labels": {"background": 0, "nodule": 1}, "file_ending": ".nii.gz"})
REGIONS = labels_of(
    {
        "labels": {"background": 0, "whole": [1, 2], "core": 2},
        "regions_class_order": [1, 2],
        "file_ending": "x",
    }
)


def write(folder: Path, n_channels: int = 2, value: float = 0.5) -> Path:
    maps = np.full((n_channels, *SHAPE), 0.5, np.float32)
    maps[-1, 1, 2, 3] = value
    np.savez_compressed(folder / "a.npz", probabilities=maps)
    return folder / "a.npz"


@pytest.mark.parametrize("value", [np.nan, np.inf, -np.inf, -0.2, 1.5])
def test_numbers_that_are_no_probability_are_refused(tmp_path: Path, value: float) -> None:
    maps = read_probabilities(write(tmp_path, value=value), SHAPE)
    with pytest.raises(UserError, match=r"a\.npz holds .*, which is not a probability"):
        list(maps.regions_above(0.1, [1]))
    with pytest.raises(UserError, match="which is not a probability"):
        channel_of(maps, ONE, ONE.targets[0])


@pytest.mark.parametrize("value", [0.0, 1.0, -1e-4, 1 + 1e-4])
def test_rounding_is_no_reason(tmp_path: Path, value: float) -> None:
    list(read_probabilities(write(tmp_path, value=value), SHAPE).regions_above(0.1, [1]))


@pytest.mark.parametrize(
    ("labels", "n_channels", "channels"),
    [
        (ONE, 2, [1]),
        (ONE, 1, None),
        (ONE, 3, None),
        (REGIONS, 2, [0, 1]),
        (REGIONS, 3, None),
        (labels_from_numbers([2, 1]), 3, [1, 2]),
        (labels_from_numbers([2]), 3, [2]),
        (labels_from_numbers([2]), 2, None),
    ],
)
def test_each_target_has_its_channel(
    tmp_path: Path, labels: LabelSet, n_channels: int, channels: list[int] | None
) -> None:
    maps = read_probabilities(write(tmp_path, n_channels), SHAPE)
    if channels is not None:
        assert channels_of(maps, labels) == channels
        return
    with pytest.raises(UserError, match=f"a.npz has {n_channels} channels, but there are"):
        channels_of(maps, labels)
