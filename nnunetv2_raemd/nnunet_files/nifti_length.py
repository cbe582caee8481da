"""Whether a NIfTI file holds all its voxels, undamaged as far as gzip's check sum can tell."""

from __future__ import annotations

import zlib
from collections.abc import Mapping
from pathlib import Path
from typing import IO, Any

from nibabel.nifti1 import Nifti1Header
from nibabel.nifti2 import Nifti2Header

from nnunetv2_raemd.errors import UserError
from nnunetv2_raemd.inflating import GZIP, DamagedError, inflated_length
from nnunetv2_raemd.memory_size import check_fits_memory
from nnunetv2_raemd.nnunet_files.voxel_bytes import VoxelBytes

_N_SIZE_BYTES = 4  # gzip (RFC 1952) ends with the length of what it holds, modulo 2^32
_HEADER_BYTES: Mapping[int, Any] = {348: Nifti1Header, 540: Nifti2Header}  # how each version begins
_LARGEST_HEADER = 540


def check_nifti(file: Path) -> None:
    """Read a .nii or .nii.gz file to its end.

    NIfTI's library, and SimpleITK with it, fills what is missing with zeros and goes on.

    Raises:
        DamagedError: if it is cut off, fails its check sum, or has no header of NIfTI.
    """
    with file.open("rb") as stream:
        compressed = stream.read(2) == b"\x1f\x8b"  # SimpleITK goes by the content, not by the name
        stream.seek(0)
        voxels = _voxels(_start(stream) if compressed else stream.read(_LARGEST_HEADER))
        check_fits_memory(voxels.expected)
        stream.seek(0)
        voxels.check(inflated_length(stream, voxels.expected) if compressed else file.stat().st_size)


def read_header(file: Path) -> Any:
    """nibabel's header of a .nii or .nii.gz file; no voxel is read.

    Raises:
        UserError: if there is none.
    """
    with file.open("rb") as stream:
        compressed = stream.read(2) == b"\x1f\x8b"
        stream.seek(0)
        try:
            return _header(_start(stream) if compressed else stream.read(_LARGEST_HEADER))
        except DamagedError as error:
            raise UserError(f"{file} {error}") from error


def tells_length(file: Path, expected: int) -> bool:
    """Whether the end of a gzip file says that it holds `expected` bytes, modulo 4 GiB."""
    with file.open("rb") as stream:
        stream.seek(max(file.stat().st_size - _N_SIZE_BYTES, 0))
        return int.from_bytes(stream.read(), "little") == expected % 2**32


def _start(stream: IO[bytes]) -> bytes:
    """The first bytes of a gzip file; fewer where it breaks off before."""
    inflate, start = zlib.decompressobj(GZIP), b""
    while len(start) < _LARGEST_HEADER and (compressed := stream.read(_LARGEST_HEADER)):
        try:
            start += inflate.decompress(compressed, _LARGEST_HEADER)
        except zlib.error as error:
            raise DamagedError(f"is damaged: {error}") from error
    return start


def _header(start: bytes) -> Any:
    for order in ("<", ">"):
        kind = _HEADER_BYTES.get(int.from_bytes(start[:4], "little" if order == "<" else "big"))
        if kind is not None and len(start) >= int(kind.sizeof_hdr):
            # not from_fileobj, which also reads the extensions that may follow, as AFNI writes them
            return kind(start[: kind.sizeof_hdr], order, check=False)
    raise DamagedError("cannot be read: it has no whole header of NIfTI")


def _voxels(start: bytes) -> VoxelBytes:
    try:
        header = _header(start)
        shape, offset = header.get_data_shape(), header.get_data_offset()
        size = header.get_data_dtype().itemsize
    except DamagedError:
        raise
    except Exception as error:  # what nibabel makes of any bytes cannot be listed
        raise DamagedError(f"has a damaged header: {error}") from error
    if not shape or min(shape) < 1 or offset < 0:
        raise DamagedError(f"has a damaged header: a size of {shape} voxels from byte {offset} on")
    return VoxelBytes(tuple(map(int, shape)), int(size), int(offset))
