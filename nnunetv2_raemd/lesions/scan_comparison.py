"""The lesions of a patient at two points in time: measured, aligned, paired."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import date
from pathlib import Path

import SimpleITK as sitk

from nnunetv2_raemd.errors import UserError
from nnunetv2_raemd.lesions.ct_registration import (
    POOR_CORRELATION,
    Registration,
    aligned_already,
    register,
)
from nnunetv2_raemd.lesions.hu_image import grid_of, read_ct
from nnunetv2_raemd.lesions.lesion_pairing import LesionChange, mergers, pair_lesions
from nnunetv2_raemd.lesions.measured_lesion import ScanLesions
from nnunetv2_raemd.lesions.scan_files import LesionMaterial, find_material, image_of
from nnunetv2_raemd.lesions.scan_measurement import measure_scan
from nnunetv2_raemd.nnunet_files.image_header import volume_grid
from nnunetv2_raemd.nnunet_files.segmentation_file import check_same_grid

_SPACING_RATIO = 1.5


@dataclass(frozen=True)
class Comparison:
    """Two scans and what became of each lesion.

    Attributes:
        days: between the scans; None where they are not known.
        remarks: what a reader must know before relying on it, a sentence each.
    """

    before: ScanLesions
    after: ScanLesions
    days: float | None
    registration: Registration
    changes: tuple[LesionChange, ...]
    remarks: tuple[str, ...]


def compare(
    segmentations: tuple[Path, Path],
    images: tuple[Path, Path] | None,
    *,
    aligned: bool = False,
    labels: list[int] | None = None,
    days: float | None = None,
) -> Comparison:
    """Compare two scans of one patient.

    Args:
        segmentations: of the earlier and the later scan.
        images: the CT images of both, by which they are aligned and HU measured.
        aligned: whether both share their coordinates already; without images they must.
        days: from the first scan to the second.

    Raises:
        UserError: if a file is absent, cannot be read, an image does not lie on the grid of its segmentation,
            or the scans cannot be aligned.
    """
    cts = [] if aligned or images is None else list(map(_ct_of, segmentations, images))
    before, after = (
        _measured(file, image, labels)
        for file, image in zip(segmentations, images or (None, None), strict=True)
    )
    registration = register(*cts) if cts else aligned_already()
    changes = pair_lesions(before.lesions, after.lesions, registration, days=days)
    remarks = [
        *before.remarks,
        *after.remarks,
        *_about(registration, before, after, days),
        *mergers(changes, registration),
    ]
    return Comparison(before, after, days, registration, tuple(changes), tuple(remarks))


def days_between(dates: tuple[str, str] | None, days: float | None) -> float | None:
    """The days between two dates as 2024-03-18, or those given; None without either.

    Raises:
        UserError: for both, a date that is none, or scans in the wrong order or of the same day.
    """
    if dates is not None and days is not None:
        raise UserError("give either --dates or --days")
    if dates is not None:
        try:
            first, second = (date.fromisoformat(day) for day in dates)
        except ValueError as error:
            raise UserError(f"--dates {' '.join(dates)}: give both as 2024-03-18 ({error})") from error
        days = float((second - first).days)
    if days is not None and days <= 0:
        raise UserError(f"the second scan is {days:g} days after the first: give the earlier scan first")
    return days


def images_of(segmentations: tuple[Path, Path], images: list[Path]) -> tuple[Path, Path]:
    """The CT images of both scans, from one folder or given one by one.

    Raises:
        UserError: if neither two images nor a folder are given.
    """
    if len(images) == 2:
        return images[0], images[1]
    if len(images) != 1 or not images[0].is_dir():
        raise UserError("--images: give both CT images in the order of --compare, or their folder")
    first, second = (image_of(_scan(file, None).scans[0].case_id, images[0]) for file in segmentations)
    return first, second


def _measured(file: Path, image: Path | None, labels: list[int] | None) -> ScanLesions:
    material = _scan(file, image, labels)
    return measure_scan(material.scans[0], material.labels)


def _scan(file: Path, image: Path | None, labels: list[int] | None = None) -> LesionMaterial:
    if not file.is_file():
        raise UserError(f"{file} is not a file: --compare takes two segmentations, BEFORE and AFTER")
    return find_material(file, images=image, labels=labels)


def _ct_of(segmentation: Path, image: Path) -> sitk.Image:
    """The CT that a scan is aligned by: elsewhere than the segmentation, it would tell nothing about it."""
    ct = read_ct(image)
    check_same_grid(segmentation, image, volume_grid(segmentation), grid_of(ct))
    return ct


def _about(
    registration: Registration, before: ScanLesions, after: ScanLesions, days: float | None
) -> list[str]:
    remarks = []
    if registration.correlation < POOR_CORRELATION:
        remarks.append(
            f"The scans fit together poorly (correlation {registration.correlation:.2f}, less than "
            f"{POOR_CORRELATION:g}): look at both before you rely on the pairs"
        )
    ratios = [max(a / b, b / a) for a, b in zip(before.spacing_mm, after.spacing_mm, strict=True)]
    if max(ratios) > _SPACING_RATIO:
        remarks.append(
            f"Voxels differ in size ({_shown(before.spacing_mm)} and {_shown(after.spacing_mm)} mm): part of "
            "a small lesion's growth may come from that"
        )
    if days is None:
        remarks.append("Without --dates or --days there is no doubling time")
    return remarks


def _shown(spacing_mm: tuple[float, float, float]) -> str:
    return " x ".join(f"{mm:.3g}" for mm in spacing_mm)
