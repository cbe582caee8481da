"""Whether a NIfTI file holds all its voxels."""

from __future__ import annotations

import gzip
import math
import zlib
from pathlib import Path
from typing import Any

import nibabel

CHUNK = 1 << 24
_N_SIZE_BYTES = 4  # gzip (RFC 1952) ends with the length of what it holds, modulo 2^32


def is_cut_off(file: Path) -> bool:
    """Whether a .nii or .nii.gz file ends before its last voxel; of other files nothing is known.

    NIfTI's library, and SimpleITK with it, fills what is missing with zeros and goes on. Only a compressed
    file whose last bytes do not tell the expected length is decompressed. Of a file that nibabel cannot read
    nothing is known, and it counts as whole.
    """
    if not file.name.endswith((".nii", ".nii.gz")):
        return False
    try:
        header: Any = nibabel.load(file)
    except (nibabel.filebasedimages.ImageFileError, gzip.BadGzipFile):
        return False
    voxels = header.dataobj
    expected = voxels.offset + math.prod(header.shape) * voxels.dtype.itemsize
    if file.suffix != ".gz":
        return file.stat().st_size < expected
    return not tells_length(file, expected) and _decompressed_length(file) < expected


def tells_length(file: Path, expected: int) -> bool:
    """Whether the end of a gzip file says that it holds `expected` bytes, but for multiples of 4 GiB."""
    with file.open("rb") as stream:
        stream.seek(max(file.stat().st_size - _N_SIZE_BYTES, 0))
        return int.from_bytes(stream.read(), "little") == expected % 2**32


def _decompressed_length(file: Path) -> int:
    """Bytes that can be decompressed; several gzip members may follow each other in one file."""
    length = 0
    try:
        with gzip.open(file) as stream:
            while chunk := stream.read(CHUNK):
                length += len(chunk)
    except (EOFError, OSError, zlib.error):
        pass
    return length
