"""Which windows a scan is read in, against cases worked out by hand."""

from __future__ import annotations

import pytest

from nnunetv2_raemd.prediction.slice_windows import slice_windows


def test_windows_of_a_scan_worked_out_by_hand() -> None:
    # windows of 4 at 0, 2, 4 and 6; neighbours share two slices and part between them
    assert list(slice_windows(10, 4)) == [(0, 4, 0, 3), (2, 6, 3, 5), (4, 8, 5, 7), (6, 10, 7, 10)]


def test_a_scan_shorter_than_a_window_is_one_window() -> None:
    assert list(slice_windows(3, 8)) == [(0, 3, 0, 3)]


def test_windows_without_overlap_keep_all_their_slices() -> None:
    assert list(slice_windows(8, 4, step=1)) == [(0, 4, 0, 4), (4, 8, 4, 8)]


@pytest.mark.parametrize("n_slices", [1, 5, 8, 9, 13, 111])
def test_every_slice_is_kept_once_from_the_window_it_lies_deepest_in(n_slices: int) -> None:
    windows = list(slice_windows(n_slices, 8))
    kept = [(index, window) for window in windows for index in range(window.first, window.last)]
    assert [index for index, _ in kept] == list(range(n_slices))
    for index, window in kept:
        depth = [min(index - w.start, w.stop - 1 - index) for w in windows]
        assert min(index - window.start, window.stop - 1 - index) == max(depth)
