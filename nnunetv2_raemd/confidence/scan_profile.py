"""What a CT scan is like, in a few numbers, by which a scan unlike those of the training is found."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray
from scipy import ndimage

from nnunetv2_raemd.lesions.patient_space import slice_axis
from nnunetv2_raemd.nnunet_files.segmentation_file import Geometry

MOST_SLICES = 32
"""So many slices, evenly spread, are looked at: the numbers change little with more."""
_SHARES = np.linspace(0.025, 0.975, 20)
_AIR_HU = -320  # between lung and soft tissue
_SOFT_TISSUE_HU = (0.0, 100.0)
_FEWEST_VOXELS = 200
_MAD_TO_SD = 1.4826


@dataclass(frozen=True)
class ScanProfile:
    """One scan.

    Attributes:
        slice_spacing_mm, pixel_spacing_mm: along the patient and across.
        length_mm, width_mm: of the field of view, along the patient and (the smaller side) across.
        lung_ml: air within the body: lungs and airways.
        noise_hu: of neighbouring pixels in soft tissue, which a sharp kernel or a low dose raises; None where
            there is too little soft tissue.
        hu_quantiles: at 20 even shares of the voxels.
    """

    slice_spacing_mm: float
    pixel_spacing_mm: float
    length_mm: float
    width_mm: float
    lung_ml: float
    noise_hu: float | None
    hu_quantiles: tuple[float, ...]


def profile_of(hu: NDArray[Any], geometry: Geometry) -> ScanProfile:
    """The profile of an image (z, y, x).

    Raises:
        UserError: if the file's format does not say how the image lies in the patient.
    """
    axis = slice_axis(geometry)
    slices = np.moveaxis(hu, axis, 0)
    spacing_mm = (geometry.spacing_mm[axis], *(mm for i, mm in enumerate(geometry.spacing_mm) if i != axis))
    extents_mm = [n * mm for n, mm in zip(slices.shape, spacing_mm, strict=True)]
    shown = slices[np.unique(np.linspace(0, len(slices) - 1, MOST_SLICES).round().astype(int))]
    air_share = float(np.mean([_enclosed_air(one).mean() for one in shown]))
    return ScanProfile(
        spacing_mm[0],
        max(spacing_mm[1:]),
        extents_mm[0],
        min(extents_mm[1:]),
        air_share * float(np.prod(extents_mm)) / 1000,
        _noise_hu(shown),
        tuple(np.quantile(shown, _SHARES).tolist()),
    )


def _enclosed_air(hu: NDArray[Any]) -> NDArray[np.bool_]:
    """Air of a slice that is not connected to its border: what lies within the body."""
    parts, _ = ndimage.label(hu < _AIR_HU)
    border = np.unique(np.concatenate([parts[0], parts[-1], parts[:, 0], parts[:, -1]]))
    enclosed: NDArray[np.bool_] = (parts > 0) & ~np.isin(parts, border)
    return enclosed


def _noise_hu(slices: NDArray[Any]) -> float | None:
    """A robust standard deviation of soft tissue less its own mean over 5 x 5 pixels."""
    deviations = []
    for one in slices:
        values = one.astype(np.float32)
        mean = ndimage.uniform_filter(values, 5)
        tissue = (mean > _SOFT_TISSUE_HU[0]) & (mean < _SOFT_TISSUE_HU[1])
        deviations.append((values - mean)[tissue])
    found = np.concatenate(deviations)
    return _MAD_TO_SD * float(np.median(np.abs(found))) if len(found) >= _FEWEST_VOXELS else None
