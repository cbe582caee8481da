"""A comparison of two scans as files, and on the terminal."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

from rich.console import Console
from rich.markup import escape
from rich.table import Table

from nnunetv2_raemd.csv_text import csv_text
from nnunetv2_raemd.lesions.ct_registration import Registration
from nnunetv2_raemd.lesions.lesion_list import plain, scan_as_json
from nnunetv2_raemd.lesions.lesion_pairing import LesionChange
from nnunetv2_raemd.lesions.measured_lesion import MeasuredLesion
from nnunetv2_raemd.lesions.scan_comparison import Comparison
from nnunetv2_raemd.nnunet_files.versioned_json import write_versioned
from nnunetv2_raemd.version import __version__
from nnunetv2_raemd.whole_files import write_text

CSV_NAME, JSON_NAME = "comparison.csv", "comparison.json"
FORMAT = "nnunetv2-raemd comparison of two scans, version 1"
_CHANGES = ("distance_mm", "volume_growth_percent", "long_axis_growth_percent", "doubling_days")
_SIZES = ("volume_mm3", "long_axis_mm", "short_axis_mm", "mean_hu")


def write_comparison(comparison: Comparison, folder: Path) -> None:
    """Write comparison.csv and comparison.json to a folder, each whole or not at all.

    Raises:
        UserError: if one cannot be written.
    """
    content = {
        "written_by": f"nnunetv2-raemd {__version__}",
        "days": comparison.days,
        "remarks": list(comparison.remarks),
        "registration": _registration(comparison.registration),
        "changes": [_as_json(found) for found in comparison.changes],
        "before": scan_as_json(comparison.before),
        "after": scan_as_json(comparison.after),
    }
    write_text(folder / CSV_NAME, csv_text(csv_rows(comparison)))
    write_versioned(folder / JSON_NAME, FORMAT, content)


def csv_rows(comparison: Comparison) -> Iterator[tuple[object, ...]]:
    """The heading, then a row for each lesion."""
    sides = [f"{size}_{side}" for side in ("before", "after") for size in _SIZES]
    yield ("number_before", "number_after", "label", "status", *sides, *_CHANGES)
    for found in comparison.changes:
        there = found.before or found.after
        assert there is not None
        sizes = [_size(lesion, name) for lesion in (found.before, found.after) for name in _SIZES]
        yield (
            *(_number(found.before), _number(found.after), there.label, found.status),
            *sizes,
            *(plain(getattr(found, name)) for name in _CHANGES),
        )


def print_comparison(comparison: Comparison, folder: Path) -> int:
    """Print a table of the changes and the remarks; returns the exit status."""
    console = Console(highlight=False, soft_wrap=True)
    table = Table("before", "after", "label", "", "volume", "long axis", "doubling", box=None, pad_edge=False)
    for found in comparison.changes:
        there = found.before or found.after
        table.add_row(
            *(str(_number(found.before) or "–"), str(_number(found.after) or "–")),
            escape(there.label if there else ""),
            found.status,
            _percent(found.volume_growth_percent),
            _percent(found.long_axis_growth_percent),
            "–" if found.doubling_days is None else f"{found.doubling_days:.0f} days",
        )
    console.print(table)
    for remark in comparison.remarks:
        console.print(f"Note: {escape(remark)}")
    console.print(f"Lists: {escape(str(folder / CSV_NAME))} and {JSON_NAME}")
    return 0


def _as_json(found: LesionChange) -> dict[str, Any]:
    numbers = {"number_before": _number(found.before), "number_after": _number(found.after)}
    changes = {name: plain(getattr(found, name)) for name in _CHANGES}
    return {**numbers, "status": found.status, **changes}


def _registration(registration: Registration) -> dict[str, Any]:
    """With the transform as 3 x 4 numbers: a place of the first scan, in patient mm, to the second."""
    columns = [registration.map(unit) for unit in ((1.0, 0, 0), (0, 1.0, 0), (0, 0, 1.0))]
    origin = registration.map((0.0, 0.0, 0.0))
    matrix = [[columns[j][i] - origin[i] for j in range(3)] + [origin[i]] for i in range(3)]
    return {
        "kind": registration.kind,
        "correlation": plain(registration.correlation),
        "shift_mm": plain(registration.shift_mm),
        "turned_degrees": plain(registration.turned_degrees),
        "before_to_after_mm": matrix,
    }


def _number(lesion: MeasuredLesion | None) -> int | None:
    return None if lesion is None else lesion.number


def _size(lesion: MeasuredLesion | None, name: str) -> object:
    return None if lesion is None else plain(getattr(lesion, name))


def _percent(value: float | None) -> str:
    return "–" if value is None else f"{value:+.0f} %"
