"""nnU-Net's probability maps (`--npz`, `--save_probabilities`) and the candidates in them."""

from __future__ import annotations

import math
import zipfile
import zlib
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from io import SEEK_CUR
from pathlib import Path
from typing import IO, Any

import numpy as np
from numpy.typing import NDArray

from nnunetv2_raemd.errors import UserError
from nnunetv2_raemd.evaluation.choices import CandidateScore, HitRule
from nnunetv2_raemd.evaluation.components import Components, find_components, shared_voxels
from nnunetv2_raemd.evaluation.lesions import centre
from nnunetv2_raemd.evaluation.options import EvaluationOptions
from nnunetv2_raemd.evaluation.results import Candidate, ball_diameter_mm

Probabilities = NDArray[np.floating[Any]]


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
        n_bytes = self.dtype.itemsize * math.prod(self.shape)
        with _array_stream(self.file) as stream:
            _read_header(stream)
            stream.seek(channel * n_bytes, SEEK_CUR)
            return np.frombuffer(stream.read(n_bytes), self.dtype).reshape(self.shape)


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


def find_candidates(
    probability: Probabilities,
    lesions: Components,
    *,
    spacing_mm: Sequence[float],
    options: EvaluationOptions,
) -> tuple[Candidate, ...]:
    """The components of a probability map (z, y, x) above the threshold, and the lesions that each hits.

    Args:
        lesions: components of the reference, on the same grid.
    """
    found = find_components(probability > options.candidate_threshold)
    if options.hit_rule is HitRule.OVERLAP:
        shared = shared_voxels(found, lesions)
        hits = [shared.indices[shared.indptr[i] : shared.indptr[i + 1]].tolist() for i in range(len(found))]
    else:
        hits = [_lesions_round(place, lesions, spacing_mm) for place in found.centres]
    return tuple(
        Candidate(_score(probability, found, i, options.candidate_score), centre(found, i), tuple(hits[i]))
        for i in range(len(found))
    )


@contextmanager
def _array_stream(file: Path) -> Iterator[IO[bytes]]:
    """The bytes of the array in the file; whatever goes wrong with it becomes a `UserError`."""
    try:
        with zipfile.ZipFile(file) as archive, archive.open("probabilities.npy") as stream:
            yield stream
    except (OSError, ValueError, KeyError, EOFError, zipfile.BadZipFile, zlib.error) as error:
        raise UserError(f"{file} cannot be read as nnU-Net's probabilities: {error}") from error


def _read_header(stream: IO[bytes]) -> tuple[tuple[int, ...], np.dtype[Any]]:
    """Shape and type of the array; leaves the stream where its numbers begin."""
    if np.lib.format.read_magic(stream) == (1, 0):
        shape, is_fortran, dtype = np.lib.format.read_array_header_1_0(stream)
    else:
        shape, is_fortran, dtype = np.lib.format.read_array_header_2_0(stream)
    if is_fortran or dtype.kind != "f":
        raise ValueError("the array is not in C order or not of floating point numbers")
    return shape, dtype


def _score(probability: Probabilities, found: Components, i: int, rule: CandidateScore) -> float:
    box = found.boxes[i]
    values = probability[box][found.numbers[box] == i + 1]
    return float(values.max() if rule is CandidateScore.MAXIMUM else values.mean(dtype=np.float64))


def _lesions_round(place: NDArray[np.float64], lesions: Components, spacing_mm: Sequence[float]) -> list[int]:
    """The lesions within whose radius of whose centre that place lies; LUNA16 counts the rim as outside."""
    distances_mm = np.linalg.norm((lesions.centres - place) * spacing_mm, axis=1)
    voxel_mm3 = float(np.prod(spacing_mm))
    radii_mm = [ball_diameter_mm(n * voxel_mm3) / 2 for n in lesions.sizes]
    return np.flatnonzero(distances_mm < np.asarray(radii_mm)).tolist()
