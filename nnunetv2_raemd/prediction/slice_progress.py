"""How far the prediction of one scan is: a bar, a line each tenth for logs, or nothing."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager

from tqdm import tqdm

_LINES = 10
_LINES_APART_S = 1.0  # of a scan that takes seconds, not every tenth is news


@contextmanager
def slice_progress(total: int, *, bar: bool, lines: bool) -> Iterator[Callable[[int], object]]:
    """To be called with the number of slices that were done since; `total` counts every pass over a slice.

    Args:
        bar: whether to show a bar; if not, `lines` says whether to print a line each tenth.
    """
    if not bar:
        yield TenthLines(total) if lines else _nothing
        return
    with tqdm(total=total, unit="slice") as shown:
        yield shown.update


def _nothing(_n_slices: int) -> None:
    """Programs that predict, and commands that verify, have output of their own."""


class TenthLines:
    """Prints a line at each tenth."""

    def __init__(self, total: int, *, clock: Callable[[], float] = time.monotonic) -> None:
        self._total, self._clock = total, clock
        self._done, self._printed = 0, clock()

    def __call__(self, n_slices: int) -> None:
        """Count slices."""
        tenths_before = self._done * _LINES // self._total
        self._done += n_slices
        tenths = self._done * _LINES // self._total
        if tenths > tenths_before and self._clock() - self._printed >= _LINES_APART_S:
            self._printed = self._clock()
            print(f"  {tenths * 100 // _LINES} %", flush=True)
