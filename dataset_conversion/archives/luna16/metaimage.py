"""MetaImage (`.mhd` + `.raw`) scans read whole or refused."""

from __future__ import annotations

from math import prod
from pathlib import Path

import SimpleITK as sitk

from nnunetv2_raemd.errors import UserError

_VOXEL_TYPES = (sitk.sitkInt16, sitk.sitkUInt16, sitk.sitkInt8, sitk.sitkUInt8, sitk.sitkInt32)


def voxel_file(header: Path) -> Path:
    """The file that holds the voxels of `header`, whether it is there or not."""
    name = header_field(header, "ElementDataFile")
    return header if name is None or name == "LOCAL" else header.parent / name


def header_field(header: Path, key: str) -> str | None:
    """The value of `key` in a MetaImage header, or None."""
    try:
        text = header.read_bytes()[:16384].decode("latin-1")
    except OSError as error:
        raise UserError(f"{header} cannot be read: {error}") from error
    for line in text.splitlines():
        name, _, value = line.partition("=")
        if name.strip() == key:
            return value.strip()
    return None


def read_metaimage(header: Path) -> sitk.Image:
    """The scan exactly as SimpleITK reads it, after a check that the voxels are all there.

    Raises `UserError` for a header that is no image, a voxel file that is missing or of another length than
    the header promises (ITK itself reads a truncated file with a warning only), and voxels that are not HU.
    """
    reader = sitk.ImageFileReader()
    reader.SetFileName(str(header))
    try:
        reader.ReadImageInformation()
    except RuntimeError as error:
        raise UserError(f"{header} is not a readable MetaImage header; download it again") from error
    if reader.GetDimension() != 3 or reader.GetNumberOfComponents() != 1:
        raise UserError(f"{header} is not a three-dimensional gray image")
    if reader.GetPixelID() not in _VOXEL_TYPES:
        raise UserError(
            f"{header} holds voxels of type {sitk.GetPixelIDValueAsString(reader.GetPixelID())}, not HU"
        )
    _check_voxels_present(header, reader)
    try:
        return reader.Execute()
    except RuntimeError as error:
        raise UserError(f"{voxel_file(header)} cannot be read; download it again") from error


def _check_voxels_present(header: Path, reader: sitk.ImageFileReader) -> None:
    voxels = voxel_file(header)
    if not voxels.is_file():
        raise UserError(f"{voxels} is missing; download or unpack it again")
    if voxels == header or str(header_field(header, "CompressedData")).lower() == "true":
        return
    bytes_each = sitk.Image([1] * 3, reader.GetPixelID()).GetSizeOfPixelComponent()
    expected = prod(reader.GetSize()) * bytes_each + max(int(header_field(header, "HeaderSize") or 0), 0)
    actual = voxels.stat().st_size
    if actual != expected:
        raise UserError(f"{voxels} has {actual} bytes, the header promises {expected}; download it again")
