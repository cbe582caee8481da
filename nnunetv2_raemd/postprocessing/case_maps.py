"""What the search needs of a case: reference, prediction and probability of a label, cut to a box."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from scipy import ndimage

from nnunetv2_raemd.evaluation.case_evaluation import CaseFiles
from nnunetv2_raemd.nnunet_files.label_set import LabelSet, Target
from nnunetv2_raemd.nnunet_files.probability_agreement import LOWEST_THRESHOLD, AgreementCheck, Segmented
from nnunetv2_raemd.nnunet_files.probability_map import read_probabilities
from nnunetv2_raemd.nnunet_files.segmentation_file import Labels, check_same_grid, read_segmentation
from nnunetv2_raemd.volumes.boxes import Mask
from nnunetv2_raemd.volumes.region import Probabilities

MARGIN_MM = 5.0  # more than any radius that is tried


@dataclass(frozen=True)
class CaseMap:
    """One label in one case, (z, y, x), cut to a box outside of which all three are empty.

    Attributes:
        probability: None where there is no probability map.
    """

    reference: Mask
    predicted: Mask
    probability: Probabilities | None
    spacing_mm: tuple[float, float, float]

    def save(self, file: Path) -> None:
        """Write to an .npz file."""
        maps: dict[str, Any] = {} if self.probability is None else {"probability": self.probability}
        spacing_mm = np.asarray(self.spacing_mm)
        np.savez(file, reference=self.reference, predicted=self.predicted, spacing_mm=spacing_mm, **maps)

    @classmethod
    def load(cls, file: Path) -> CaseMap:
        """Read what `save` wrote."""
        with np.load(file) as arrays:
            z, y, x = arrays["spacing_mm"].tolist()
            probability = arrays.get("probability")
            return cls(arrays["reference"], arrays["predicted"], probability, (z, y, x))


def read_case_maps(files: CaseFiles, labels: LabelSet, *, with_probabilities: bool) -> dict[str, CaseMap]:
    """The maps of one case by the label's name.

    Raises:
        UserError: if a file is absent, unreadable or of another grid.
    """
    reference = read_segmentation(files.reference, files.reader)
    prediction = read_segmentation(files.prediction, files.reader)
    check_same_grid(files.reference, files.prediction, reference.geometry, prediction.geometry)
    labels.check_known(reference.labels, files.reference)
    labels.check_known_prediction(prediction.labels, reference.labels, files.prediction)
    geometry = reference.geometry
    maps = None
    if with_probabilities:
        maps = AgreementCheck(read_probabilities(files.probabilities, geometry.shape), labels)
    ignored = None if labels.ignore_label is None else reference.labels == labels.ignore_label

    def predicted(target: Target) -> Segmented:
        return Segmented(files.prediction, target, np.isin(prediction.labels, target.values))

    return {
        target.name: _cut(
            _mask(reference.labels, target, ignored),
            _mask(prediction.labels, target, ignored),
            _probability(maps, predicted(target), ignored),
            geometry.spacing_mm,
        )
        for target in labels.targets
    }


def _mask(labels: Labels, target: Target, ignored: Mask | None) -> Mask:
    mask: Mask = np.isin(labels, target.values)
    return mask if ignored is None else mask & ~ignored


def _probability(
    maps: AgreementCheck | None, predicted: Segmented, ignored: Mask | None
) -> Probabilities | None:
    if maps is None:
        return None
    probability = maps.channel(predicted)
    return probability if ignored is None else np.where(ignored, 0, probability)


def _cut(
    reference: Mask, predicted: Mask, probability: Probabilities | None, spacing_mm: Sequence[float]
) -> CaseMap:
    occupied = reference | predicted
    if probability is not None:
        occupied |= probability > LOWEST_THRESHOLD
    (box,) = ndimage.find_objects(occupied.astype(np.uint8)) or [None]
    box = box or (slice(0, 1),) * occupied.ndim
    box = tuple(
        slice(max(side.start - int(MARGIN_MM / mm) - 1, 0), side.stop + int(MARGIN_MM / mm) + 1)
        for side, mm in zip(box, spacing_mm, strict=True)
    )
    z, y, x = spacing_mm
    cut = None if probability is None else probability[box].astype(np.float16)
    return CaseMap(reference[box], predicted[box], cut, (z, y, x))
