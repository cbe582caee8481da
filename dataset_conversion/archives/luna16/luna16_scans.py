"""LUNA16: `.mhd` scans, with LIDC's contours or balls as nodule masks.

Setio et al., "Validation, comparison, and combination of algorithms for automatic detection of pulmonary
nodules in computed tomography images: the LUNA16 challenge", Medical Image Analysis 42 (2017).
"""

from __future__ import annotations

import contextlib
import csv
import math
import re
from collections import defaultdict
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import SimpleITK as sitk

from nnunetv2_raemd.csv_text import repeated_column
from nnunetv2_raemd.dataset_conversion.archives.luna16.mask_sources import MaskKind, Spheres
from nnunetv2_raemd.dataset_conversion.archives.luna16.metaimage import read_metaimage
from nnunetv2_raemd.dataset_conversion.archives.luna16.metaimage_header import voxel_file
from nnunetv2_raemd.dataset_conversion.archives.luna16.scan_masks import ScanMask
from nnunetv2_raemd.dataset_conversion.archives.luna16.subsets import subset_number
from nnunetv2_raemd.dataset_conversion.case import (
    FoundCases,
    LoadedCase,
    Outcome,
    Status,
    case_identifier,
    files_digest,
)
from nnunetv2_raemd.dataset_conversion.dataset_description import DatasetDescription
from nnunetv2_raemd.errors import UserError
from nnunetv2_raemd.regular_file import check_is_regular
from nnunetv2_raemd.source_files import files_below
from nnunetv2_raemd.volumes.balls import Ball
from nnunetv2_raemd.volumes.hu_values import unlike_hu

DESCRIPTION = DatasetDescription(
    labels=Spheres().labels,
    description="LUNA16: pulmonary nodules in thorax CT (LIDC-IDRI)",
    source="https://luna16.grand-challenge.org (CT of LIDC-IDRI, https://doi.org/10.7937/K9/TCIA.2015.LO9QL9SX)",
    reference="Setio et al., Medical Image Analysis 42 (2017), https://doi.org/10.1016/j.media.2017.06.015",
    licence="CC BY 4.0",
)

_SMALLEST_MM, _LARGEST_MM = 1, 200  # of what CT shows to the largest lung tumors
_SMALLEST_OF_LUNA16_MM = 3.25  # and its largest has 32.3, so that in centimeters all of them have less
# lung masks, and the exact masks beside a phantom, carry the scans' names
_NOT_SCANS = ("seg-lungs", "oracle")
_LONG_UID = re.compile(r"\d+(?:\.\d+){7,}")
_COLUMNS = ("seriesuid", "coordX", "coordY", "coordZ", "diameter_mm")


# LIDC-IDRI gives patients, LUNA16 does not; of its 888 series, only these two are of one patient.
_PATIENT_OF_TWO_SERIES = {
    "1.3.6.1.4.1.14519.5.2.1.6279.6001.159996104466052855396410079250": "LIDC-IDRI-0332",
    "1.3.6.1.4.1.14519.5.2.1.6279.6001.316900421002460665752357657094": "LIDC-IDRI-0332",
}


@dataclass(frozen=True)
class Luna16Scan:
    """One CT series and how its mask is drawn."""

    series_uid: str
    header: Path
    mask: ScanMask

    @property
    def case_id(self) -> str:
        return self.series_uid

    @property
    def patient_id(self) -> str:
        return patient_of(self.series_uid)

    def summary(self) -> str:
        return f"{self.mask.summary()}, {self.header}"

    def sources(self) -> tuple[Path, ...]:
        return self.header, voxel_file(self.header)

    def fingerprint(self) -> str:
        return files_digest(self.sources(), *self.mask.fingerprint())

    def load(self) -> LoadedCase:
        """Array and geometry exactly as SimpleITK reads them; a scan without nodules has an empty mask."""
        image = read_metaimage(self.header)
        label, drawn = self.mask.draw(image)
        nodules = self.mask.nodules
        negative = [] if nodules else ["no annotation: negative case"]
        details = {
            "series_uid": self.series_uid,
            "subset": subset_number(self.header),
            "sources": [self.header.name, voxel_file(self.header).name],
            "annotated_nodules": len(nodules),
            "annotated_diameters_mm": [round(n.diameter_mm, 3) for n in nodules],
            **drawn,
            "checks": [*negative, *_values(image), *drawn["checks"]],
        }
        return LoadedCase(image, label, details)


