"""Whether an image file holds all its voxels, undamaged as far as its format can tell.

The libraries that read images fill with zeros what is missing, or pass over a wrong check sum: NIfTI's what
is cut off, MetaImage's a compressed part that cannot be inflated, GIPL's both.
"""

from __future__ import annotations

import logging
import math
import zlib
from collections.abc import Callable, Mapping
from dataclasses import replace
from pathlib import Path
from typing import IO

from nnunetv2_raemd.errors import UserError
from nnunetv2_raemd.file_names import is_one_file_beside
from nnunetv2_raemd.inflating import DamagedError, inflated_length
from nnunetv2_raemd.memory_size import check_fits_memory
from nnunetv2_raemd.nnunet_files.header_text import fields_until
from nnunetv2_raemd.nnunet_files.nifti_length import check_nifti
from nnunetv2_raemd.nnunet_files.nrrd_header import nrrd_fields, nrrd_voxels, voxels_beside
from nnunetv2_raemd.nnunet_files.voxel_bytes import VoxelBytes, bytes_of, shape_in
from nnunetv2_raemd.regular_file import check_is_regular

_META_BYTES = {"CHAR": 1, "UCHAR": 1, "SHORT": 2, "USHORT": 2, "INT": 4, "UINT": 4, "FLOAT": 4, "DOUBLE": 8}
_META_BYTES |= {"LONG": 4, "ULONG": 4, "LONG_LONG": 8, "ULONG_LONG": 8}
_GIPL_BYTES = {1: 1, 7: 1, 8: 1, 15: 2, 16: 2, 31: 4, 32: 4, 64: 4, 65: 8}  # by the code of the voxels' type
_GIPL_HEADER = 256
_MOST_LINES = 10_000  # to skip before the voxels
_PNG_SIGNATURE = b"\x89PNG\r\n\x1a\n"


def check_is_whole(file: Path) -> None:
    """Read an image file to its end; of formats that are not listed here nothing is known.

    Raises:
        UserError: if it is no regular file, is cut off, or fails a check sum.
    """
    check_is_regular(file)
    name = file.name.lower()
    try:
        for ending, check in _CHECKS.items():
            if name.endswith(ending):
                check(file)
    except DamagedError as error:
        raise UserError(f"{file} {error}. Copy or make it again") from error
    except (UserError, OSError, ValueError, EOFError) as error:
        raise UserError(f"{file} cannot be read: {error}") from error


def check_header(file: Path) -> None:
    """Look at no more than the header, of formats on whose broken ones SimpleITK crashes.

    Raises:
        UserError: if a size or type in it is none.
    """
    looks: Mapping[str, Callable[[IO[bytes], Path], object]] = {
        ".mha": lambda stream, _: _metaimage_header(stream),
        ".nrrd": lambda stream, _: _nrrd_header(stream),
        ".nhdr": _nhdr_voxels,
    }
    look = looks.get(file.suffix.lower())
    if look is None:
        return
    try:
        with file.open("rb") as stream:
            look(stream, file)
    except DamagedError as error:
        raise UserError(f"{file} {error}. Copy or make it again") from error


def _check_metaimage(file: Path) -> None:
    """The length of the voxels, before memory is taken for them, and Adler's check sum of compressed ones."""
    with file.open("rb") as stream:
        fields, voxels = _metaimage_header(stream)
        _check_metaimage_voxels(stream, fields, replace(voxels, before=stream.tell()))


def _check_mhd(file: Path) -> None:
    """As `_check_metaimage`, of voxels in a file beside the header."""
    with file.open("rb") as stream:
        fields = fields_until(stream, "ElementDataFile", "=")
    name = fields.get("ElementDataFile", "")
    if name.upper() == "LOCAL":
        _check_metaimage(file)
        return
    if not is_one_file_beside(name) or name == file.name:
        raise DamagedError("does not name one file of voxels beside it (ElementDataFile)")
    beside = file.with_name(name)
    check_is_regular(beside)
    voxels = _metaimage_voxels(fields)
    before = voxels.skipped(int(fields.get("HeaderSize", 0)), beside.stat().st_size)
    with beside.open("rb") as stream:
        _check_metaimage_voxels(stream, fields, replace(voxels, before=before))


def _check_metaimage_voxels(stream: IO[bytes], fields: Mapping[str, str], voxels: VoxelBytes) -> None:
    """The rest of the stream where they are compressed, and else the length of its file."""
    alone = replace(voxels, before=0)
    check_fits_memory(alone.expected)
    if fields.get("CompressedData", "").lower() == "true":
        alone.check(inflated_length(stream, alone.expected, zlib.MAX_WBITS))
    elif fields.get("BinaryData", "").lower() == "true":
        voxels.check(Path(stream.name).stat().st_size)


def _metaimage_header(stream: IO[bytes]) -> tuple[dict[str, str], VoxelBytes]:
    """The fields, and what the voxels take; SimpleITK crashes on some that are not right."""
    fields = fields_until(stream, "ElementDataFile", "=")
    if fields.get("ElementDataFile") != "LOCAL":
        raise DamagedError("does not hold its voxels: its header names another file or is cut off")
    if fields.get("HeaderSize", "0") not in ("0", "-1"):  # with it SimpleITK takes the header for voxels
        raise DamagedError("has a damaged header: its voxels follow it, and HeaderSize says otherwise")
    return fields, _metaimage_voxels(fields)


