"""Lists of lesions as LUNA16 has its annotations and takes its submissions: luna16.csv.

LUNA16's columns are found by their names, so one file serves as both: `diameter_mm` is read from annotations,
`probability` from submissions.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from pathlib import Path

from nnunetv2_raemd.csv_text import csv_text
from nnunetv2_raemd.lesions.measured_lesion import MeasuredLesion, ScanLesions
from nnunetv2_raemd.whole_files import write_text

FILE_NAME = "luna16.csv"
COLUMNS = ("seriesuid", "coordX", "coordY", "coordZ", "diameter_mm", "probability")
_DIGITS = 4


def write_luna16_list(scans: Sequence[ScanLesions], folder: Path) -> Path:
    """Write luna16.csv, whole or not at all.

    Raises:
        UserError: if it cannot be written.
    """
    file = folder / FILE_NAME
    write_text(file, csv_text(luna16_rows(scans)))
    return file


def luna16_rows(scans: Iterable[ScanLesions]) -> Iterator[tuple[object, ...]]:
    """The heading, then a row for each listed lesion, with the name of its case for the UID.

    Coordinates are LUNA16's: millimeters in the patient, as ITK has them (LPS).
    """
    yield COLUMNS
    for scan in scans:
        for lesion in scan.lesions:
            if lesion.listed:
                numbers = (*lesion.centre_mm, lesion.equivalent_diameter_mm, _probability(lesion))
                yield (scan.case_id, *(n if n is None else round(n, _DIGITS) for n in numbers))


def _probability(lesion: MeasuredLesion) -> float | None:
    """The confidence, or else the highest probability, where one is known."""
    return lesion.max_probability if lesion.confidence is None else lesion.confidence
