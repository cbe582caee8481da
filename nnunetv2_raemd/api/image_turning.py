"""Images in another order of axes than the network knows: turned for prediction, and results turned back."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from functools import partial
from typing import Any

import numpy as np
import SimpleITK as sitk

from nnunetv2_raemd.api.scan_result import Prediction
from nnunetv2_raemd.nnunet_files.image_header import orientation_code
from nnunetv2_raemd.nnunet_files.segmentation_file import Geometry
from nnunetv2_raemd.prediction.scan_orientation import (
    REORIENTING_READERS,
    about_turning,
    orientation_by_the_model_alone,
    turned_array,
)


@dataclass(frozen=True)
class Turning:
    """From how a scan is stored, such as "PSL", to how it is predicted.

    Attributes:
        reader: nnU-Net's, of the model.
    """

    stored: str
    turned: str
    reader: str

    @property
    def remarks(self) -> tuple[str, ...]:
        """That nnU-Net's own readers turn images goes without saying."""
        if self.reader in REORIENTING_READERS:
            return ()
        return (about_turning(self.stored, self.turned, Counter()),)

    def images(self, images: Sequence[sitk.Image]) -> list[sitk.Image]:
        """The channels of a scan, turned: no voxel changes."""
        return [sitk.DICOMOrient(image, self.turned) for image in images]

    def back(self, found: Prediction, image: sitk.Image) -> Prediction:
        """A prediction of turned images as one of the image that they were."""
        back = partial(turned_array, from_=self.turned, to=self.stored)
        return replace(
            found,
            labels=np.ascontiguousarray(back(found.labels)),
            probabilities=None if found.probabilities is None else back(found.probabilities),
            geometry=geometry_of(image),
            remarks=(*self.remarks, *found.remarks),
            image_hu=sitk.GetArrayFromImage(image),
        )


def turning_of(image: sitk.Image, reader: str, dataset_json: Mapping[str, Any]) -> Turning | None:
    """None where an image is right as it is."""
    stored = orientation_code(image.GetDirection())
    turn_to = orientation_by_the_model_alone(stored, reader, dataset_json)
    return None if turn_to is None else Turning(stored, turn_to, reader)


def geometry_of(image: sitk.Image) -> Geometry:
    """Of an image of three dimensions."""
    x, y, z = image.GetSpacing()
    return Geometry(image.GetSize()[::-1], (z, y, x), image.GetOrigin(), image.GetDirection())
