"""From the labels that a network gave to segments: one for each lesion, one for each anatomical label."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Sequence
from dataclasses import dataclass, field

import numpy as np

from nnunetv2_raemd.dicom_objects.coded_terms import finding_of
from nnunetv2_raemd.dicom_objects.deterministic_uids import derived_uid
from nnunetv2_raemd.dicom_objects.segmented_series import Segment
from nnunetv2_raemd.errors import UserError
from nnunetv2_raemd.lesions.measured_lesion import MeasuredLesion
from nnunetv2_raemd.lesions.measurement import Measured, lesion_masks, measure_lesions
from nnunetv2_raemd.nnunet_files.label_set import Target

_MOST_NUMBERS = int(np.iinfo(np.uint16).max)


@dataclass
class _Numbering:
    """Numbers on voxels, and the numbers of each segment; where segments overlap, parts get new numbers."""

    numbers: np.ndarray
    of_segment: dict[str, set[int]] = field(default_factory=lambda: defaultdict(set))

    def __post_init__(self) -> None:
        self._highest = int(self.numbers.max(initial=0))

    def split(self, segment: str, box: tuple[slice, ...], mask: np.ndarray) -> None:
        """Make the voxels of `mask` in `box` those of a new segment."""
        part = self.numbers[box]
        for old in np.unique(part[mask]).tolist():
            new = self._highest = self._highest + 1
            if new > _MOST_NUMBERS:
                raise UserError(f"there are more than {_MOST_NUMBERS} lesions: the model is of no use here")
            part[mask & (part == old)] = new
            for numbers in self.of_segment.values():
                if old in numbers:
                    numbers.add(new)
            self.of_segment[segment].add(new)


def segments_of(
    labels: np.ndarray, targets: Sequence[Target], measured: Measured, *, tracked_by: Sequence[str]
) -> tuple[np.ndarray, tuple[Segment, ...]]:
    """Numbers on the voxels (z, y, x; uint16) and the segments that are made of them.

    Args:
        labels: as nnU-Net writes them.
        targets: labels or regions of the dataset.
        measured: the image on the same grid.
        tracked_by: what the tracking UIDs follow from, beside label and number.

    Raises:
        UserError: if there are more lesions than a SEG can hold.
    """
    numbering = _Numbering(labels.astype(np.uint16))
    names: list[tuple[str, Target, MeasuredLesion | None]] = []
    for target in targets:
        mask = np.isin(labels, target.values)
        present = set(np.unique(numbering.numbers[mask]).tolist())
        if not finding_of(target.name).is_lesion:
            numbering.of_segment[target.name] = present
            names.append((target.name, target, None))
            continue
        masks = lesion_masks(mask)
        lesions = measure_lesions(masks, measured, label=target.name)
        for lesion, voxels in zip(lesions, masks, strict=True):
            name = f"{target.name} {lesion.number}"
            numbering.split(name, voxels.box, voxels.mask)
            names.append((name, target, lesion))
    return numbering.numbers, tuple(
        Segment(
            name,
            finding_of(target.name),
            tuple(sorted(numbering.of_segment[name])),
            derived_uid(*tracked_by, name),
            lesion,
        )
        for name, target, lesion in names
    )
