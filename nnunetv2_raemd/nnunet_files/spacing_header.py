"""Whether the header of an image tells its spacing: where it does not, libraries take 1 mm without a word."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np

from nnunetv2_raemd.errors import UserError
from nnunetv2_raemd.nnunet_files.header_contradictions import check_nifti_header, check_text_header
from nnunetv2_raemd.nnunet_files.header_text import fields_until, numbers_in
from nnunetv2_raemd.nnunet_files.nifti_length import read_header
from nnunetv2_raemd.nnunet_files.nrrd_header import check_nrrd_axes, nrrd_fields, spacing_along
from nnunetv2_raemd.volumes.plausible_spacing import implausible_spacing

_METAIMAGE, _NRRD = (".mha", ".mhd"), (".nrrd", ".nhdr")
_SCANNER_SPACE = (1, 2)  # codes of sform; in the space of a template (3, 4) a scale may be meant
_ADVICE = "Write the image again with its spacing: 1 mm would be taken for it"


def check_spacing_is_told(file: Path) -> None:
    """Look into the header of a NIfTI, MetaImage or NRRD file; other formats tell no spacing, or always do.

    Raises:
        UserError: if there is no spacing in it, or one that is not a number above 0, not in mm or that no CT
            has, or if the header contradicts itself.
    """
    name = file.name.lower()
    if name.endswith((".nii", ".nii.gz")):
        header = read_header(file)
        n_axes = min(max(int(header["dim"][0]), 0), 3)
        spacing = [abs(float(mm)) for mm in header["pixdim"][1 : 1 + n_axes]]
        if not all(0 < mm < math.inf for mm in spacing):
            shown = ", ".join(f"{mm:g}" for mm in spacing)
            raise UserError(f"{file} has a spacing (pixdim) of {shown} in its header. {_ADVICE}")
        _check_one_spacing(file, header, spacing)
        check_nifti_header(file, header)
        _check_plausible(file, spacing, header["dim"][1 : 1 + n_axes])
    elif name.endswith(_METAIMAGE):
        with file.open("rb") as stream:
            fields = fields_until(stream, "ElementDataFile", "=")
        _check_has(file, fields, "ElementSpacing", "ElementSize")
        check_text_header(file, fields)
        _check_plausible(file, *_of_metaimage(fields))
    elif name.endswith(_NRRD):
        with file.open("rb") as stream:
            fields = nrrd_fields(stream)
        _check_has(file, fields, "spacings", "space directions")
        check_text_header(file, fields)
        check_nrrd_axes(file, fields)
        along = spacing_along(fields)
        _check_plausible(file, [mm for mm, _ in along], [n for _, n in along])


def _check_has(file: Path, fields: Mapping[str, str], *known: str) -> None:
    if not any(key in fields for key in known):
        raise UserError(f"{file} has no spacing ({' or '.join(known)}) in its header. {_ADVICE}")


def _check_plausible(file: Path, spacing_mm: Sequence[float], size: Sequence[int]) -> None:
    if len(size) == len(spacing_mm) and (why := implausible_spacing(spacing_mm, size)) is not None:
        raise UserError(f"{file} has {why}")


def _of_metaimage(fields: Mapping[str, str]) -> tuple[list[float], list[int]]:
    """Spacing and size; what is no number there is left to the reader of the image."""
    text = fields.get("ElementSpacing") or fields["ElementSize"]
    return [abs(mm) for mm in numbers_in(text)], [int(n) for n in numbers_in(fields.get("DimSize", ""))]


def _check_one_spacing(file: Path, header: Any, spacing_mm: list[float]) -> None:
    """NIfTI tells the spacing twice where it has an sform; libraries differ in which they take."""
    if int(header["sform_code"]) not in _SCANNER_SPACE:
        return
    steps = np.array([header[row] for row in ("srow_x", "srow_y", "srow_z")], float)[:, : len(spacing_mm)]
    lengths = np.linalg.norm(steps, axis=0)
    if not np.allclose(lengths, spacing_mm, rtol=0.01, atol=0):
        one, other = (", ".join(f"{mm:g}" for mm in values) for values in (spacing_mm, lengths))
        raise UserError(
            f"{file} has two spacings in its header: {one} (pixdim) and {other} (sform). Write the image "
            "again with the right one"
        )
