"""Rows as text for a .csv file."""

from __future__ import annotations

import csv
import io
import math
from collections.abc import Iterable

Row = tuple[object, ...]


def csv_text(rows: Iterable[Row]) -> str:
    """Rows as CSV; undefined numbers are empty, infinite ones `inf`."""
    text = io.StringIO()
    for row in rows:
        csv.writer(text, lineterminator="\n").writerow("" if _undefined(cell) else cell for cell in row)
    return text.getvalue()


def _undefined(cell: object) -> bool:
    return cell is None or (isinstance(cell, float) and math.isnan(cell))
