"""Compressed data, read to its end only to see whether it is whole: its check sum is compared there."""

from __future__ import annotations

import zlib
from contextlib import suppress
from importlib import import_module
from typing import IO, Any

_CHUNK = 1 << 20
_SLACK = 1 << 20  # bytes that a program may have put after the last voxel
GZIP = 16 + zlib.MAX_WBITS
BARE = -zlib.MAX_WBITS  # DEFLATE without header and check sum

_inflating: Any = zlib
with suppress(ImportError):  # the extra "evaluation" brings ISA-L, twice as fast
    _inflating = import_module("isal.isal_zlib")


class DamagedError(Exception):
    """A file that is cut off or whose check sum is wrong; the message is to follow the file's name."""


class TooLongError(DamagedError):
    """Compressed data that holds more than was expected."""


def inflated_length(stream: IO[bytes], expected: int, wbits: int = GZIP) -> int:
    """Bytes that are compressed in the rest of the stream; of gzip, several members may follow each other.

    Memory does not grow with them, and no more than a little over `expected` is inflated.

    Raises:
        DamagedError: if the data breaks off, cannot be inflated, or fails its check sum.
        TooLongError: if it holds more than `expected`.
    """
    length, rest = 0, b""
    while True:
        inflate = _inflating.decompressobj(wbits)
        while not inflate.eof:
            compressed = inflate.unconsumed_tail or rest or stream.read(_CHUNK)
            rest = b""
            if not compressed:
                raise DamagedError("is cut off: its compressed data breaks off")
            length += len(_inflated(inflate, compressed))
            if length > expected + _SLACK:
                raise TooLongError(
                    f"is damaged: it holds more than the {expected} bytes that its header promises"
                )
        rest = inflate.unused_data.lstrip(b"\0") or stream.read(_CHUNK).lstrip(b"\0")
        if wbits != GZIP or not rest.startswith(b"\x1f\x8b"):
            return length


def _inflated(inflate: Any, compressed: bytes) -> bytes:
    try:
        content: bytes = inflate.decompress(compressed, _CHUNK)
    except (zlib.error, _inflating.error) as error:
        raise DamagedError(f"is damaged: {error}") from error
    return content
