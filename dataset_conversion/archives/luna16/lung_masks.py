"""LUNA16's lung masks put to use: the lungs as a class beside the nodules, or images cropped to the lungs.

`seg-lungs-LUNA16` holds one mask per scan, called like it: 3 and 4 are the lungs, 5 the trachea. The masks
come from an algorithm (van Rikxoort et al., Medical Physics 36 (2009)), not from readers.
"""

from __future__ import annotations

import math
from collections import defaultdict
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
import SimpleITK as sitk
from scipy import ndimage

from nnunetv2_raemd.dataset_conversion.archives.luna16.luna16_choices import LungUse
from nnunetv2_raemd.dataset_conversion.archives.luna16.luna16_scans import series_uid_of
from nnunetv2_raemd.dataset_conversion.archives.luna16.metaimage import read_metaimage
from nnunetv2_raemd.dataset_conversion.archives.luna16.metaimage_header import voxel_file
from nnunetv2_raemd.dataset_conversion.case import (
    LESION,
    Case,
    FoundCases,
    LoadedCase,
    files_digest,
)
from nnunetv2_raemd.dataset_conversion.dataset_description import DatasetDescription
from nnunetv2_raemd.errors import UserError
from nnunetv2_raemd.source_files import files_below

LUNG_LABELS = (3, 4)
_FOLDER_PREFIX = "seg-lungs"
_SAME_PLACE_VOXELS = 0.01  # headers give positions in decimal, rounded differently from file to file


@dataclass(frozen=True)
class LungChoice:
    """What the lung masks are for; `margin_mm` is what a crop leaves round the lungs on each side."""

    use: LungUse
    margin_mm: float = 10.0

    def settings(self) -> dict[str, Any]:
        """The choice as the report and the dataset folder keep it."""
        margin = {"lungs_margin_mm": self.margin_mm} if self.use is LungUse.CROP else {}
        return {"lungs": self.use.value, **margin}


@dataclass(frozen=True)
class CaseWithLungs:
    """A case and the files that may be its lung mask: one, if all is well."""

    case: Case
    masks: tuple[Path, ...]
    choice: LungChoice

    @property
    def case_id(self) -> str:
        return self.case.case_id

    @property
    def patient_id(self) -> str:
        return self.case.patient_id

    def summary(self) -> str:
        masks = ", ".join(map(str, self.masks)) or "missing"
        return f"{self.case.summary()}, lungs: {masks}"

    def sources(self) -> tuple[Path, ...]:
        return *self.case.sources(), *self._mask_files()

    def fingerprint(self) -> str:
        return files_digest(self._mask_files(), self.case.fingerprint(), self.choice)

    def _mask_files(self) -> list[Path]:
        return [*self.masks, *(voxel_file(mask) for mask in self.masks)]

    def load(self) -> LoadedCase:
        """The case with its lungs.

        Raises:
            UserError: if there is not one lung mask that fits the scan.
        """
        if len(self.masks) != 1:
            found = " and ".join(map(str, self.masks)) or "none"
            raise UserError(f"expected one lung mask {self.case_id}.mhd, found {found}")
        loaded = self.case.load()
        lungs = read_lungs(self.masks[0], loaded.image)
        change = lung_class if self.choice.use is LungUse.CLASS else self._cropped
        changed = change(loaded, lungs)
        sources = [*changed.details.get("sources", ()), self.masks[0].name]
        return replace(changed, details={**changed.details, "sources": sources, **self.choice.settings()})

    def _cropped(self, loaded: LoadedCase, lungs: np.ndarray) -> LoadedCase:
        return crop_to_lungs(loaded, lungs, margin_mm=self.choice.margin_mm)


def with_lungs(found: FoundCases, masks: Mapping[str, Sequence[Path]], choice: LungChoice) -> FoundCases:
    """The cases with their lung masks, which are found by series UID."""
    cases = (CaseWithLungs(case, tuple(masks.get(case.case_id, ())), choice) for case in found.cases)
    return replace(found, cases=tuple(cases))


def find_lung_masks(folder: Path, *, anywhere: bool = False) -> dict[str, list[Path]]:
    """Lung masks by series UID: `.mhd` files in folders called seg-lungs..., or `anywhere` below `folder`.

    Raises:
        UserError: if there is none.
    """
    found: dict[str, list[Path]] = defaultdict(list)
    for mask in files_below(folder, "*.mhd"):
        parents = mask.relative_to(folder).parts[:-1]
        if anywhere or any(part.lower().startswith(_FOLDER_PREFIX) for part in parents):
            found[series_uid_of(mask)].append(mask)
    if not found:
        raise UserError(
            f"there is no lung mask below {folder}; --lungs needs LUNA16's folder seg-lungs-LUNA16 there, or "
            "name it with --lungs-dir"
        )
    return dict(found)


