"""Maps of uncertainty on the grid of the scan, as NIfTI in a folder of their own."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import SimpleITK as sitk
from nnunetv2.utilities.plans_handling.plans_handler import ConfigurationManager, PlansManager
from numpy.typing import NDArray

from nnunetv2_raemd.nnunet_files.image_writing import write_whole_image
from nnunetv2_raemd.prediction.pass_spread import KINDS

FOLDER = "uncertainty"
"""Beside the segmentations, that no map is taken for one of these."""


def write_maps(
    maps: NDArray[Any],
    properties: dict[str, Any],
    plans: PlansManager,
    configuration: ConfigurationManager,
    stem: Path,
) -> list[Path]:
    """Bring maps (2, Z, Y, X) of a preprocessed image back to the scan, as nnU-Net does logits.

    Voxels that preprocessing had cropped away have no uncertainty.

    Args:
        properties: what nnU-Net remembers of the image.
        stem: the files are STEM_entropy.nii.gz and STEM_mutual_information.nii.gz.
    """
    shape = properties["shape_after_cropping_and_before_resampling"]
    spacing = [properties["spacing"][i] for i in plans.transpose_forward]
    current = configuration.spacing
    if len(current) != len(shape):  # of 2d, which resamples within slices only
        current = [spacing[0], *current]
    resampled = np.asarray(configuration.resampling_fn_probabilities(maps, shape, current, spacing))
    whole = np.zeros((len(maps), *properties["shape_before_cropping"]), np.float32)
    z, y, x = (slice(*side) for side in properties["bbox_used_for_cropping"])
    whole[:, z, y, x] = resampled
    whole = whole.transpose([0, *(axis + 1 for axis in plans.transpose_backward)])
    files = [Path(f"{stem}_{kind}.nii.gz") for kind in KINDS]
    return [_write(one, properties["sitk_stuff"], file) for one, file in zip(whole, files, strict=True)]


def _write(values: NDArray[np.float32], geometry: dict[str, Any], file: Path) -> Path:
    image = sitk.GetImageFromArray(np.maximum(values, 0))
    image.SetSpacing(geometry["spacing"])
    image.SetOrigin(geometry["origin"])
    image.SetDirection(geometry["direction"])
    write_whole_image(image, file)
    return file
