"""NaN in NIfTI files: its C library, and SimpleITK with it, puts zeros there without a word."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import nibabel
import numpy as np
from numpy.typing import NDArray

from nnunetv2_raemd.errors import UserError
from nnunetv2_raemd.nnunet_files.nifti_length import read_header


def check_nifti_is_finite(file: Path) -> None:
    """Raise a `UserError` if a NIfTI file holds NaN or infinity; files of whole numbers are not read."""
    if not file.name.lower().endswith((".nii", ".nii.gz")) or read_header(file).get_data_dtype().kind != "f":
        return
    # kept open, because each slice of a compressed file would otherwise be sought from its beginning
    opened: Any = nibabel.load(file, keep_file_open=True)
    for i in range(opened.shape[-1]):
        check_is_finite(np.asanyarray(opened.dataobj[..., i]), file)


def check_is_finite(voxels: NDArray[Any], file: Path) -> None:
    """Raise a `UserError` if voxels of a file are NaN or infinite."""
    if voxels.dtype.kind == "f" and not all(np.isfinite(some).all() for some in voxels):
        raise UserError(f"{file} contains NaN or infinity: replace such voxels (in CT, by air at -1024 HU)")
