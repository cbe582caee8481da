"""What is predicted of one scan."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

import numpy as np
import SimpleITK as sitk

from nnunetv2_raemd.lesions.measured_lesion import MeasuredLesion
from nnunetv2_raemd.lesions.measurement import Measured, lesion_masks, measure_lesions
from nnunetv2_raemd.nnunet_files.label_set import labels_of
from nnunetv2_raemd.nnunet_files.segmentation_file import Geometry
from nnunetv2_raemd.prediction.lesion_lists import LesionLister


@dataclass(frozen=True)
class Prediction:
    """The segmentation of a scan.

    Attributes:
        labels: (Z, Y, X), in the grid of the image.
        probabilities: (classes, Z, Y, X) with the background first, or (regions, Z, Y, X); None unless they
            were asked for.
        geometry: of that grid.
        dataset: nnU-Net's dataset.json of the model, which names the labels.
        remarks: what was chosen or assumed, a sentence each.
        image_hu: the image (Z, Y, X), where it is still at hand.
        lister: what rates lesions and scans by the calibration of the model.
    """

    labels: np.ndarray
    probabilities: np.ndarray | None
    geometry: Geometry
    dataset: Mapping[str, Any] = field(repr=False)
    remarks: tuple[str, ...] = ()
    image_hu: np.ndarray | None = field(default=None, repr=False)
    lister: LesionLister | None = field(default=None, repr=False)

    def lesions(self) -> list[MeasuredLesion]:
        """Every lesion: its place, size, axes and HU; of each label from the largest on.

        With a confidence where the model is calibrated and probabilities were asked for.
        """
        found: list[MeasuredLesion] = []
        targets = labels_of(dict(self.dataset)).targets
        for i, target in enumerate(targets):
            probability = None
            if self.probabilities is not None:
                probability = self.probabilities[i + len(self.probabilities) - len(targets)]
            measured = Measured(self.geometry, self.image_hu, probability)
            masks = lesion_masks(np.isin(self.labels, target.values))
            found += measure_lesions(masks, measured, label=target.name, first_number=len(found) + 1)
        if self.lister is None or self.lister.rating is None:
            return found
        return list(map(self.lister.rating.rated, found))

    def unlike_training(self) -> tuple[str, ...]:
        """In what the scan is unlike those of the training; nothing where no calibration tells."""
        if self.lister is None or self.image_hu is None:
            return ()
        return self.lister.unlikeness(self.image_hu, self.geometry)

    def image(self) -> sitk.Image:
        """The labels as an image of SimpleITK, where the scan was."""
        image = sitk.GetImageFromArray(self.labels)
        image.SetSpacing(self.geometry.spacing_mm[::-1])
        if self.geometry.origin_mm is not None and self.geometry.direction is not None:
            image.SetOrigin(self.geometry.origin_mm)
            image.SetDirection(self.geometry.direction)
        return image
