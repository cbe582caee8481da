"""MetaImage (`.mhd` + `.raw`) scans read whole or refused."""

from __future__ import annotations

import zlib
from pathlib import Path

import SimpleITK as sitk

from nnunetv2_raemd.dataset_conversion.archives.luna16.metaimage_header import (
    MetaImageHeader,
    read_metaimage_header,
)
from nnunetv2_raemd.errors import UserError
from nnunetv2_raemd.memory_size import check_fits_memory
from nnunetv2_raemd.regular_file import check_is_regular

_BLOCK = 1 << 20
_MOST_DEFLATED = 1032  # bytes that zlib can make one of


def read_metaimage(path: Path) -> sitk.Image:
    """The scan exactly as SimpleITK reads it, after a check that header and voxels are whole.

    Raises `UserError` for a broken header (see `read_metaimage_header`), and for a voxel file that is
    missing, of another length than the header promises, or damaged. ITK itself reads what is left of such
    files, with a warning at most.
    """
    header = read_metaimage_header(path)
    try:
        check_fits_memory(header.expected_bytes)
    except UserError as error:
        raise UserError(f"{path} cannot be read: {error}") from error
    _check_voxels(header)
    try:
        return sitk.ReadImage(str(path))
    except RuntimeError as error:
        raise UserError(f"{path} is not a MetaImage that SimpleITK can read") from error


def _check_voxels(header: MetaImageHeader) -> None:
    if not header.voxels.exists():
        raise UserError(f"{header.voxels} is missing; download or unpack it again")
    check_is_regular(header.voxels)
    size = header.voxels.stat().st_size
    if not header.compressed:
        _expect(header, size, header.offset + header.expected_bytes)
        return
    if header.expected_bytes > (size - header.offset) * _MOST_DEFLATED:
        raise UserError(f"{header.voxels} is too short for the voxels that {header.path.name} promises")
    stored = _inflated_from(header)
    _expect(header, size, header.offset + stored)
    if header.compressed_bytes not in (None, stored):
        raise UserError(
            f"{header.voxels} holds {stored} compressed bytes, the header promises "
            f"{header.compressed_bytes}; download it again"
        )


def _expect(header: MetaImageHeader, size: int, expected: int) -> None:
    if size != expected:
        raise UserError(
            f"{header.voxels} has {size} bytes, the header promises {expected}; download it again"
        )


def _inflated_from(header: MetaImageHeader) -> int:
    """How many bytes the voxels are compressed into; raises `UserError` where the stream is not whole.

    zlib ends it with a checksum (Adler-32, RFC 1950), which is compared here.
    """
    inflate, length = zlib.decompressobj(), 0
    with header.voxels.open("rb") as stream:
        stream.seek(header.offset)
        try:
            while not inflate.eof and length <= header.expected_bytes:
                block = inflate.unconsumed_tail or stream.read(_BLOCK)
                voxels = inflate.decompress(block, _BLOCK)
                length += len(voxels)
                if not block and not voxels:
                    raise UserError(f"{header.voxels} is cut off; download it again")
        except zlib.error as error:
            raise UserError(f"{header.voxels} is damaged ({error}); download it again") from error
        if length != header.expected_bytes:
            raise UserError(
                f"{header.voxels} does not hold the {header.expected_bytes} bytes of voxels that the header "
                "promises; download it again"
            )
        return stream.tell() - len(inflate.unused_data) - header.offset
