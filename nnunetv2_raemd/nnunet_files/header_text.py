"""Headers of lines of text, as MetaImage and NRRD files begin."""

from __future__ import annotations

from typing import IO

MAX_HEADER_BYTES = 1 << 16


def fields_until(stream: IO[bytes], last: str | None, separator: str) -> dict[str, str]:
    """The fields of a header, which leaves the stream at the first byte after it.

    Args:
        last: the field with which the header ends, or None for an empty line.
        separator: between a field's name and its value.
    """
    fields: dict[str, str] = {}
    while stream.tell() < MAX_HEADER_BYTES and (line := stream.readline(MAX_HEADER_BYTES)):
        text = line.decode("latin-1").strip()
        if last is None and not text:
            break
        name, found, value = text.partition(separator)
        if found and not text.startswith("#"):
            fields[name.strip()] = value.strip()
            if name.strip() == last:
                break
    return fields


def numbers_in(text: str) -> list[float]:
    """The numbers of a field; none where it holds anything else."""
    try:
        return [float(part) for part in text.split()]
    except ValueError:
        return []
