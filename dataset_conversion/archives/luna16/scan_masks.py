"""How the mask of one LUNA16 scan is drawn: from the readers' contours, or as balls."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Protocol

import numpy as np
import SimpleITK as sitk

from nnunetv2_raemd.counted import counted
from nnunetv2_raemd.dataset_conversion.archives.lidc.annotations import AnnotationSource, ReaderAnnotation
from nnunetv2_raemd.dataset_conversion.archives.lidc.consensus import READERS, Nodule, Reading, find_nodules
from nnunetv2_raemd.dataset_conversion.archives.lidc.odd_contours import about_contours
from nnunetv2_raemd.dataset_conversion.archives.lidc.reader_masks import AxialGrid, draw_annotation
from nnunetv2_raemd.dataset_conversion.archives.luna16.contour_check import MIN_READERS, Check, check_nodules
from nnunetv2_raemd.dataset_conversion.archives.luna16.luna16_choices import LunaMasks, Uncertain
from nnunetv2_raemd.dataset_conversion.case import LESION
from nnunetv2_raemd.errors import UserError
from nnunetv2_raemd.volumes.balls import Ball, draw_balls, leaves_image

IGNORE = LESION + 1  # nnU-Net asks for the highest integer
_DRAWN_BY = "every outline"  # differs from that of versions which left out unrated ones: drawn anew
_ABOUT_VOXELS = (
    "no coordinate of its nodules is below 0, as some are in nearly every patient: if they are voxels, "
    "convert them to mm"
)


@dataclass(frozen=True)
class ContourChoice:
    """How readers' contours become a mask.

    consensus: share of a nodule's readers that must have marked a voxel.
    min_readers: a nodule of fewer readers is an uncertain one.
    keep_failing: write scans whose contours do not agree with `annotations.csv`.
    """

    consensus: float = 0.5
    min_readers: int = MIN_READERS
    uncertain: Uncertain = Uncertain.BACKGROUND
    keep_failing: bool = False

    def settings(self) -> dict[str, Any]:
        """What decides the mask, as the report and the dataset folder keep it."""
        return {
            "masks": LunaMasks.CONTOURS.value,
            "consensus": self.consensus,
            "min_readers": self.min_readers,
            "uncertain": self.uncertain.value,
        }


class ScanMask(Protocol):
    """The mask of one scan, not drawn yet; pickled and sent to a worker."""

    @property
    def nodules(self) -> tuple[Ball, ...]:
        """The scan's nodules by `annotations.csv`."""

    def summary(self) -> str:
        """A few words for the user."""

    def fingerprint(self) -> tuple[object, ...]:
        """All that decides the mask beside the image."""

    def draw(self, image: sitk.Image) -> tuple[sitk.Image, dict[str, Any]]:
        """The label map on the grid of `image`, and what the report says of it."""


@dataclass(frozen=True)
class SphereMask:
    """Balls of the annotated diameters."""

    nodules: tuple[Ball, ...]

    def summary(self) -> str:
        return f"{len(self.nodules)} nodules"

    def fingerprint(self) -> tuple[object, ...]:
        return (LunaMasks.SPHERE.value, self.nodules)

    def draw(self, image: sitk.Image) -> tuple[sitk.Image, dict[str, Any]]:
        cut = sum(leaves_image(image, ball) for ball in self.nodules)
        checks = [f"nodules that lie beside the image in part and are cut off: {cut}"] if cut else []
        if self.nodules and _could_be_voxels(image, self.nodules):
            checks.append(_ABOUT_VOXELS)
        return draw_balls(image, self.nodules), {"mask_source": LunaMasks.SPHERE.value, "checks": checks}


def _could_be_voxels(image: sitk.Image, balls: Sequence[Ball]) -> bool:
    """Whether all centres would be voxels of the image, whose own coordinates are below 0 in part.

    Of LUNA16's 601 scans with nodules, three have none whose centre has a coordinate below 0.
    """
    size = image.GetSize()
    inside = all(0 <= c < n for ball in balls for c, n in zip(ball.centre_mm, size, strict=True))
    return inside and min(image.GetOrigin()) < 0


