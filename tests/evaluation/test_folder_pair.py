"""Two folders without a dataset.json: which of their files are segmentations."""

from __future__ import annotations

from pathlib import Path

import SimpleITK as sitk

from nnunetv2_raemd.evaluation.folder_pair import find_two_folders


def test_files_that_hold_no_segmentation_do_not_decide_the_ending(tmp_path: Path) -> None:
    """There are more of them than of segmentations."""
    for folder in (tmp_path / "predicted", tmp_path / "reference"):
        folder.mkdir()
        sitk.WriteImage(sitk.Image(4, 4, 4, sitk.sitkUInt8), str(folder / "case.nii.gz"))
        for name in ("LICENSE", "README", "one.json", "two.json", "one.npz", "two.npz", "notes.txt", "a.txt"):
            (folder / name).touch()
    found = find_two_folders(tmp_path / "predicted", tmp_path / "reference", labels=[1])
    assert found.reference.file_ending == ".nii.gz"
    assert found.reference.case_ids() == ["case"]
