"""nnU-Net's probability maps (`--npz`, `--save_probabilities`) as files."""

from __future__ import annotations

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

_ROUNDING = 1e-2  # of half precision and of resampling


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
            found = np.empty(self.shape, self.dtype)
            for z, in_slice in enumerate(self._slices(stream)):
                found[z] = in_slice
            self._pass_over(self.n_channels - channel - 1, stream)
            return found

    def regions_above(self, threshold: float, channels: Sequence[int]) -> Iterator[Region]:
        """The regions of some channels, in ascending order, in one pass over the file, a slice at a time.

        Raises:
            UserError: if the file cannot be read, or holds numbers that are no probabilities.
        """
        with _array_stream(self.file) as stream:
            _read_header(stream)
            passed = 0
            for channel in channels:
                self._pass_over(channel - passed, stream)
                yield region_above(threshold, self._slices(stream), self.shape)
                passed = channel + 1
            self._pass_over(self.n_channels - passed, stream)  # to the end, where the check sum is compared

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
            found = np.frombuffer(content, self.dtype).reshape(height, width)
            self._check(found)
            yield found

    def _check(self, in_slice: Probabilities) -> None:
        low, high = float(in_slice.min()), float(in_slice.max())
        if not (low >= -_ROUNDING and high <= 1 + _ROUNDING):  # so that NaN is found too
            wrong = high if low >= -_ROUNDING else low
            raise UserError(f"{self.file} holds {wrong:g}, which is not a probability: predict again")


def read_probabilities(file: Path, shape: tuple[int, int, int]) -> ProbabilityMaps:
    """The array "probabilities" (channel, z, y, x) of one of nnU-Net's .npz files.

    Args:
        shape: of the segmentation beside it.

    Raises:
        UserError: if the file is absent, unreadable, or of another shape.
    """
    if not file.is_file():
        raise UserError(
            f"{file} does not exist: probability maps are needed. Validate again with "
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
    except UserError:
        raise
    except Exception as error:  # what zipfile and numpy make of any bytes cannot be listed
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


def channel_of(maps: ProbabilityMaps, labels: LabelSet, target: Target) -> Probabilities:
    """The map of one target."""
    probability: Probabilities = maps[channels_of(maps, labels)[labels.targets.index(target)]]
    return probability


def channels_of(maps: ProbabilityMaps, labels: LabelSet) -> list[int]:
    """The channel of each target: nnU-Net has one a region, or one a label with background as the first.

    Raises:
        UserError: if the file has another number of channels.
    """
    n_targets = len(labels.targets)
    if labels.has_regions:
        channels, wanted, fits = list(range(n_targets)), f"{n_targets} regions", len(maps) == n_targets
    elif labels.known_values is not None:
        channels, wanted = list(range(1, n_targets + 1)), f"background and {n_targets} labels"
        fits = len(maps) == n_targets + 1
    else:  # labels are numbered without gaps, and the user named some
        channels = [target.values[0] for target in labels.targets]
        wanted, fits = f"background and labels up to {max(channels)}", len(maps) > max(channels)
    if not fits:
        raise UserError(f"{maps.file} has {len(maps)} channels, but there are {wanted}: predict again")
    return channels
