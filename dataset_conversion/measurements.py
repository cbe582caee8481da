"""What the report says of an image and its mask: geometry, lesions, volume, HU."""

from __future__ import annotations

from typing import Any

import numpy as np
import SimpleITK as sitk
from scipy import ndimage

from nnunetv2_raemd.dataset_conversion.case import LESION
from nnunetv2_raemd.nnunet_files.image_header import orientation_code

_HU_COLUMNS = ("hu_min", "hu_mean", "hu_std", "hu_p05", "hu_median", "hu_p95", "hu_max")
_ANY_NEIGHBOUR = np.ones((3, 3, 3), dtype=bool)


def measure(image: sitk.Image, label: sitk.Image) -> dict[str, Any]:
    """Geometry of the image, and number, volume, diameter and HU of the lesions (26-connected components).

    Orientation is the DICOM code of the directions in which the axes grow ("LPS" for most CT). Diameters are
    those of balls of the lesions' volumes; lesions are listed from the largest, whose diameter is also
    `diameter_mm`. HU entries are None for an empty mask.
    """
    return {
        "size_xyz": list(image.GetSize()),
        "spacing_mm_xyz": [round(s, 6) for s in image.GetSpacing()],
        "orientation": orientation_code(image.GetDirection()),
        **_measure_mask(sitk.GetArrayViewFromImage(image), sitk.GetArrayViewFromImage(label), image),
    }


def bounding_box(mask: np.ndarray) -> tuple[slice, ...] | None:
    """The smallest box round the lesions of `mask` (z, y, x), None where there is none.

    Slice by slice, which takes a fifth of the time of scipy's `find_objects`.
    """
    rows, columns = (np.zeros(size, dtype=bool) for size in mask.shape[1:])
    slices = np.zeros(len(mask), dtype=bool)
    for index, plane in enumerate(mask):
        inside = plane == LESION
        slices[index] = inside.any()
        if slices[index]:
            rows |= inside.any(axis=1)
            columns |= inside.any(axis=0)
    if not slices.any():
        return None
    ends = (np.flatnonzero(along)[[0, -1]] for along in (slices, rows, columns))
    return tuple(slice(int(first), int(last) + 1) for first, last in ends)


def _measure_mask(hu: np.ndarray, mask: np.ndarray, image: sitk.Image) -> dict[str, Any]:
    box = bounding_box(mask)
    if box is None:
        return {"lesions": 0, "volume_ml": 0.0, "diameter_mm": None, **dict.fromkeys(_HU_COLUMNS)}
    inside = mask[box] == LESION
    voxel_mm3 = float(np.prod(image.GetSpacing()))
    components, number = ndimage.label(inside, structure=_ANY_NEIGHBOUR)
    volumes_mm3 = np.sort(np.bincount(components[inside])[1:])[::-1] * voxel_mm3
    diameters_mm = [round(float(d), 3) for d in np.cbrt(6 * volumes_mm3 / np.pi)]
    return {
        "lesions": int(number),
        "volume_ml": round(np.count_nonzero(inside) * voxel_mm3 / 1000, 4),
        "diameter_mm": diameters_mm[0],
        "lesion_volumes_ml": [round(float(v) / 1000, 4) for v in volumes_mm3],
        "lesion_diameters_mm": diameters_mm,
        **_hu_under(hu[box][inside]),
    }


def _hu_under(values: np.ndarray) -> dict[str, float]:
    percentiles = np.percentile(values, (5, 50, 95))
    between = (round(float(figure), 2) for figure in (values.mean(), values.std(), *percentiles))
    return dict(zip(_HU_COLUMNS, (int(values.min()), *between, int(values.max())), strict=True))
