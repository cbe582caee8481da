"""Headers of MetaImage files (`.mhd`), read and checked before any reader of images sees them.

ITK's own reader takes what a header says on trust: it assumes 1 mm where the spacing is missing, reserves
whatever size is stated, opens whatever file is named, and may crash.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from nnunetv2_raemd.errors import UserError
from nnunetv2_raemd.file_names import is_one_file_beside
from nnunetv2_raemd.nnunet_files.image_axes import are_at_right_angles
from nnunetv2_raemd.regular_file import check_is_regular
from nnunetv2_raemd.volumes.plausible_spacing import implausible_spacing

_MOST_BYTES = 65536  # of a header; LUNA16's have a few hundred
_LAST_FIELD = "ElementDataFile"  # voxels may follow it
_IN_THIS_FILE = "LOCAL"
_BYTES_OF_TYPE = {"MET_SHORT": 2, "MET_USHORT": 2, "MET_CHAR": 1, "MET_UCHAR": 1, "MET_INT": 4}
_DIMENSIONS = 3
_LARGEST = 2**31  # voxels; far above any CT
_PLACES = ("Offset", "Position", "Origin")  # one thing by several names
_AXES = ("TransformMatrix", "Rotation", "Orientation")
_RESCALED = {"ElementToIntensityFunctionSlope": 1.0, "ElementToIntensityFunctionOffset": 0.0}  # ITK does not


@dataclass(frozen=True)
class MetaImageHeader:
    """What the header of a three-dimensional image says of its voxels.

    size_xyz: number of voxels. bytes_each: of a voxel.
    voxels: the file that holds them, which may be the header's own.
    offset: where in it they begin.
    compressed: whether they are, by zlib; compressed_bytes: how many these are, where the header says.
    """

    path: Path
    size_xyz: tuple[int, int, int]
    bytes_each: int
    voxels: Path
    offset: int
    compressed: bool
    compressed_bytes: int | None

    @property
    def expected_bytes(self) -> int:
        """How many bytes the voxels have, uncompressed."""
        return math.prod(self.size_xyz) * self.bytes_each


def read_metaimage_header(path: Path) -> MetaImageHeader:
    """The header at `path`, or of an image in one file its beginning.

    Raises `UserError` that names the header and the field: where it is no header, lacks size, spacing or type
    of the voxels, or states what no CT has; where the file of the voxels is not one beside the header.
    """
    fields, length = _fields(path)
    return _Checked(path, fields).header(length)


def voxel_file(path: Path) -> Path:
    """The file that holds the voxels of the header at `path`, whether it is there or not."""
    return read_metaimage_header(path).voxels


def _fields(path: Path) -> tuple[dict[str, str], int]:
    """The fields of a header and how many bytes they take."""
    check_is_regular(path)
    try:
        with path.open("rb") as stream:
            beginning = stream.read(_MOST_BYTES)
    except OSError as error:
        raise UserError(f"{path} cannot be read: {error}") from error
    fields: dict[str, str] = {}
    length = 0
    for line in beginning.splitlines(keepends=True):
        length += len(line)
        key, equals, value = (part.strip() for part in line.decode("latin-1").partition("="))
        if not equals:
            if key:
                break
            continue
        if key in fields:
            raise UserError(f"{path} is broken: its header says twice what {key} is")
        fields[key] = value
        if key == _LAST_FIELD:
            return fields, length
    raise UserError(f"{path} is not a MetaImage header: it names no {_LAST_FIELD}")


@dataclass(frozen=True)
class _Checked:
    """Fields of a header, one by one, or a `UserError` that says which is wrong."""

    path: Path
    fields: Mapping[str, str]

    def header(self, length: int) -> MetaImageHeader:
        self._expect("NDims", str(_DIMENSIONS), "it is not a three-dimensional image")
        self._expect("ElementNumberOfChannels", "1", "it is not a grey image", needed=False)
        self._expect("ObjectType", "Image", "it is not an image", needed=False)
        if not self._says("BinaryData", absent=True):
            raise self._wrong("BinaryData", "voxels written as text are not supported")
        self._check_geometry()
        compressed, local = self._says("CompressedData", absent=False), self._voxels() == self.path
        own = length if local else max(self._integer("HeaderSize") or 0, 0)
        return MetaImageHeader(
            self.path,
            self._size(),
            self._bytes_each(),
            self._voxels(),
            own,
            compressed,
            self._integer("CompressedDataSize") if compressed else None,
        )

    def _check_geometry(self) -> None:
        spacing = self._numbers("ElementSpacing", _DIMENSIONS)
        if spacing is None:
            raise UserError(f"{self.path} lacks ElementSpacing: the size of its voxels is unknown")
        if min(spacing) <= 0:
            raise self._wrong("ElementSpacing", "spacing must be positive")
        if (why := implausible_spacing(spacing, self._size())) is not None:
            raise UserError(f"{self.path} has {why}")
        for synonyms, count in ((_PLACES, _DIMENSIONS), (_AXES, _DIMENSIONS**2)):
            self._check_agree([key for key in synonyms if self._numbers(key, count) is not None])
        for key in _AXES:
            axes = self._numbers(key, _DIMENSIONS**2)
            if axes is not None and not are_at_right_angles(axes):
                raise self._wrong(key, "axes are at right angles and of length 1")
        for key, neutral in _RESCALED.items():
            if self._numbers(key, 1) not in (None, [neutral]):
                raise self._wrong(key, "what is stored would not be HU")

    def _check_agree(self, keys: Sequence[str]) -> None:
        """Of names for the same thing, readers take the one or the other."""
        for key in keys[1:]:
            if self.fields[key].split() != self.fields[keys[0]].split():
                raise self._wrong(key, f"{keys[0]} says something else")

    def _size(self) -> tuple[int, int, int]:
        text = self._given("DimSize").split()
        if len(text) != _DIMENSIONS or not all(part.isascii() and part.isdecimal() for part in text):
            raise self._wrong("DimSize", "three whole numbers are expected")
        if any(len(part) > len(str(_LARGEST)) for part in text):
            raise self._wrong("DimSize", "no CT is so large")
        x, y, z = map(int, text)
        if not 0 < x * y * z <= _LARGEST:
            raise self._wrong("DimSize", "no CT has so many voxels" if x * y * z else "it has no voxels")
        return x, y, z

    def _bytes_each(self) -> int:
        kind = self._given("ElementType")
        if kind not in _BYTES_OF_TYPE:
            raise self._wrong("ElementType", f"CT has one of {', '.join(_BYTES_OF_TYPE)}")
        return _BYTES_OF_TYPE[kind]

    def _voxels(self) -> Path:
        name = self._given(_LAST_FIELD)
        if name in (_IN_THIS_FILE, "Local", "local"):
            return self.path
        if not is_one_file_beside(name) or name == self.path.name:
            raise self._wrong(_LAST_FIELD, "it must be a single file beside the header")
        return self.path.parent / name

    def _expect(self, key: str, value: str, otherwise: str, *, needed: bool = True) -> None:
        if (self._given(key) if needed else self.fields.get(key, value)) != value:
            raise self._wrong(key, otherwise)

    def _says(self, key: str, *, absent: bool) -> bool:
        value = self.fields.get(key)
        if value is not None and value.lower() not in ("true", "false"):
            raise self._wrong(key, "True or False is expected")
        return absent if value is None else value.lower() == "true"

    def _integer(self, key: str) -> int | None:
        value = self.fields.get(key)
        if value is None:
            return None
        digits = value.removeprefix("-")
        if not (digits.isascii() and digits.isdecimal() and len(digits) < 20):
            raise self._wrong(key, "a whole number is expected")
        return int(value)

    def _numbers(self, key: str, count: int) -> list[float] | None:
        value = self.fields.get(key)
        if value is None:
            return None
        try:
            numbers = [float(part) for part in value.split()]
        except ValueError:
            numbers = []
        if len(numbers) != count or not all(map(math.isfinite, numbers)):
            raise self._wrong(key, f"{count} numbers are expected")
        return numbers

    def _given(self, key: str) -> str:
        if key not in self.fields:
            raise UserError(f"{self.path} is broken: its header lacks {key}")
        return self.fields[key]

    def _wrong(self, key: str, why: str) -> UserError:
        value = " ".join(self.fields[key].split())[:60]
        return UserError(f"{self.path} is broken: its header says {key} = {value!r}; {why}")
