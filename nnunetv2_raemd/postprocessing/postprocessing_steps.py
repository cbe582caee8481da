"""The steps of post-processing (Algorithm 1, step 10) and what each does to the mask of one label."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np
from scipy import ndimage

from nnunetv2_raemd.volumes.boxes import Mask
from nnunetv2_raemd.volumes.components import find_components
from nnunetv2_raemd.volumes.region import Probabilities


@dataclass(frozen=True)
class Postprocessing:
    """The settings of one label; by default nothing is done. The steps are taken in this order.

    Attributes:
        threshold: probability above which a voxel belongs to the label; None keeps the network's choice.
        opening_mm: radius of a morphological opening, which cuts off what is thinner.
        closing_mm: radius of a morphological closing, which fills gaps that are narrower.
        fill_holes: whether to fill holes, slice by slice as a reader's outline does.
        min_volume_mm3: components of less volume are removed.
        min_probability: components that nowhere reach this probability are removed.
    """

    threshold: float | None = None
    opening_mm: float = 0.0
    closing_mm: float = 0.0
    fill_holes: bool = False
    min_volume_mm3: float = 0.0
    min_probability: float = 0.0

    @property
    def needs_probabilities(self) -> bool:
        """Whether the segmentation alone does not do."""
        return self.threshold is not None or self.min_probability > 0


def postprocess(
    predicted: Mask,
    probability: Probabilities | None,
    *,
    spacing_mm: Sequence[float],
    settings: Postprocessing,
) -> Mask:
    """The mask of a label (z, y, x) after all steps; `predicted` is not changed.

    Args:
        probability: of the label, same shape; only read where `settings.needs_probabilities`.
        spacing_mm: (z, y, x).
    """
    mask = predicted
    if settings.threshold is not None:
        assert probability is not None
        mask = probability > settings.threshold
    if settings.opening_mm:
        mask = _beyond_border(ndimage.binary_opening, mask, ball(settings.opening_mm, spacing_mm))
    if settings.closing_mm:
        mask = _beyond_border(ndimage.binary_closing, mask, ball(settings.closing_mm, spacing_mm))
    if settings.fill_holes:
        mask = np.stack([ndimage.binary_fill_holes(in_slice) for in_slice in mask])
    return _without_unlikely(mask, probability, float(np.prod(spacing_mm)), settings)


def ball(radius_mm: float, spacing_mm: Sequence[float]) -> Mask:
    """The voxels (z, y, x) whose centres are at most that far from the middle one."""
    reach = [int(radius_mm / spacing) for spacing in spacing_mm]
    grid = np.ogrid[tuple(slice(-r, r + 1) for r in reach)]
    z, y, x = (axis * spacing for axis, spacing in zip(grid, spacing_mm, strict=True))
    inside: Mask = z**2 + y**2 + x**2 <= radius_mm**2 * (1 + 1e-9)
    return inside


def _beyond_border(operation: Callable[[Mask, Mask], Mask], mask: Mask, element: Mask) -> Mask:
    """Opening or closing as if the image went on beyond its border as it is there.

    Otherwise a lesion in the first or last slice, or in a scan of few slices, would be thinner than it is.
    """
    margin = [2 * (size // 2) for size in element.shape]
    padded = np.pad(mask, [(width, width) for width in margin], mode="edge")
    result = operation(padded, element)
    inside = tuple(slice(width, width + size) for width, size in zip(margin, mask.shape, strict=True))
    return result[inside]


def _without_unlikely(
    mask: Mask, probability: Probabilities | None, voxel_mm3: float, settings: Postprocessing
) -> Mask:
    """`mask` without the components that are too small or nowhere probable enough."""
    if not (settings.min_volume_mm3 or settings.min_probability):
        return mask
    components = find_components(mask)
    keep = components.n_voxels * voxel_mm3 >= settings.min_volume_mm3 - 1e-6
    if settings.min_probability:
        assert probability is not None
        numbers = np.arange(1, len(components) + 1)
        highest = np.asarray(ndimage.maximum(probability, components.numbers, numbers))
        keep &= highest >= settings.min_probability
    return np.concatenate(([False], keep))[components.numbers]
