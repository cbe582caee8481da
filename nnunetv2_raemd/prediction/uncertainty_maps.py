"""Maps of uncertainty on the grid of the scan, as NIfTI in a folder of their own."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
import SimpleITK as sitk
from nnunetv2.utilities.plans_handling.plans_handler import ConfigurationManager, PlansManager
from numpy.typing import NDArray

from nnunetv2_raemd.nnunet_files.image_writing import write_whole_image
from nnunetv2_raemd.prediction.pass_spread import SpreadMap
from nnunetv2_raemd.prediction.resampling_in_slices import resampled_in_slices

FOLDER = "uncertainty"
"""Beside the segmentations, that no map is taken for one of these."""


def write_maps(
    maps: Sequence[SpreadMap],
    properties: dict[str, Any],
    plans: PlansManager,
    configuration: ConfigurationManager,
    stem: Path,
) -> list[Path]:
    """Bring maps of a preprocessed image back to the scan, as nnU-Net does logits, one after the other.

    Voxels that preprocessing had cropped away have no uncertainty.

    Args:
        properties: what nnU-Net remembers of the image.
        stem: the files are STEM_entropy.nii.gz and STEM_mutual_information.nii.gz.
    """
    return [
        _write(
            _in_scan(one, properties, plans, configuration),
            properties["sitk_stuff"],
            Path(f"{stem}_{one.kind}.nii.gz"),
        )
        for one in maps
    ]


def _in_scan(
    one: SpreadMap, properties: dict[str, Any], plans: PlansManager, configuration: ConfigurationManager
) -> NDArray[np.float32]:
    """(Z, Y, X) of the scan as read."""
    shape = properties["shape_after_cropping_and_before_resampling"]
    spacing = [properties["spacing"][i] for i in plans.transpose_forward]
    current = configuration.spacing
    if len(current) != len(shape):  # of 2d, which resamples within slices only
        current = [spacing[0], *current]
    whole = np.zeros(properties["shape_before_cropping"], np.float32)
    inside = whole[tuple(slice(*side) for side in properties["bbox_used_for_cropping"])]
    for slices, (values,) in resampled_in_slices(one, shape, configuration, current, spacing):
        inside[slices] = np.maximum(values, 0)
    return whole.transpose(plans.transpose_backward)


def _write(values: NDArray[np.float32], geometry: dict[str, Any], file: Path) -> Path:
    image = sitk.GetImageFromArray(values)
    image.SetSpacing(geometry["spacing"])
    image.SetOrigin(geometry["origin"])
    image.SetDirection(geometry["direction"])
    write_whole_image(image, file)
    return file
