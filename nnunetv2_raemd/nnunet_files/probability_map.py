"""nnU-Net's probability maps (`--npz`, `--save_probabilities`) as files."""

from __future__ import annotations

import math
import zipfile
import zlib
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from nnunetv2_raemd.errors import UserError
from nnunetv2_raemd.nnunet_files.label_set import LabelSet, Target
from nnunetv2_raemd.nnunet_files.zip_member import Stream, open_member
from nnunetv2_raemd.volumes.region import Probabilities, Region, region_above


@dataclass(frozen=True)
class ProbabilityMaps(Sequence[Probabilities]):
    """The channels of one file, each (z, y, x); read when asked for, so that memory holds only that one."""

    file: Path
    shape: tuple[int, int, int]
    n_channels: int
    dtype: np.dtype[Any]

    def __len__(self) -> int:
        """How many channels there are."""
        return self.n_channels

    def __getitem__(self, channel: Any) -> Any:
        """One channel; `UserError` if it cannot be read."""
        if not 0 <= channel < self.n_channels:
            raise IndexError(channel)
        with _array_stream(self.file) as stream:
            _read_header(stream)
            self._pass_over(channel, stream)
            n_bytes = self.dtype.itemsize * math.prod(self.shape)
            return np.frombuffer(stream.read(n_bytes), self.dtype).reshape(self.shape)

    def regions_above(self, threshold: float, *, first_channel: int = 0) -> Iterator[Region]:
        """The regions of one channel after the other, in one pass over the file, a slice at a time.

        Raises:
            UserError: if the file cannot be read.
        """
        with _array_stream(self.file) as stream:
            _read_header(stream)
            self._pass_over(first_channel, stream)
            for _ in range(first_channel, self.n_channels):
                yield region_above(threshold, self._slices(stream), self.shape)

    def _pass_over(self, n_channels: int, stream: Stream) -> None:
        """Go on by so many channels; of compressed data, what is passed over must be read."""
        for _ in range(n_channels):
            for _ in self._slices(stream):
                pass

    def _slices(self, stream: Stream) -> Iterator[Probabilities]:
        """The slices (y, x) of the channel at which the stream is."""
        depth, height, width = self.shape
        for _ in range(depth):
            content = stream.read(self.dtype.itemsize * height * width)
            yield np.frombuffer(content, self.dtype).reshape(height, width)


def read_probabilities(file: Path, shape: tuple[int, int, int]) -> ProbabilityMaps:
    """The array "probabilities" (channel, z, y, x) of one of nnU-Net's .npz files.

    Args:
        shape: of the segmentation beside it.

    Raises:
        UserError: if the file is absent, unreadable, or of another shape.
    """
    if not file.is_file():
        raise UserError(
            f"{file} does not exist: the FROC needs probability maps. Validate again with "
            "nnUNetv2_train ... --val --npz, or predict with --save_probabilities"
        )
    with _array_stream(file) as stream:
        found, dtype = _read_header(stream)
    if found[1:] != shape:
        raise UserError(f"{file} has the shape {found[1:]}, its segmentation {shape}: predict again")
    return ProbabilityMaps(file, shape, found[0], dtype)


@contextmanager
def _array_stream(file: Path) -> Iterator[Stream]:
    """The bytes of the array in the file; whatever goes wrong with it becomes a `UserError`."""
    try:
        with open_member(file, "probabilities.npy") as stream:
            yield stream
    except (OSError, ValueError, KeyError, EOFError, zipfile.BadZipFile, zlib.error) as error:
        raise UserError(f"{file} cannot be read as nnU-Net's probabilities: {error}") from error


def _read_header(stream: Stream) -> tuple[tuple[int, ...], np.dtype[Any]]:
    """Shape and type of the array; leaves the stream where its numbers begin."""
    if np.lib.format.read_magic(stream) == (1, 0):
        shape, is_fortran, dtype = np.lib.format.read_array_header_1_0(stream)
    else:
        shape, is_fortran, dtype = np.lib.format.read_array_header_2_0(stream)
    if is_fortran or dtype.kind != "f":
        raise ValueError("the array is not in C order or not of floating point numbers")
    return shape, dtype


def channel_of(maps: ProbabilityMaps | None, labels: LabelSet, target: Target) -> Probabilities | None:
    """The map of one target."""
    if maps is None:
        return None
    probability: Probabilities = maps[first_channel_of(maps, labels) + labels.targets.index(target)]
    return probability


def first_channel_of(maps: ProbabilityMaps, labels: LabelSet) -> int:
    """The channel of the first target: nnU-Net has one a region, or background and one a label."""
    n_others = len(maps) - len(labels.targets)
    if n_others not in (0, 1):
        raise UserError(
            f"{maps.file} has {len(maps)} channels, which fits neither {len(labels.targets)} regions nor as "
            "many labels and background"
        )
    return n_others
