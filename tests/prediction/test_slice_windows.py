"""Which windows a scan is read in, against cases worked out by hand."""

from __future__ import annotations

import pytest

from nnunetv2_raemd.prediction.slice_windows import depth_in_window, slice_windows


def test_windows_of_a_scan_worked_out_by_hand() -> None:
    # windows of 4 at 0, 2, 4 and 6; slices before the next window's start are done
    assert list(slice_windows(10, 4)) == [(0, 4, 2), (2, 6, 4), (4, 8, 6), (6, 10, 10)]


def test_a_scan_shorter_than_a_window_is_one_window() -> None:
    assert list(slice_windows(3, 8)) == [(0, 3, 3)]


def test_windows_without_overlap() -> None:
    assert list(slice_windows(8, 4, step=1)) == [(0, 4, 4), (4, 8, 8)]


@pytest.mark.parametrize("n_slices", [1, 5, 8, 9, 13, 111])
def test_every_slice_is_read_and_done_once_it_is_in_no_later_window(n_slices: int) -> None:
    windows = list(slice_windows(n_slices, 8))
    assert [window.done for window in windows[:-1]] == [window.start for window in windows[1:]]
    assert {i for window in windows for i in range(window.start, window.stop)} == set(range(n_slices))
    assert windows[-1].done == n_slices


def test_weights_grow_towards_the_middle_of_a_window() -> None:
    assert depth_in_window(5).tolist() == [1, 2, 3, 2, 1]
    assert depth_in_window(4).tolist() == [1, 2, 2, 1]
