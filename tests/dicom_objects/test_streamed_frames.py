"""Pixels written frame by frame: the bytes of the array, without the array in memory."""

from __future__ import annotations

import io
import tracemalloc
from collections.abc import Sequence
from typing import Any

import numpy as np
from pydicom.dataset import Dataset, FileMetaDataset
from pydicom.filewriter import dcmwrite
from pydicom.uid import ExplicitVRLittleEndian, ParametricMapStorage

from nnunetv2_raemd.dicom_objects.streamed_frames import frame_stream

ROWS, COLUMNS, N_SLICES = 128, 256, 100


class MadeWhenAsked(Sequence[np.ndarray]):
    """Slices that nobody holds, each full of its number."""

    def __len__(self) -> int:
        return N_SLICES

    def __getitem__(self, index: Any) -> Any:
        return np.full((ROWS, COLUMNS), index, np.float32)


class Sink(io.RawIOBase):
    """Counts what is written."""

    length = 0

    def writable(self) -> bool:
        return True

    def write(self, content: Any) -> int:
        self.length += len(content)
        return len(content)

    def tell(self) -> int:
        return self.length


def test_any_part_is_that_of_the_whole_array() -> None:
    slices = np.random.default_rng(0).random((5, 3, 4)).astype(np.float32)
    order = [4, 0, 2]
    expected = slices[order].tobytes()
    stream = frame_stream(slices, order)
    assert stream.read() == expected
    assert stream.read(1) == b""
    for start, stop in ((0, 5), (47, 49), (50, 144), (143, 144), (96, 96)):
        stream.seek(start)
        assert stream.read(stop - start) == expected[start:stop]
    assert stream.seek(-7, io.SEEK_END) == len(expected) - 7
    assert stream.read() == expected[-7:]


def test_other_types_become_single_precision() -> None:
    slices = np.array([[[0.1, 0.25]]], np.float64)
    assert frame_stream(slices, [0]).read() == slices.astype("<f4").tobytes()


def test_memory_holds_a_few_frames_while_all_are_written() -> None:
    dataset = Dataset()
    dataset.SOPClassUID, dataset.SOPInstanceUID = ParametricMapStorage, "1.2.3"
    dataset.file_meta = FileMetaDataset()
    dataset.file_meta.TransferSyntaxUID = ExplicitVRLittleEndian
    sink = Sink()
    tracemalloc.start()
    dataset.FloatPixelData = frame_stream(MadeWhenAsked(), range(N_SLICES))
    dcmwrite(sink, dataset, enforce_file_format=True)
    _, peak = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    one_frame = 4 * ROWS * COLUMNS
    assert sink.length > N_SLICES * one_frame
    assert peak < 10 * one_frame
