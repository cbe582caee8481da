"""Headers of NRRD files, and where their voxels are (http://teem.sourceforge.net/nrrd/format.html)."""

from __future__ import annotations

import math
from collections.abc import Mapping
from pathlib import Path
from typing import IO

from nnunetv2_raemd.errors import UserError
from nnunetv2_raemd.file_names import is_one_file_beside
from nnunetv2_raemd.inflating import DamagedError
from nnunetv2_raemd.nnunet_files.header_text import fields_until
from nnunetv2_raemd.nnunet_files.voxel_bytes import VoxelBytes, bytes_of, shape_in

_TYPES = {
    1: "signed char,int8,int8_t,uchar,unsigned char,uint8,uint8_t",
    2: "short,short int,signed short,signed short int,int16,int16_t,ushort,unsigned short,unsigned short int,"
    "uint16,uint16_t",
    4: "int,signed int,int32,int32_t,uint,unsigned int,uint32,uint32_t,float",
    8: "longlong,long long,long long int,signed long long,signed long long int,int64,int64_t,ulonglong,"
    "unsigned long long,unsigned long long int,uint64,uint64_t,double",
}
_BYTES = {name: size for size, names in _TYPES.items() for name in names.split(",")}
_WORDS = {"datafile": "data file", "byteskip": "byte skip", "lineskip": "line skip"}
"""Fields that are also written as one word."""
_PATIENT_SPACES = frozenset(
    {"right-anterior-superior", "left-anterior-superior", "left-posterior-superior", "ras", "las", "lps"}
)


def nrrd_fields(stream: IO[bytes]) -> dict[str, str]:
    """The fields of a header by their names in small letters; leaves the stream at the first byte after it.

    Lines such as "spacings:=1 1 1" are values of the writer's own, and no fields.
    """
    found = fields_until(stream, None, ":")
    fields = {name.lower(): value for name, value in found.items() if not value.startswith("=")}
    return {_WORDS.get(name, name): value for name, value in fields.items()}


def nrrd_voxels(fields: Mapping[str, str]) -> VoxelBytes:
    """What the voxels take.

    Raises:
        DamagedError: if a size or type is none.
    """
    shape = shape_in(fields.get("sizes", ""))
    if fields.get("dimension") != str(len(shape)):
        raise DamagedError("has a damaged header: its dimension is not the number of its sizes")
    return VoxelBytes(tuple(shape), bytes_of(fields.get("type", ""), _BYTES))


def voxels_beside(file: Path, fields: Mapping[str, str]) -> Path:
    """The file of voxels that the header of a .nhdr file names, whether it exists or not.

    Raises:
        DamagedError: if it names none, several, or one that does not lie beside the header.
    """
    name = fields.get("data file", "").removeprefix("./")
    if not is_one_file_beside(name) or name == file.name:
        raise DamagedError("does not name one file of voxels beside it (data file)")
    return file.with_name(name)


def check_nrrd_axes(file: Path, fields: Mapping[str, str]) -> None:
    """Raise a `UserError` for axes that are not those of a volume in a patient; readers pass over it.

    Without directions an image tells no more than its spacing. Axes in a space without a name (as of pynrrd,
    "space dimension") are left-posterior-superior to readers, of images and masks alike.
    """
    if "time" in fields.get("kinds", "").lower().split():
        raise UserError(f"{file} holds points of time (kinds). Save each as a file of its own")
    space = fields.get("space", "").lower()
    if "space directions" in fields and space and space not in _PATIENT_SPACES:
        raise UserError(
            f"{file} gives its axes in {space} (space), by which no reader finds the patient's left: write "
            "it again in left-posterior-superior"
        )


def spacing_along(fields: Mapping[str, str]) -> list[tuple[float, int]]:
    """Spacing and number of voxels of each axis in space, as far as the header tells both; nan for none."""
    sizes = [int(size) for size in fields.get("sizes", "").split() if size.isdecimal()]
    if "space directions" in fields:
        steps = (
            fields["space directions"].replace(" ", "").lower().replace(")(", ") (").replace("none", " none ")
        )
        spacing = [_length(step) for step in steps.split()]
    else:
        spacing = [abs(_number(text)) for text in fields.get("spacings", "").split()]
    along = list(zip(spacing, sizes, strict=False))
    # a fourth axis, as of colors, has none
    return [pair for pair in along if not math.isnan(pair[0])] if len(along) > 3 else along


def _length(step: str) -> float:
    return math.hypot(*map(_number, step.strip("()").split(",")))


def _number(text: str) -> float:
    try:
        return float(text)
    except ValueError:
        return math.nan
