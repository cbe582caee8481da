"""Where a phantom lies in the world.

World coordinates are DICOM's: x to the patient's left, y to the back, z to the head, in mm.
"""

from __future__ import annotations

from dataclasses import asdict
from pathlib import Path
from typing import Any

import numpy as np
import SimpleITK as sitk
from numpy.typing import NDArray

from nnunetv2_raemd.nnunet_files.image_writing import write_whole_image
from nnunetv2_raemd.phantom.thorax import Thorax


def patient_origin_mm(thorax: Thorax, seed: int, case: int) -> tuple[float, float, float]:
    """World (x, y, z) of the centre of voxel (0, 0, 0): off centre, other for every case, 0.1 mm steps."""
    rng = np.random.default_rng([seed, case])
    offset = rng.uniform((-20, -40, -250), (20, 10, -60))
    size = np.array(thorax.hu.shape[::-1]) - 1
    x, y, z = np.round(offset - size * np.array(thorax.spacing_mm[::-1]) / 2, 1)
    return float(x), float(y), float(z)


def as_image(array: NDArray[Any], thorax: Thorax, origin_mm: tuple[float, float, float]) -> sitk.Image:
    """A (z, y, x) array of a thorax as an image with identity direction."""
    image = sitk.GetImageFromArray(array)
    image.SetSpacing(tuple(reversed(thorax.spacing_mm)))
    image.SetOrigin(origin_mm)
    return image


def turned(image: sitk.Image) -> sitk.Image:
    """The same image stored from the other end along x and y: direction -1, -1, 1, same world."""
    return sitk.Flip(image, (True, True, False))


def lesion_records(thorax: Thorax, image: sitk.Image) -> list[dict[str, Any]]:
    """What the oracle writes about each lesion, `centre_mm` (x, y, z) in the world.

    Args:
        thorax: the scan.
        image: its image as `as_image` gave it (not turned).
    """
    records = []
    for lesion in thorax.lesions:
        record = asdict(lesion)
        z, y, x = record.pop("centroid_voxel")
        record["centre_mm"] = list(image.TransformContinuousIndexToPhysicalPoint((x, y, z)))
        records.append(record)
    return records


def write_image(image: sitk.Image, path: Path, *, compressed: bool) -> None:
    """Write an image, its folder too if need be."""
    path.parent.mkdir(parents=True, exist_ok=True)
    write_whole_image(image, path, compressed=compressed)
