"""Tables made to fit a terminal: shorter names of systems, and wide tables in parts one below the other."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import replace
from itertools import takewhile

from nnunetv2_raemd.evaluation.result_tables import Table

GAP = 2  # blanks between columns


def short_names(names: Sequence[str]) -> dict[str, str]:
    """Names without what all of them begin and end with, as in `nnUNetTrainer` and `__nnUNetPlans__2d`.

    Names are cut only where a word begins or ends, and stay whole where nothing would be left of one.
    """
    pieces = [_pieces(name) for name in names]
    start = _shared_length(pieces)
    end = _shared_length([some[::-1] for some in pieces])
    short = [name[start : max(start, len(name) - end)] for name in names]
    if len(names) < 2 or not all(re.match(r"[A-Za-z0-9]", name) for name in short):
        return {name: name for name in names}
    return dict(zip(names, short, strict=True))


def renamed(table: Table, names: Mapping[str, str]) -> Table:
    """The table with other names of systems in its first column."""
    return replace(table, rows=tuple((names.get(row[0], row[0]), *row[1:]) for row in table.rows))


def fitted(table: Table, width: int) -> Iterator[Table]:
    """The table in parts that are at most `width` characters wide.

    Each part has the first column and at least one more.
    """
    widths = [max(map(len, column)) for column in zip(table.headings, *table.rows, strict=True)]
    parts: list[list[int]] = [[]]
    for column in range(1, len(widths)):
        used = widths[0] + sum(GAP + widths[c] for c in (*parts[-1], column))
        if parts[-1] and used > width:
            parts.append([])
        parts[-1].append(column)
    for part in parts:
        yield _columns(table, [0, *part])


def _columns(table: Table, columns: Sequence[int]) -> Table:
    places = {column: place for place, column in enumerate(columns)}
    return replace(
        table,
        headings=tuple(table.headings[c] for c in columns),
        rows=tuple(tuple(row[c] for c in columns) for row in table.rows),
        bold=frozenset((row, places[column]) for row, column in table.bold if column in places),
    )


def _shared_length(names: Sequence[Sequence[str]]) -> int:
    """Characters in the pieces that all names begin with."""
    places = takewhile(lambda place: len(set(place)) == 1, zip(*names, strict=False))
    return sum(len(place[0]) for place in places)


def _pieces(name: str) -> list[str]:
    """Pieces of a name: words that begin with capitals, numbers, and single separators."""
    return re.findall(r"nnUNet|[A-Z]+(?![a-z])|[A-Z]?[a-z]+|\d+[a-z]*|.", name)