def _values(image: sitk.Image) -> list[str]:
    why = unlike_hu(sitk.GetArrayViewFromImage(image))
    return [] if why is None else [why]


def patient_of(series_uid: str) -> str:
    """Whose scan a series of LUNA16 is: the series itself stands for a patient who has but one."""
    return _PATIENT_OF_TWO_SERIES.get(series_uid, series_uid)


def find_luna16_cases(folder: Path, kind: MaskKind, *, annotations: Path | None = None) -> FoundCases:
    """Find the scans below `folder` and their masks.

    `annotations` is the CSV file; by default the `annotations.csv` found below `folder`.

    Raises:
        UserError: if there is no scan, no CSV or more than one, the CSV cannot be understood, or the masks'
            source is missing.
    """
    headers, copies = _without_copies(_find_headers(folder))
    csv_file = annotations or _find_annotations(folder)
    nodules = read_annotations(csv_file)
    masks = kind.find_masks({uid: tuple(nodules.get(uid, ())) for uid in sorted(headers)})
    shared = _sharing_voxels(headers)
    cases, rejected = [], []
    for uid, found in sorted(headers.items()):
        refused = _refused(found) or shared.get(uid) or masks.refused.get(uid)
        if refused:
            rejected.append(Outcome(uid, Status.FAILED, refused, patient_of(uid)))
        else:
            cases.append(Luna16Scan(uid, found[0], masks.masks[uid]))
    absent = len(set(nodules).difference(headers))
    negative = sum(not case.mask.nodules for case in cases)
    remarks = [*_about_diameters(nodules, csv_file), *masks.remarks]
    if negative:
        remarks.insert(0, f"{negative} of {len(cases)} scans have no annotation (negative cases)")
    remarks += [
        f"{copy} is a copy of the header of {uid} and was passed over" for copy, uid in copies.items()
    ]
    if absent:
        remarks.append(f"{absent} annotated scans of {csv_file.name} are not among the input")
    subsets = {u: n for u, found in headers.items() if (n := subset_number(found[0])) is not None}
    return FoundCases(tuple(cases), tuple(rejected), tuple(remarks), subsets)


def _about_diameters(nodules: Mapping[str, Sequence[Ball]], csv_file: Path) -> Iterator[str]:
    """What tells that diameters are not in mm where no single nodule does."""
    diameters_mm = [ball.diameter_mm for balls in nodules.values() for ball in balls]
    if diameters_mm and max(diameters_mm) < _SMALLEST_OF_LUNA16_MM:
        yield (
            f"all diameters of {csv_file.name} are below {_SMALLEST_OF_LUNA16_MM} mm, that of LUNA16's "
            "smallest nodule: if they are in centimeters, multiply them by 10"
        )


def _without_copies(headers: Mapping[str, list[Path]]) -> tuple[dict[str, list[Path]], dict[Path, str]]:
    """The headers without copies, as browsers leave them beside a file that is there, and the copies.

    The same header in the same folder names the same voxels.
    """
    kept: dict[str, list[Path]] = {}
    copies: dict[Path, str] = {}
    for uid, found in headers.items():
        by_name = sorted(found, key=lambda file: (file.stem != uid, file))
        kept[uid] = by_name[:1]
        for file in by_name[1:]:
            if file.parent == by_name[0].parent and file.read_bytes() == by_name[0].read_bytes():
                copies[file] = uid
            else:
                kept[uid].append(file)
    return kept, copies


