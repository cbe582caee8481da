"""Measures the lesions of one scan from its files."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
from numpy.typing import NDArray

from nnunetv2_raemd.errors import UserError
from nnunetv2_raemd.lesions.hu_image import read_hu
from nnunetv2_raemd.lesions.measured_lesion import MeasuredLesion, ScanLesions
from nnunetv2_raemd.lesions.measurement import Measured, lesion_masks, measure_lesions
from nnunetv2_raemd.lesions.scan_files import ScanFiles
from nnunetv2_raemd.nnunet_files.label_set import LabelSet, labels_from_numbers
from nnunetv2_raemd.nnunet_files.probability_agreement import AgreementCheck, Segmented
from nnunetv2_raemd.nnunet_files.probability_map import (
    channels_of,
    read_probabilities,
)
from nnunetv2_raemd.nnunet_files.segmentation_file import (
    Geometry,
    Segmentation,
    check_same_grid,
    read_segmentation,
)
from nnunetv2_raemd.volumes.hu_values import unlike_hu
from nnunetv2_raemd.volumes.plausible_spacing import about_spacing
from nnunetv2_raemd.volumes.region import Probabilities


@dataclass(frozen=True)
class MeasurementJob:
    """`measure_scan` as a job for many cases."""

    labels: LabelSet | None

    def __call__(self, scan: ScanFiles, /) -> ScanLesions:
        return measure_scan(scan, self.labels)

    def case_id(self, scan: ScanFiles, /) -> str:
        return scan.case_id

    def sees(self, scan: ScanFiles, /) -> Mapping[str, object]:
        return {str(scan.segmentation): scan.segmentation.is_file()}


def measure_scan(scan: ScanFiles, labels: LabelSet | None) -> ScanLesions:
    """All lesions of a scan, label by label.

    Without a usable image or probability map, lesions are measured all the same, and a remark says why.

    Args:
        labels: None for each number other than 0 in the segmentation.

    Raises:
        UserError: if the segmentation is absent, cannot be read, or is none.
    """
    segmentation = read_segmentation(scan.segmentation)
    _check_labels(segmentation, scan)
    remarks = [*_about_spacing(segmentation, scan), *_about_unknown(segmentation, scan, labels)]
    hu = _hu(scan, segmentation.geometry, remarks)
    wanted = labels or _labels_within(segmentation.labels)
    maps = _probabilities(scan, segmentation.geometry, wanted, remarks) if labels else None
    measured = Measured(segmentation.geometry, hu)
    lesions: list[MeasuredLesion] = []
    for target in wanted.targets:
        mask = np.isin(segmentation.labels, target.values)
        if not mask.any():
            continue
        segmented = Segmented(scan.segmentation, target, mask)
        inside = replace(measured, probability=_probability(maps, segmented, remarks))
        lesions += measure_lesions(
            lesion_masks(mask), inside, label=target.name, first_number=len(lesions) + 1
        )
    return ScanLesions(
        scan.case_id,
        scan.segmentation,
        None if hu is None else str(scan.image),
        segmentation.geometry.spacing_mm,
        tuple(lesions),
        tuple(remarks),
    )


def _check_labels(segmentation: Segmentation, scan: ScanFiles) -> None:
    """Raise a `UserError` for what is an image or a probability map rather than a segmentation."""
    labels = segmentation.labels
    if segmentation.geometry.direction is None or len(segmentation.geometry.direction) != 9:
        raise UserError(f"{scan.segmentation} is a two-dimensional picture: lesions are measured in volumes")
    if labels.min() < 0 or (labels.dtype.kind == "f" and not np.array_equal(labels, np.rint(labels))):
        raise UserError(
            f"{scan.segmentation} is not a segmentation: it holds negative or broken numbers, as an image or "
            "a probability map does. Give the file of labels"
        )


def _about_spacing(segmentation: Segmentation, scan: ScanFiles) -> list[str]:
    about = about_spacing(segmentation.geometry.spacing_mm)
    return [] if about is None else [f"{scan.segmentation}: {about}"]


def _about_unknown(segmentation: Segmentation, scan: ScanFiles, labels: LabelSet | None) -> list[str]:
    about = None if labels is None else labels.about_unknown_values(segmentation.labels, scan.segmentation)
    return [] if about is None else [f"{about}. They are not measured"]


def _labels_within(labels: NDArray[Any]) -> LabelSet:
    return labels_from_numbers([int(number) for number in np.unique(labels) if number != 0])


def _hu(scan: ScanFiles, geometry: Geometry, remarks: list[str]) -> NDArray[Any] | None:
    if scan.image is None:
        return None
    try:
        hu, found = read_hu(scan.image)
        check_same_grid(scan.segmentation, scan.image, geometry, found)
    except UserError as error:
        remarks.append(f"HU are left out: {error}")
        return None
    if (why := unlike_hu(hu)) is not None:
        remarks.append(f"HU of the lesions are not to be relied on. {scan.image}: {why}")
    return hu


def _probabilities(
    scan: ScanFiles, geometry: Geometry, labels: LabelSet, remarks: list[str]
) -> AgreementCheck | None:
    if not scan.probabilities.is_file():
        return None
    try:
        maps = read_probabilities(scan.probabilities, geometry.shape)
        channels_of(maps, labels)
    except UserError as error:
        remarks.append(f"Probabilities are left out: {error}")
        return None
    return AgreementCheck(maps, labels)


def _probability(
    maps: AgreementCheck | None, segmented: Segmented, remarks: list[str]
) -> Probabilities | None:
    if maps is None:
        return None
    try:
        return maps.channel(segmented)
    except UserError as error:
        remarks.append(f"Probabilities of {segmented.target.name} are left out: {error}")
        return None
