"""LUNA16: `.mhd` scans with spheres from `annotations.csv` as nodule masks.

Setio et al., "Validation, comparison, and combination of algorithms for automatic detection of pulmonary
nodules in computed tomography images: the LUNA16 challenge", Medical Image Analysis 42 (2017).
"""

from __future__ import annotations

import csv
import math
from collections import defaultdict
from dataclasses import dataclass
from pathlib import Path

from nnunetv2_raemd.dataset_conversion.case import ConversionPlan, LoadedCase, Outcome, Status, files_digest
from nnunetv2_raemd.dataset_conversion.metaimage import read_metaimage, voxel_file
from nnunetv2_raemd.dataset_conversion.nnunet_dataset import DatasetDescription, case_identifier
from nnunetv2_raemd.dataset_conversion.spheres import Ball, draw_balls
from nnunetv2_raemd.errors import UserError

DESCRIPTION = DatasetDescription(
    foreground="nodule",
    description="LUNA16: pulmonary nodules in thorax CT (LIDC-IDRI)",
    reference="https://luna16.grand-challenge.org",
    licence="CC BY 4.0",
)

# lung masks, and the exact masks beside a phantom, carry the scans' names
_NOT_SCANS = ("seg-lungs", "oracle")
_COLUMNS = ("seriesuid", "coordX", "coordY", "coordZ", "diameter_mm")


@dataclass(frozen=True)
class Luna16Scan:
    """One CT series and its nodules as balls, world coordinates in mm."""

    series_uid: str
    header: Path
    nodules: tuple[Ball, ...]

    @property
    def case_id(self) -> str:
        return self.series_uid

    @property
    def patient_id(self) -> str:
        """The series: LUNA16 itself does not say whose scan it is."""
        return self.series_uid

    def summary(self) -> str:
        return f"{len(self.nodules)} nodules, {self.header}"

    def fingerprint(self) -> str:
        return files_digest([self.header, voxel_file(self.header)], "sphere", self.nodules)

    def load(self) -> LoadedCase:
        """Array and geometry exactly as SimpleITK reads them; a scan without nodules has an empty mask."""
        image = read_metaimage(self.header)
        label = draw_balls(image, self.nodules)
        details = {
            "series_uid": self.series_uid,
            "sources": [self.header.name, voxel_file(self.header).name],
            "mask_source": "sphere",
            "annotated_nodules": len(self.nodules),
            "annotated_diameters_mm": [round(n.diameter_mm, 3) for n in self.nodules],
            "checks": [] if self.nodules else ["no annotation: negative case"],
        }
        return LoadedCase(image, label, details)


def plan_luna16(folder: Path, *, annotations: Path | None = None) -> ConversionPlan:
    """Find the scans below `folder` and their nodules.

    `annotations` is the CSV file; by default the `annotations.csv` found below `folder`. Raises `UserError`
    where there is no scan, no CSV or more than one, or the CSV cannot be understood.
    """
    headers = _find_headers(folder)
    csv_file = annotations or _find_annotations(folder)
    nodules = read_annotations(csv_file)
    cases, rejected = [], []
    for uid, found in sorted(headers.items()):
        if len(found) > 1:
            reason = f"the scan is there {len(found)} times: {found[0]}, {found[1]}; remove all but one"
            rejected.append(Outcome(uid, Status.FAILED, reason, uid))
        else:
            cases.append(Luna16Scan(uid, found[0], tuple(nodules.get(uid, ()))))
    absent = len(set(nodules).difference(headers))
    remarks = [
        f"{sum(not c.nodules for c in cases)} of {len(cases)} scans have no annotation (negative cases)"
    ]
    if absent:
        remarks.append(f"{absent} annotated scans of {csv_file.name} are not among the input")
    return ConversionPlan(tuple(cases), tuple(rejected), tuple(remarks))


def read_annotations(csv_file: Path) -> dict[str, list[Ball]]:
    """Nodules by series UID from LUNA16's `annotations.csv` (coordinates and diameter in mm)."""
    nodules: dict[str, list[Ball]] = defaultdict(list)
    try:
        with csv_file.open(newline="", encoding="utf-8-sig") as stream:
            reader = csv.DictReader(stream)
            missing = [c for c in _COLUMNS if c not in (reader.fieldnames or ())]
            if missing:
                raise UserError(f"{csv_file} lacks the column {missing[0]}; expected {','.join(_COLUMNS)}.")
            for row in reader:
                nodules[row["seriesuid"].strip()].append(_ball(row, f"{csv_file}, line {reader.line_num}"))
    except (OSError, UnicodeDecodeError, csv.Error) as error:
        raise UserError(f"{csv_file} cannot be read: {error}") from error
    return dict(nodules)


def _ball(row: dict[str, str], place: str) -> Ball:
    try:
        x, y, z, diameter = (float(row[column]) for column in _COLUMNS[1:])
    except (TypeError, ValueError) as error:
        raise UserError(f"{place}: coordinates and diameter must be numbers ({error}).") from error
    if not all(map(math.isfinite, (x, y, z))) or not 0 < diameter < math.inf:
        raise UserError(f"{place}: needs finite coordinates and a positive diameter, has {diameter}.")
    return Ball((x, y, z), diameter)


def _find_headers(folder: Path) -> dict[str, list[Path]]:
    """The `.mhd` headers below `folder` by series UID, which is the file's name; lung masks are left out."""
    found: dict[str, list[Path]] = defaultdict(list)
    for header in sorted(folder.rglob("*.mhd")):
        if not any(part.lower().startswith(_NOT_SCANS) for part in header.relative_to(folder).parts):
            found[case_identifier(header.stem)].append(header)
    if not found:
        raise UserError(f"There is no .mhd scan below {folder}; expected LUNA16's subset0 ... subset9.")
    return dict(found)


def _find_annotations(folder: Path) -> Path:
    found = sorted(folder.rglob("annotations.csv"))
    if len(found) != 1:
        raise UserError(
            f"There are {len(found)} files annotations.csv below {folder}; "
            "name the right one with --annotations."
        )
    return found[0]
