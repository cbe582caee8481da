"""nnU-Net's resampling to the shape of the original image, a few slices at a time.

nnU-Net resamples a scan as a whole, in double precision: a copy of all classes of 1000 slices of 512 x 512
takes 4 GB and more, which is why its workers die. Where a slice of the result depends on at most two slices
of the source, which holds for all of nnU-Net's own plans, the same numbers come from a few of them.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator, Sequence
from typing import Any, Protocol

import numpy as np
from nnunetv2.preprocessing.resampling.default_resampling import determine_do_sep_z_and_axis
from nnunetv2.utilities.plans_handling.plans_handler import ConfigurationManager
from skimage.transform import resize

SLICES_AT_A_TIME = 8
NNUNETS_OWN = "resample_data_or_seg_to_shape"
Slices = tuple[slice, np.ndarray]
Weights = tuple[int, int, float]
"""Two source slices, and the share of the second."""


class MadeInSlices(Protocol):
    """Values (C, Z, Y, X) of which a slice is made when it is asked for."""

    @property
    def shape(self) -> tuple[int, ...]:
        """(C, Z, Y, X)."""

    @property
    def dtype(self) -> Any:
        """Of the slices."""

    def __getitem__(self, index: tuple[slice, int], /) -> np.ndarray:
        """`[:, k]` alone: slice k, (C, Y, X)."""

    def filled(self) -> np.ndarray:
        """All of it at once."""


def resampled_in_slices(
    values: np.ndarray | MadeInSlices,
    shape: Sequence[int],
    configuration: ConfigurationManager,
    spacing_mm: Sequence[float],
    target_spacing_mm: Sequence[float],
) -> Iterator[Slices]:
    """What `configuration.resampling_fn_probabilities` gives, some slices (C, n, Y, X) after the other.

    Args:
        values: logits (C, Z, Y, X).
        shape: of the result (Z, Y, X).
        spacing_mm: of `values`, which decides how nnU-Net resamples.
    """
    if values.shape[1:] == tuple(shape):
        mapping: Callable[[int], Weights] | None = _itself
    else:
        mapping = _mapping(values.shape[1], shape[0], configuration, spacing_mm, target_spacing_mm)
    if mapping is None:
        function = configuration.resampling_fn_probabilities
        source = values if isinstance(values, np.ndarray) else values.filled()
        whole = np.asarray(function(source, shape, spacing_mm, target_spacing_mm))
        yield slice(0, shape[0]), whole
        return
    for start in range(0, shape[0], SLICES_AT_A_TIME):
        stop = min(start + SLICES_AT_A_TIME, shape[0])
        slices = [_slice(values, mapping(k), (shape[1], shape[2])) for k in range(start, stop)]
        yield slice(start, stop), np.stack(slices, axis=1)


def _itself(k: int) -> Weights:
    return k, k, 0.0


def _mapping(
    n_source: int,
    n_target: int,
    configuration: ConfigurationManager,
    spacing_mm: Sequence[float],
    target_spacing_mm: Sequence[float],
) -> Callable[[int], Weights] | None:
    """From a slice of the result to those of the source; None where it depends on more of them."""
    content: dict[str, Any] = configuration.configuration
    settings = content["resampling_fn_probabilities_kwargs"]
    if content["resampling_fn_probabilities"] != NNUNETS_OWN or settings.get("order", 3) != 1:
        return None
    separate, axis = determine_do_sep_z_and_axis(
        settings.get("force_separate_z", False), spacing_mm, target_spacing_mm
    )
    if separate and axis != 0:
        return None
    nearest = separate and settings.get("order_z", 0) == 0
    if separate and settings.get("order_z", 0) > 1:
        return None
    return lambda k: _along_z(k, n_source, n_target, nearest=nearest)


def _along_z(k: int, n_source: int, n_target: int, *, nearest: bool) -> Weights:
    """Voxel centres of both lie evenly over the same length; beyond the outermost nothing changes."""
    place = min(max((k + 0.5) * n_source / n_target - 0.5, 0.0), n_source - 1.0)
    if nearest:
        first = min(math.floor(place + 0.5), n_source - 1)
        return first, first, 0.0
    first = min(math.floor(place), n_source - 1)
    return first, min(first + 1, n_source - 1), place - first


def _slice(values: np.ndarray | MadeInSlices, weights: Weights, shape: tuple[int, int]) -> np.ndarray:
    """One slice (C, Y, X) of the result, of the type of `values` as nnU-Net's."""
    first, second, share = weights
    if share == 0 and values.shape[2:] == shape:
        return values[:, first]
    here = values[:, first].astype(float)
    if share > 0:
        here = (1 - share) * here + share * values[:, second].astype(float)
    if here.shape[1:] != shape:
        order = 1
        here = np.stack([resize(c, shape, order, mode="edge", anti_aliasing=False) for c in here])
    return here.astype(values.dtype)
