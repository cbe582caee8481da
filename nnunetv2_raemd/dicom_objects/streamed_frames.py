"""Pixels that come into a multi-frame object frame by frame.

highdicom takes all pixels at once and holds them several times, and pydicom once more while it writes them.
So highdicom is given images of a single pixel, of which it makes all but the pixels; those follow, a frame at
a time.
"""

from __future__ import annotations

import io
from collections.abc import Sequence
from typing import Any

from numpy.typing import NDArray
from pydicom.dataset import Dataset

from nnunetv2_raemd.dicom_objects.source_series import SourceSeries

Slices = NDArray[Any] | Sequence[NDArray[Any]]
"""(rows, columns) each, of one shape; those of a sequence may be made when they are asked for."""


def of_one_pixel(headers: Sequence[Dataset]) -> list[Dataset]:
    """The headers as those of images of a single pixel."""
    return [_of_one_pixel(header) for header in headers]


def _of_one_pixel(header: Dataset) -> Dataset:
    tiny = Dataset()
    tiny.update(header)
    for keyword in ("Rows", "Columns"):
        tiny.add_new(keyword, "US", 1)  # an element of its own: the others are the header's
    return tiny


def slices_of_frames(made: Dataset, source: SourceSeries) -> list[int]:
    """The slice of the series, from 0, that each frame of an object says it is derived from."""
    numbers = {str(header.SOPInstanceUID): number for number, header in enumerate(source.headers)}
    return [
        numbers[group.DerivationImageSequence[0].SourceImageSequence[0].ReferencedSOPInstanceUID]
        for group in made.PerFrameFunctionalGroupsSequence
    ]


def frame_stream(values: Slices, order: Sequence[int]) -> io.BufferedReader:
    """The bytes of slices, in single precision, as pydicom writes them: made when they are read.

    Args:
        order: the slice in the place of each frame.
    """
    n_bytes = 4 * values[order[0]].size
    return io.BufferedReader(_Frames(values, order, n_bytes), n_bytes)


class _Frames(io.RawIOBase):
    def __init__(self, values: Slices, order: Sequence[int], n_bytes: int) -> None:
        self._values, self._order, self._n_bytes = values, order, n_bytes
        self._place = 0
        self._frame, self._content = -1, memoryview(b"")

    def readable(self) -> bool:
        return True

    def seekable(self) -> bool:
        return True

    def seek(self, offset: int, whence: int = io.SEEK_SET) -> int:
        starts = {io.SEEK_SET: 0, io.SEEK_CUR: self._place, io.SEEK_END: self._n_bytes * len(self._order)}
        self._place = starts[whence] + offset
        return self._place

    def readinto(self, buffer: Any) -> int:
        frame, start = divmod(self._place, self._n_bytes)
        if frame >= len(self._order):
            return 0
        if frame != self._frame:
            content = self._values[self._order[frame]].astype("<f4").tobytes()
            self._frame, self._content = frame, memoryview(content)
        part = self._content[start : start + len(buffer)]
        buffer[: len(part)] = part
        self._place += len(part)
        return len(part)
