"""What the header of an image says that libraries pass over, or of which each takes another part.

Lengths that are not mm, voxels that are to be rescaled, two places of one image.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from itertools import product
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from nnunetv2_raemd.errors import UserError

_NIFTI_LENGTHS = {1: "meters", 3: "micrometers"}  # the low three bits of xyzt_units; 2 is mm, 0 unknown
_MM = ("mm", "millimeter", "millimeters", "millimetre", "millimetres", "")
_RESCALED = {"ElementToIntensityFunctionSlope": 1.0, "ElementToIntensityFunctionOffset": 0.0}
_OFF_VOXELS = 0.5  # two places of a voxel closer than this are the same apart from rounding


def check_nifti_header(file: Path, header: Any) -> None:
    """Raise a `UserError` if nibabel's header gives lengths in another unit than mm, or two places.

    SimpleITK converts lengths and nibabel does not; of qform and sform, which may differ where an image was
    aligned to another, each takes one. Of the same space they may not, and mirrored they never may be.
    """
    unit = _NIFTI_LENGTHS.get(int(header["xyzt_units"]) & 7)
    if unit is not None:
        raise UserError(f"{file} gives lengths in {unit} (xyzt_units): write it again in millimeters")
    codes = [int(header[name]) for name in ("qform_code", "sform_code")]
    if min(codes) <= 0 or int(header["dim"][0]) < 3:
        return
    qform, sform = header.get_qform(), header.get_sform()
    is_mirrored = np.linalg.det(qform[:3, :3]) * np.linalg.det(sform[:3, :3]) < 0
    if is_mirrored or (codes[0] == codes[1] and _farthest_mm(header, qform - sform) > _tolerance_mm(header)):
        raise UserError(
            f"{file} has two places in its header (qform and sform) that contradict each other"
            f"{', one the mirror image of the other' if is_mirrored else ''}: programs differ in which they "
            "take. Write it again with the right one"
        )


def check_text_header(file: Path, fields: Mapping[str, str]) -> None:
    """Raise a `UserError` for what MetaImage and NRRD headers may say and SimpleITK does not read."""
    for key, neutral in _RESCALED.items():
        if key in fields and _number(fields[key]) != neutral:
            raise UserError(
                f"{file} says in its header that voxels are to be rescaled ({key} = {fields[key]}), which is "
                "not done when it is read: write the rescaled values"
            )
    for key in ("DistanceUnits", "space units", "units"):
        for unit in _units(fields.get(key, "")):
            if unit not in _MM:
                raise UserError(f"{file} gives lengths in {unit} ({key}): write it again in millimeters")
    for number in fields.get("spacings", "1").split():
        if not np.isfinite(_number(number)):
            raise UserError(f"{file} has a spacing of {number} in its header: 1 mm would be taken for it")


def _units(text: str) -> Iterator[str]:
    """Texts in quotation marks, as NRRD has them; MetaImage has one without."""
    return (part.strip().lower() for part in (text.split('"')[1::2] if '"' in text else [text]))


def _number(text: str) -> float:
    try:
        return float(text)
    except ValueError:
        return float("nan")


def _farthest_mm(header: Any, difference: NDArray[Any]) -> float:
    """How far two affine matrices put a corner of the image apart."""
    last = np.array(header.get_data_shape()[:3]) - 1
    corners = np.array([(*(last * corner), 1) for corner in product((0, 1), repeat=3)])
    return float(np.linalg.norm((corners @ difference.T)[:, :3], axis=1).max())


def _tolerance_mm(header: Any) -> float:
    return _OFF_VOXELS * float(np.abs(header["pixdim"][1:4]).min())