def _sharing_voxels(headers: Mapping[str, Sequence[Path]]) -> dict[str, str]:
    """Why scans are refused whose headers name the voxels of another one."""
    named: dict[Path, list[str]] = defaultdict(list)
    for uid, found in headers.items():
        with contextlib.suppress(UserError):  # which reading the scan will tell
            named[voxel_file(found[0])].append(uid)
    return {
        uid: f"the headers of {len(uids)} scans name the same voxels, {file}"
        for file, uids in named.items()
        if len(uids) > 1
        for uid in uids
    }


def _refused(found: Sequence[Path]) -> str:
    if len(found) == 1:
        return ""
    return f"the scan was found {len(found)} times: {found[0]}, {found[1]}; remove all but one"


def read_annotations(csv_file: Path) -> dict[str, list[Ball]]:
    """Nodules by series UID from LUNA16's `annotations.csv` (coordinates and diameter in mm)."""
    check_is_regular(csv_file)
    nodules: dict[str, list[Ball]] = defaultdict(list)
    try:
        with csv_file.open(newline="", encoding="utf-8-sig") as stream:
            reader = csv.DictReader(stream)
            missing = [c for c in _COLUMNS if c not in (reader.fieldnames or ())]
            if missing:
                raise UserError(f"{csv_file} lacks the column {missing[0]}; expected {','.join(_COLUMNS)}")
            if (twice := repeated_column(reader.fieldnames or ())) is not None:
                raise UserError(f"{csv_file} has the column {twice} twice: remove one")
            for row in reader:
                nodules[(row["seriesuid"] or "").strip()].append(
                    _ball(row, f"{csv_file}, line {reader.line_num}")
                )
    except (OSError, UnicodeDecodeError, csv.Error) as error:
        raise UserError(f"{csv_file} cannot be read: {error}") from error
    return dict(nodules)


def _ball(row: Mapping[str | None, Any], place: str) -> Ball:
    if None in row:  # what DictReader calls cells beyond the last column
        raise UserError(f"{place}: it has more cells than there are columns. Decimal commas are not read")
    try:
        x, y, z, diameter = (float(row[column]) for column in _COLUMNS[1:])
    except (TypeError, ValueError) as error:
        raise UserError(f"{place}: coordinates and diameter must be numbers ({error})") from error
    if not all(map(math.isfinite, (x, y, z))) or not 0 < diameter < math.inf:
        raise UserError(f"{place}: needs finite coordinates and a positive diameter, has {diameter}")
    if not _SMALLEST_MM <= diameter <= _LARGEST_MM:
        raise UserError(f"{place}: no nodule has a diameter of {diameter:g} mm; is it in another unit?")
    return Ball((x, y, z), diameter)


def series_uid_of(file: Path) -> str:
    """The series that a file is named by, also where something was added: "UID (1).mhd" is no other scan."""
    uid = _LONG_UID.search(file.stem)
    return uid[0] if uid else case_identifier(file.stem)


def _find_headers(folder: Path) -> dict[str, list[Path]]:
    """The `.mhd` headers below `folder` by series UID, which is the file's name; lung masks are left out."""
    found: dict[str, list[Path]] = defaultdict(list)
    for header in files_below(folder, "*.mhd"):
        if not any(part.lower().startswith(_NOT_SCANS) for part in header.relative_to(folder).parts):
            found[series_uid_of(header)].append(header)
    if not found:
        raise UserError(f"there is no .mhd scan below {folder}; expected LUNA16's subset0 ... subset9")
    return dict(found)


def _find_annotations(folder: Path) -> Path:
    found = files_below(folder, "annotations.csv")
    if len(found) != 1:
        raise UserError(
            f"there are {len(found)} files annotations.csv below {folder}; "
            "name the right one with --annotations"
        )
    return found[0]
