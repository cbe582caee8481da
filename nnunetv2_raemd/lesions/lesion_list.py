"""Lists of lesions as files: CSV for spreadsheets and statistics programs, JSON with all there is to say.

docs/lesions.md describes both.
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import asdict, fields
from pathlib import Path
from typing import Any

from nnunetv2_raemd.csv_text import csv_text
from nnunetv2_raemd.errors import UserError
from nnunetv2_raemd.execution.case_batch import Failed
from nnunetv2_raemd.lesions.measured_lesion import MeasuredLesion, ScanLesions
from nnunetv2_raemd.nnunet_files.versioned_json import versioned, write_versioned
from nnunetv2_raemd.version import __version__
from nnunetv2_raemd.whole_files import write_text

CSV_NAME, JSON_NAME = "lesions.csv", "lesions.json"
FORMAT = "nnunetv2-raemd lesions, version 1"
COORDINATES = (
    "centre_mm: (x, y, z) in the patient, DICOM LPS (x to the left, y to the back, z to the head). "
    "centre_voxel: (slice, row, column) in the array as stored, from 0. Slices are counted from 0."
)
_DIGITS = 4  # a tenth of a micrometre
_COLUMNS = {
    "centre_mm": ("centre_x_mm", "centre_y_mm", "centre_z_mm"),
    "centre_voxel": ("centre_slice", "centre_row", "centre_column"),
}
_FIELDS = tuple(field.name for field in fields(MeasuredLesion) if field.name != "listed")


def save_scan(scan: ScanLesions, file: Path) -> None:
    """Write the list of one scan, whole or not at all.

    Raises:
        UserError: if it cannot be written.
    """
    write_versioned(file, FORMAT, {"scans": [scan_as_json(scan)]})


def save_failed(scan: Failed, file: Path) -> None:
    """Write in the place of the list of a scan why there is none.

    Raises:
        UserError: if it cannot be written.
    """
    write_versioned(file, FORMAT, {"scans": [], "failed": [asdict(scan)]})


def load_scan(file: Path) -> ScanLesions:
    """What `save_scan` wrote.

    Raises:
        UserError: if the file cannot be read, holds no such list, or says why there is none.
    """
    scans, failed = load_scans(file)
    if failed:
        raise UserError(failed[0].reason)
    if len(scans) != 1:
        raise UserError(f"{file} holds the lesions of {len(scans)} scans, not of one. Predict again")
    return scans[0]


def load_scans(file: Path) -> tuple[tuple[ScanLesions, ...], tuple[Failed, ...]]:
    """What `save_scan`, `save_failed` or `write_lesion_lists` wrote: scans, and those that have no list.

    Raises:
        UserError: if the file cannot be read or holds no such list.
    """
    with versioned(file, FORMAT, holding="a list of lesions", advice="Make the list again") as content:
        failed = tuple(Failed(str(f["case_id"]), str(f["reason"])) for f in content.get("failed", ()))
        return tuple(map(_scan, content["scans"])), failed


def write_lesion_lists(scans: Sequence[ScanLesions], failed: Sequence[Failed], folder: Path) -> None:
    """Write lesions.csv and lesions.json to a folder, each whole or not at all.

    Raises:
        UserError: if one cannot be written.
    """
    content = {
        "written_by": f"nnunetv2-raemd {__version__}",
        "coordinates": COORDINATES,
        "scans": [scan_as_json(scan) for scan in scans],
        "failed": [asdict(scan) for scan in failed],
    }
    write_text(folder / CSV_NAME, csv_text(csv_rows(scans)))
    write_versioned(folder / JSON_NAME, FORMAT, content)


def scan_as_json(scan: ScanLesions) -> dict[str, Any]:
    """A scan with its lesions as JSON holds it."""
    return {
        "case_id": scan.case_id,
        "segmentation": str(scan.segmentation),
        "image": scan.image,
        "spacing_mm": list(scan.spacing_mm),
        "remarks": list(scan.remarks),
        "unlike_training": list(scan.unlike_training),
        "lesions": [{key: plain(value) for key, value in asdict(found).items()} for found in scan.lesions],
    }


def _scan(content: Mapping[str, Any]) -> ScanLesions:
    z, y, x = map(float, content["spacing_mm"])
    image = content["image"]
    return ScanLesions(
        str(content["case_id"]),
        Path(content["segmentation"]),
        None if image is None else str(image),
        (z, y, x),
        tuple(MeasuredLesion(**_lesion(lesion)) for lesion in content["lesions"]),
        tuple(map(str, content["remarks"])),
        tuple(map(str, content["unlike_training"])),
    )


def _lesion(content: Mapping[str, Any]) -> dict[str, Any]:
    """The fields of a lesion: lists were tuples, and only an undefined continuity is kept as null."""
    lesion = {name: tuple(value) if isinstance(value, list) else value for name, value in content.items()}
    return {**lesion, "continuity": math.nan if lesion["continuity"] is None else lesion["continuity"]}


def csv_rows(scans: Iterable[ScanLesions]) -> Iterator[tuple[object, ...]]:
    """The heading, then a row for each lesion that reaches the operating point."""
    yield ("case", *(column for name in _FIELDS for column in _COLUMNS.get(name, (name,))))
    for scan in scans:
        for lesion in filter(lambda found: found.listed, scan.lesions):
            yield (scan.case_id, *_cells(asdict(lesion)))


def _cells(lesion: Mapping[str, Any]) -> Iterator[object]:
    for name in _FIELDS:
        value = plain(lesion[name])
        yield from value if isinstance(value, list) else (value,)


def plain(value: Any) -> Any:
    """A number as the files hold it: rounded, and None where it is not finite; tuples become lists."""
    if isinstance(value, tuple):
        return [plain(item) for item in value]
    if isinstance(value, float):
        return round(value, _DIGITS) if math.isfinite(value) else None
    return value