def _metaimage_voxels(fields: Mapping[str, str]) -> VoxelBytes:
    shape = shape_in(fields.get("DimSize", ""))
    if fields.get("NDims") != str(len(shape)):
        raise DamagedError("has a damaged header: NDims is not the number of sizes in DimSize")
    kind = fields.get("ElementType", "").removeprefix("MET_").removesuffix("_ARRAY")
    channels = math.prod(shape_in(fields.get("ElementNumberOfChannels", "1")))
    return VoxelBytes(tuple(shape), channels * bytes_of(kind, _META_BYTES))


def _check_nrrd(file: Path) -> None:
    """The length of the voxels, before memory is taken for them, and gzip's check sum of compressed ones."""
    with file.open("rb") as stream:
        fields, voxels = _nrrd_header(stream)
        _check_nrrd_voxels(stream, fields, voxels)


def _check_nhdr(file: Path) -> None:
    """As `_check_nrrd`, of voxels in a file beside the header."""
    with file.open("rb") as stream:
        fields, beside = _nhdr_voxels(stream, file)
    with beside.open("rb") as stream:
        _check_nrrd_voxels(stream, fields, nrrd_voxels(fields))


def _nhdr_voxels(stream: IO[bytes], file: Path) -> tuple[dict[str, str], Path]:
    """The fields, and the file of the voxels, which SimpleITK opens to read no more than the header."""
    fields = nrrd_fields(stream)
    beside = voxels_beside(file, fields)
    check_is_regular(beside)
    return fields, beside


def _check_nrrd_voxels(stream: IO[bytes], fields: Mapping[str, str], voxels: VoxelBytes) -> None:
    """The rest of the stream, after lines and bytes that are to be skipped."""
    check_fits_memory(voxels.expected)
    for _ in range(min(int(fields.get("line skip", 0)), _MOST_LINES)):
        stream.readline()
    encoding, skipped = fields.get("encoding", "").lower(), int(fields.get("byte skip", 0))
    if encoding in ("gzip", "gz"):
        found = inflated_length(stream, voxels.expected + max(skipped, 0))
    elif encoding == "raw":
        found = Path(stream.name).stat().st_size - stream.tell()
    else:
        return
    replace(voxels, before=voxels.skipped(skipped, found)).check(found)


def _nrrd_header(stream: IO[bytes]) -> tuple[dict[str, str], VoxelBytes]:
    fields = nrrd_fields(stream)
    if "data file" in fields:
        raise DamagedError("does not hold its voxels: its header names another file")
    return fields, nrrd_voxels(fields)


def _check_gipl(file: Path) -> None:
    with file.open("rb") as stream:
        if stream.read(2) == b"\x1f\x8b":
            return  # compressed GIPL is not what its ending says: SimpleITK refuses it
        stream.seek(0)
        header = stream.read(_GIPL_HEADER)
    size = _GIPL_BYTES.get(int.from_bytes(header[8:10], "big"))
    if len(header) < _GIPL_HEADER or size is None:
        raise DamagedError("has a damaged header")
    shape = [max(int.from_bytes(header[i : i + 2], "big"), 1) for i in range(0, 8, 2)]
    VoxelBytes(tuple(shape), size, _GIPL_HEADER).check(file.stat().st_size)


def _check_png(file: Path) -> None:
    """The check sum of each chunk (PNG specification, section 5.3)."""
    with file.open("rb") as stream:
        if stream.read(len(_PNG_SIGNATURE)) != _PNG_SIGNATURE:
            raise DamagedError("is not a PNG file")
        while _png_chunk(stream) != b"IEND":
            pass


def _check_tiff(file: Path) -> None:
    """That the pages lead to each other up to the last: tifffile only logs where they do not."""
    import tifffile  # noqa: PLC0415 - few need it

    logged: list[str] = []
    handler = logging.Handler(logging.WARNING)
    handler.emit = lambda record: logged.append(record.getMessage())  # type: ignore[method-assign]
    logger = logging.getLogger("tifffile")
    logger.addHandler(handler)
    try:
        with tifffile.TiffFile(file) as opened:
            check_fits_memory(sum(series.size * series.dtype.itemsize for series in opened.series))
            len(opened.pages)
    except UserError:
        raise
    except Exception as error:  # what tifffile makes of any bytes cannot be listed
        raise DamagedError(f"is damaged: {error}") from error
    finally:
        logger.removeHandler(handler)
    if logged:
        raise DamagedError(f"is cut off or damaged: {logged[0]}")


def _png_chunk(stream: IO[bytes]) -> bytes:
    length, kind = int.from_bytes(stream.read(4), "big"), stream.read(4)
    content = stream.read(length)
    expected = stream.read(4)
    if len(expected) < 4:
        raise DamagedError("is cut off")
    if zlib.crc32(kind + content) != int.from_bytes(expected, "big"):
        raise DamagedError(f"is damaged: the check sum of its part {kind!r} is wrong")
    return kind


_CHECKS: Mapping[str, Callable[[Path], None]] = {
    ".nii": check_nifti,
    ".nii.gz": check_nifti,
    ".mha": _check_metaimage,
    ".mhd": _check_mhd,
    ".nrrd": _check_nrrd,
    ".nhdr": _check_nhdr,
    ".gipl": _check_gipl,
    ".png": _check_png,
    ".tif": _check_tiff,
    ".tiff": _check_tiff,
}
"""By the ending in small letters."""