@dataclass(frozen=True)
class ContourMask:
    """What LIDC's readers agree on, checked against `annotations.csv`."""

    nodules: tuple[Ball, ...]
    source: AnnotationSource
    choice: ContourChoice

    def summary(self) -> str:
        return f"{len(self.nodules)} nodules, contours from {self.source.name}"

    def fingerprint(self) -> tuple[object, ...]:
        return (*self.choice.settings().items(), _DRAWN_BY, self.source.digest(), self.nodules)

    def draw(self, image: sitk.Image) -> tuple[sitk.Image, dict[str, Any]]:
        """Raises `UserError` where contours and `annotations.csv` do not agree, unless such are kept."""
        grid = AxialGrid.of(image)
        found, check, problems = self._find(grid)
        if check.problems and not self.choice.keep_failing:
            raise UserError(f"the contours do not agree with annotations.csv: {'; '.join(check.problems)}")
        label = paint(found, self.choice, grid)
        label.CopyInformation(image)
        return label, self._details(found, check, problems)

    def _find(self, grid: AxialGrid) -> tuple[list[Nodule], Check, list[str]]:
        """The nodules, what `annotations.csv` says to them, and remarks.

        An outline without ratings is an outline, but LUNA16 may not have counted it: where nodules come out
        as in the file only without those, they are left out.
        """
        drawn = self.source.read()
        unrated = [annotation.nodule_id for annotation in drawn if not annotation.rated]
        found, problems = find_in_scan(drawn, self.nodules, grid)
        check = check_nodules(found, self.nodules, grid)
        if not unrated:
            return found, check, problems
        names = f"{counted(len(unrated), 'outline')} without ratings (nodule {', '.join(unrated)})"
        if check.problems:
            rated, about_rated = find_in_scan([a for a in drawn if a.rated], self.nodules, grid)
            if not (passed := check_nodules(rated, self.nodules, grid)).problems:
                about = f"left out {names}: the others alone give the nodules of annotations.csv"
                return rated, passed, [*about_rated, about]
        return found, check, [*problems, f"drew {names} as the others"]

    def _details(self, found: Sequence[Nodule], check: Check, problems: Sequence[str]) -> dict[str, Any]:
        readers = [nodule.number_of_readers for nodule in found]
        failing = [f"contours against annotations.csv: {problem}" for problem in check.problems]
        without = [n for n in certain(found, self.choice) if n.consensus(self.choice.consensus).count == 0]
        if without:
            problems = [*problems, f"{len(without)} nodules have no voxel that enough readers marked"]
        if too_many := sum(number > READERS for number in readers):
            about = f"nodules of more than {READERS} readers, as many as LIDC had: {too_many}"
            problems = [*problems, f"{about}. Is a session there twice?"]
        return {
            "mask_source": LunaMasks.CONTOURS.value,
            "contours_from": self.source.name,
            "readers_of_nodules": [number for number in readers if number >= self.choice.min_readers],
            "uncertain_nodules": sum(number < self.choice.min_readers for number in readers),
            **self._unoutlined(),
            **check.details(),
            "checks": [*failing, *problems],
        }

    def _unoutlined(self) -> dict[str, int | None]:
        marks = self.source.unoutlined()
        return {
            "small_nodule_marks": None if marks is None else marks.small_nodules,
            "non_nodule_marks": None if marks is None else marks.non_nodules,
        }


def find_in_scan(
    annotations: Sequence[ReaderAnnotation], balls: Sequence[Ball], grid: AxialGrid
) -> tuple[list[Nodule], list[str]]:
    """The nodules that readers drew in one scan, and which contours could not be drawn."""
    readings, problems = [], []
    for annotation in annotations:
        voxels, not_drawn = draw_annotation(annotation, grid)
        problems += not_drawn
        if voxels.count:
            problems += about_contours(annotation, grid)
            readings.append(Reading(annotation.nodule_id, voxels, grid, annotation.session))
        else:
            problems.append(f"nodule {annotation.nodule_id}: no voxel of the image is inside its contours")
    return find_nodules(readings, balls), problems


def paint(nodules: Sequence[Nodule], choice: ContourChoice, grid: AxialGrid) -> sitk.Image:
    """Label map (uint8): 1 where readers agree, and `IGNORE` where any reader marked an uncertain nodule."""
    label = np.zeros(grid.size[::-1], dtype=np.uint8)
    for nodule in nodules:
        if nodule.number_of_readers < choice.min_readers and choice.uncertain is Uncertain.IGNORE:
            marked = nodule.marked_by(1)
            label[marked.box][marked.inside] = IGNORE
    for nodule in certain(nodules, choice):
        agreed = nodule.consensus(choice.consensus)
        label[agreed.box][agreed.inside] = LESION
    return sitk.GetImageFromArray(label)


def certain(nodules: Sequence[Nodule], choice: ContourChoice) -> list[Nodule]:
    """The nodules of enough readers."""
    return [nodule for nodule in nodules if nodule.number_of_readers >= choice.min_readers]
