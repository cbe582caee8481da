"""Whether an image file holds all its voxels, undamaged as far as its format can tell.

The libraries that read images fill with zeros what is missing, or pass over a wrong check sum: NIfTI's what
is cut off, MetaImage's a compressed part that cannot be inflated, GIPL's both.
"""

from __future__ import annotations

import logging
import math
import zlib
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import IO

from nnunetv2_raemd.errors import UserError
from nnunetv2_raemd.file_names import leads_elsewhere
from nnunetv2_raemd.inflating import DamagedError, inflated_length
from nnunetv2_raemd.memory_size import check_fits_memory
from nnunetv2_raemd.nnunet_files.header_text import fields_until
from nnunetv2_raemd.nnunet_files.nifti_length import check_nifti
from nnunetv2_raemd.regular_file import check_is_regular

_META_BYTES = {"CHAR": 1, "UCHAR": 1, "SHORT": 2, "USHORT": 2, "INT": 4, "UINT": 4, "FLOAT": 4, "DOUBLE": 8}
_META_BYTES |= {"LONG": 4, "ULONG": 4, "LONG_LONG": 8, "ULONG_LONG": 8}
_NRRD_TYPES = {  # http://teem.sourceforge.net/nrrd/format.html#type
    1: "signed char,int8,int8_t,uchar,unsigned char,uint8,uint8_t",
    2: "short,short int,signed short,signed short int,int16,int16_t,ushort,unsigned short,unsigned short int,"
    "uint16,uint16_t",
    4: "int,signed int,int32,int32_t,uint,unsigned int,uint32,uint32_t,float",
    8: "longlong,long long,long long int,signed long long,signed long long int,int64,int64_t,ulonglong,"
    "unsigned long long,unsigned long long int,uint64,uint64_t,double",
}
_NRRD_BYTES = {name: size for size, names in _NRRD_TYPES.items() for name in names.split(",")}
_MOST_AXES = 4
_GIPL_BYTES = {1: 1, 7: 1, 8: 1, 15: 2, 16: 2, 31: 4, 32: 4, 64: 4, 65: 8}  # by the code of the voxels' type
_GIPL_HEADER = 256
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
    reads = {".mha": _metaimage_header, ".nrrd": _nrrd_header}.get(file.suffix.lower())
    if reads is None:
        return
    try:
        with file.open("rb") as stream:
            reads(stream)
    except DamagedError as error:
        raise UserError(f"{file} {error}. Copy or make it again") from error


def _check_metaimage(file: Path) -> None:
    """The length of the voxels, before memory is taken for them, and Adler's check sum of compressed ones."""
    with file.open("rb") as stream:
        fields, expected = _metaimage_header(stream)
        check_fits_memory(expected)
        if fields.get("CompressedData", "").lower() == "true":
            _check_length(inflated_length(stream, expected, zlib.MAX_WBITS), expected)
        elif fields.get("BinaryData", "").lower() == "true":
            _check_length(file.stat().st_size - stream.tell(), expected)


def is_one_file_beside(name: str) -> bool:
    """Whether ElementDataFile names a single file in the header's folder: no pattern, no list of files."""
    return not (leads_elsewhere(name) or "%" in name or name.startswith("LIST"))


def _check_mhd(file: Path) -> None:
    """As `_check_metaimage`, of voxels in a file beside the header."""
    with file.open("rb") as stream:
        fields = fields_until(stream, "ElementDataFile", "=")
    name = fields.get("ElementDataFile", "")
    if name.upper() == "LOCAL":
        _check_metaimage(file)
        return
    if not is_one_file_beside(name):
        raise DamagedError("does not name one file of voxels beside it (ElementDataFile)")
    voxels = file.with_name(name)
    check_is_regular(voxels)
    expected = _metaimage_bytes(fields)
    check_fits_memory(expected)
    if fields.get("CompressedData", "").lower() == "true":
        with voxels.open("rb") as stream:
            _check_length(inflated_length(stream, expected, zlib.MAX_WBITS), expected)
    elif fields.get("BinaryData", "").lower() == "true":
        _check_length(voxels.stat().st_size - max(int(fields.get("HeaderSize", 0)), 0), expected)


def _metaimage_header(stream: IO[bytes]) -> tuple[dict[str, str], int]:
    """The fields, and the bytes that the voxels take; SimpleITK crashes on some that are not right."""
    fields = fields_until(stream, "ElementDataFile", "=")
    if fields.get("ElementDataFile") != "LOCAL":
        raise DamagedError("does not hold its voxels: its header names another file or is cut off")
    if fields.get("HeaderSize", "0") not in ("0", "-1"):  # with it SimpleITK takes the header for voxels
        raise DamagedError("has a damaged header: its voxels follow it, and HeaderSize says otherwise")
    return fields, _metaimage_bytes(fields)


def _metaimage_bytes(fields: Mapping[str, str]) -> int:
    shape = _shape(fields.get("DimSize", ""))
    if fields.get("NDims") != str(len(shape)):
        raise DamagedError("has a damaged header: NDims is not the number of sizes in DimSize")
    kind = fields.get("ElementType", "").removeprefix("MET_").removesuffix("_ARRAY")
    channels = math.prod(_shape(fields.get("ElementNumberOfChannels", "1")))
    return math.prod(shape) * channels * _bytes_of(kind, _META_BYTES)


def _check_nrrd(file: Path) -> None:
    """The length of the voxels, before memory is taken for them, and gzip's check sum of compressed ones."""
    with file.open("rb") as stream:
        fields, expected = _nrrd_header(stream)
        check_fits_memory(expected)
        encoding = fields.get("encoding", "").lower()
        if encoding in ("gzip", "gz"):
            _check_length(inflated_length(stream, expected), expected)
        elif encoding == "raw":
            _check_length(file.stat().st_size - stream.tell(), expected)


def _nrrd_header(stream: IO[bytes]) -> tuple[dict[str, str], int]:
    fields = fields_until(stream, None, ":")
    if "data file" in fields or "datafile" in fields:
        raise DamagedError("does not hold its voxels: its header names another file")
    shape = _shape(fields.get("sizes", ""))
    if fields.get("dimension") != str(len(shape)):
        raise DamagedError("has a damaged header: its dimension is not the number of its sizes")
    return fields, math.prod(shape) * _bytes_of(fields.get("type", ""), _NRRD_BYTES)


def _shape(text: str) -> list[int]:
    """Whole numbers above 0 that a header gives as sizes."""
    numbers = text.split()
    if not 1 <= len(numbers) <= _MOST_AXES or not all(n.isdecimal() and int(n[:20]) > 0 for n in numbers):
        raise DamagedError(f"has a damaged header: {text[:60]!r} is not a size")
    return [int(number) for number in numbers]


def _bytes_of(kind: str, known: Mapping[str, int]) -> int:
    if kind not in known:
        raise DamagedError(f"has a damaged header: {kind[:60]!r} is not a type of voxels")
    return known[kind]


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
    _check_length(file.stat().st_size - _GIPL_HEADER, math.prod(shape) * size)


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


def _check_length(found: int, expected: int) -> None:
    if found < expected:
        raise DamagedError(f"is cut off: {found} of {expected} bytes of its voxels are there")


_CHECKS: Mapping[str, Callable[[Path], None]] = {
    ".nii": check_nifti,
    ".nii.gz": check_nifti,
    ".mha": _check_metaimage,
    ".mhd": _check_mhd,
    ".nrrd": _check_nrrd,
    ".gipl": _check_gipl,
    ".png": _check_png,
    ".tif": _check_tiff,
    ".tiff": _check_tiff,
}
"""By the ending in small letters."""
