"""What the report says of an image and its mask: geometry, lesions, volume, HU."""

from __future__ import annotations

from typing import Any

import numpy as np
import SimpleITK as sitk
from scipy import ndimage

LESION = 1
_ANY_NEIGHBOUR = np.ones((3, 3, 3), dtype=bool)


def measure(image: sitk.Image, label: sitk.Image) -> dict[str, Any]:
    """Geometry of the image, and number, volume, diameter and HU of the lesions (26-connected components).

    Orientation is the DICOM code of the directions in which the axes grow ("LPS" for most CT). The diameter
    is that of the ball of the largest lesion's volume. HU entries are None for an empty mask.
    """
    return {
        "size_xyz": list(image.GetSize()),
        "spacing_mm_xyz": [round(s, 6) for s in image.GetSpacing()],
        "orientation": orientation_code(image),
        **_measure_mask(sitk.GetArrayViewFromImage(image), sitk.GetArrayViewFromImage(label), image),
    }


def orientation_code(image: sitk.Image) -> str:
    """DICOM code of the axes' directions, as "LPS"; oblique axes are named by their nearest."""
    return str(sitk.DICOMOrientImageFilter.GetOrientationFromDirectionCosines(image.GetDirection()))


def _measure_mask(hu: np.ndarray, mask: np.ndarray, image: sitk.Image) -> dict[str, Any]:
    boxes = ndimage.find_objects(mask, max_label=LESION)
    if boxes[0] is None:
        return {
            "lesions": 0,
            "volume_ml": 0.0,
            "diameter_mm": None,
            "hu_min": None,
            "hu_mean": None,
            "hu_max": None,
        }
    inside = mask[boxes[0]] == LESION
    voxel_mm3 = float(np.prod(image.GetSpacing()))
    components, number = ndimage.label(inside, structure=_ANY_NEIGHBOUR)
    largest_mm3 = float(np.bincount(components[inside]).max()) * voxel_mm3
    values = hu[boxes[0]][inside]
    return {
        "lesions": int(number),
        "volume_ml": round(np.count_nonzero(inside) * voxel_mm3 / 1000, 4),
        "diameter_mm": round((6 * largest_mm3 / np.pi) ** (1 / 3), 3),
        "hu_min": int(values.min()),
        "hu_mean": round(float(values.mean()), 2),
        "hu_max": int(values.max()),
    }
