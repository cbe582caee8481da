"""A flipped column of slices, against torch's flip of the whole."""

from __future__ import annotations

import itertools

import pytest
import torch

from nnunetv2_raemd.prediction.column import Column

FLIPS = [axes for n in range(4) for axes in itertools.combinations((1, 2, 3), n)]


@pytest.mark.parametrize("axes", FLIPS)
def test_reading_is_as_from_a_flipped_copy(axes: tuple[int, ...]) -> None:
    scan = torch.rand(2, 7, 4, 5)
    torch.testing.assert_close(Column(scan, axes).read(1, 4).transpose(0, 1), scan.flip(axes)[:, 1:4])


@pytest.mark.parametrize("axes", FLIPS)
def test_what_is_read_and_added_in_parts_is_twice_the_scan(axes: tuple[int, ...]) -> None:
    scan = torch.rand(2, 7, 4, 5)
    doubled = scan.clone()
    for start, stop in ((0, 3), (3, 4), (4, 7)):
        Column(doubled, axes).add(start, stop, Column(scan, axes).read(start, stop), torch.ones(4, 5))
    torch.testing.assert_close(doubled, 2 * scan)


@pytest.mark.parametrize("axes", FLIPS)
def test_weights_are_of_the_tile_as_it_is(axes: tuple[int, ...]) -> None:
    weight, result = torch.rand(4, 5), torch.zeros(1, 2, 4, 5)
    Column(result, axes).add(0, 2, torch.ones(2, 1, 4, 5), weight)
    torch.testing.assert_close(result, weight.expand(1, 2, 4, 5))


def test_integers_are_rounded_and_not_cut_off() -> None:
    """Twenty times 0.6 of a step is 20 steps, not none."""
    result = torch.zeros(1, 1, 1, 1, dtype=torch.int16)
    for _ in range(20):
        Column(result).add(0, 1, torch.tensor(0.6).reshape(1, 1, 1, 1), torch.ones(1, 1))
    assert result.item() == 20
