"""Tables as CSV, in which no text from the data is taken for a formula.

Spreadsheets run what begins with `=`, `+`, `-` or `@` as a formula. Such a text gets an apostrophe in front,
by which they show it as the text it is. Numbers stay numbers, negative ones too.
"""

from __future__ import annotations

import csv
import io
import math
from collections.abc import Iterable, Sequence

_AS_TEXT = "'"
_RUN = ("=", "+", "-", "@", "\t", "\r")
_AMBIGUOUS = (*_RUN, _AS_TEXT)  # after an apostrophe: it might be ours


Row = tuple[object, ...]


def csv_text(rows: Iterable[Iterable[object]]) -> str:
    """Rows as CSV, texts such that no spreadsheet runs them.

    Undefined numbers are empty, infinite ones `inf`.
    """
    text = io.StringIO()
    writer = csv.writer(text, lineterminator="\n")
    writer.writerows([_harmless(cell) for cell in row] for row in rows)
    return text.getvalue()


def csv_of_records(records: Sequence[dict[str, object]]) -> str:
    """Records as CSV: a column for each key in the order of first appearance, empty where it is absent."""
    columns = list(dict.fromkeys(key for record in records for key in record))
    return csv_text([columns, *([record.get(column, "") for column in columns] for record in records)])


def repeated_column(names: Sequence[str]) -> str | None:
    """The first column that is there twice: of its cells, readers take the last."""
    return next((name for name in names if name and names.count(name) > 1), None)


def as_written(cell: str) -> str:
    """The text that `csv_text` made a cell of."""
    is_quoted = cell.startswith(_AS_TEXT) and cell[1:].startswith(_AMBIGUOUS)
    return cell[1:] if is_quoted else cell


def _harmless(cell: object) -> object:
    if cell is None or (isinstance(cell, float) and math.isnan(cell)):
        return ""
    if not isinstance(cell, str) or _is_number(cell):
        return cell
    return _AS_TEXT + cell if cell.startswith(_RUN) or as_written(cell) != cell else cell


def _is_number(text: str) -> bool:
    try:
        float(text)
    except ValueError:
        return False
    return True