def read_lungs(mask: Path, image: sitk.Image) -> np.ndarray:
    """Where the lungs are on the grid of `image`, boolean (z, y, x).

    Raises:
        UserError: if the mask is on another grid or shows no lung.
    """
    lungs = read_metaimage(mask)
    if not _same_grid(lungs, image):
        raise UserError(
            f"{mask} is not on the scan's grid: size {lungs.GetSize()} against {image.GetSize()}, spacing "
            f"{lungs.GetSpacing()} against {image.GetSpacing()}, origin {lungs.GetOrigin()} against "
            f"{image.GetOrigin()}, direction {lungs.GetDirection()} against {image.GetDirection()}"
        )
    left, right = LUNG_LABELS
    labels = sitk.GetArrayViewFromImage(lungs)
    inside = np.asarray((labels == left) | (labels == right))
    if not inside.any():
        raise UserError(f"{mask} shows no lung: no voxel is labeled {left} or {right}")
    return inside


def lung_class(loaded: LoadedCase, lungs: np.ndarray) -> LoadedCase:
    """The lung as label LESION + 1 where there is background; what had that label or a higher one moves up.

    A lesion voxel outside the lung mask counts as lung by the region "lung", and is reported.
    """
    label = sitk.GetArrayFromImage(loaded.label)
    outside = int(np.count_nonzero((label == LESION) & ~lungs))
    label[label > LESION] += 1
    label[(label == 0) & lungs] = LESION + 1
    new = sitk.GetImageFromArray(label)
    new.CopyInformation(loaded.label)
    notes = [_share(outside, label, "lie outside the lung mask and count as lung")] if outside else []
    return _noted(replace(loaded, label=new), notes)


def describe_lung_class(about: DatasetDescription) -> DatasetDescription:
    """The description of a dataset whose labels went through `lung_class`.

    The lung is a region that the lesion lies in, and is painted before it.
    """
    classes = {k: v for k, v in about.labels.items() if k not in ("background", "ignore")}
    if list(classes.values()) != [LESION]:
        raise UserError(f"--lungs class needs a dataset of one class, not {', '.join(classes)}")
    lung = LESION + 1
    ignore = {"ignore": lung + 1} if "ignore" in about.labels else {}
    labels: dict[str, int | Sequence[int]] = {"background": 0, "lung": (LESION, lung), **classes, **ignore}
    return replace(about, labels=labels, regions_class_order=(lung, LESION))


def crop_to_lungs(loaded: LoadedCase, lungs: np.ndarray, *, margin_mm: float) -> LoadedCase:
    """Image and label cut to the lungs' bounding box and a margin, everything where it was in the world.

    Lesion voxels that are cut off are reported.
    """
    image, label = loaded.image, loaded.label
    start, size = _box_xyz(lungs, [math.ceil(margin_mm / s) for s in image.GetSpacing()])
    before = sitk.GetArrayViewFromImage(label)
    cut_label = sitk.RegionOfInterest(label, size, start)
    after = sitk.GetArrayViewFromImage(cut_label)
    lost = int(np.count_nonzero(before == LESION) - np.count_nonzero(after == LESION))
    notes = [_share(lost, before, "lie outside the crop and are cut off")] if lost else []
    details = {**loaded.details, "size_before_crop_xyz": list(image.GetSize()), "crop_start_xyz": start}
    return _noted(LoadedCase(sitk.RegionOfInterest(image, size, start), cut_label, details), notes)


def _box_xyz(inside: np.ndarray, margin_xyz: Sequence[int]) -> tuple[list[int], list[int]]:
    """First index and size, in x, y, z, of the bounding box with its margin, within the array."""
    box_zyx = ndimage.find_objects(inside.view(np.uint8))[0]
    box = [
        (max(0, axis.start - margin), min(length, axis.stop + margin))
        for axis, margin, length in zip(reversed(box_zyx), margin_xyz, reversed(inside.shape), strict=True)
    ]
    return [first for first, _ in box], [end - first for first, end in box]


def _same_grid(one: sitk.Image, other: sitk.Image) -> bool:
    spacing = np.array(other.GetSpacing())
    shift = np.abs(np.subtract(one.GetOrigin(), other.GetOrigin())).max()
    return (
        one.GetSize() == other.GetSize()
        and np.allclose(one.GetSpacing(), spacing, rtol=1e-4, atol=0)
        and np.allclose(one.GetDirection(), other.GetDirection(), atol=1e-4)
        and bool(shift <= _SAME_PLACE_VOXELS * spacing.min())
    )


def _share(voxels: int, label: np.ndarray, what: str) -> str:
    return f"{voxels} of {np.count_nonzero(label == LESION)} lesion voxels {what}"


def _noted(loaded: LoadedCase, notes: Sequence[str]) -> LoadedCase:
    checks = [*loaded.details.get("checks", ()), *notes]
    return replace(loaded, details={**loaded.details, "checks": checks})
