"""NaN in NIfTI files is found, in one pass over the file."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import nibabel
import numpy as np
import pytest

from nnunetv2_raemd.errors import UserError
from nnunetv2_raemd.nnunet_files.finite_voxels import check_nifti_is_finite


def written(file: Path, values: np.ndarray) -> Path:
    nibabel.save(nibabel.Nifti1Image(values, np.eye(4)), file)
    return file


@pytest.mark.parametrize("ending", [".nii", ".nii.gz"])
@pytest.mark.parametrize("value", [np.nan, np.inf])
def test_a_single_voxel_is_found_in_any_slice(tmp_path: Path, ending: str, value: float) -> None:
    values = np.zeros((4, 5, 6), np.float32)
    check_nifti_is_finite(written(tmp_path / f"fine{ending}", values))
    for k in (0, 3, 5):
        broken = values.copy()
        broken[1, 2, k] = value
        with pytest.raises(UserError, match="NaN or infinity"):
            check_nifti_is_finite(written(tmp_path / f"broken{ending}", broken))


def test_a_compressed_file_is_opened_as_often_however_many_slices_it_has(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Opened for each slice, it would be decompressed from its beginning each time: minutes for a CT."""
    opened: list[Any] = []
    opener = nibabel.openers.ImageOpener

    def counted(*arguments: Any, **named: Any) -> Any:
        opened.append(arguments)
        return opener(*arguments, **named)

    monkeypatch.setattr(nibabel.openers, "ImageOpener", counted)
    numbers = []
    for n_slices in (2, 30):
        file = written(tmp_path / f"{n_slices}.nii.gz", np.zeros((4, 5, n_slices), np.float32))
        opened.clear()
        check_nifti_is_finite(file)
        numbers.append(len(opened))
    assert 1 <= numbers[0] == numbers[1]
