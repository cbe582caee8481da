"""NIfTI files whole and cut off, as SimpleITK writes them and as other programs may."""

from __future__ import annotations

import gzip
from pathlib import Path

import nibabel
import numpy as np
import pytest
import SimpleITK as sitk
from nibabel.nifti1 import Nifti1Extension

from nnunetv2_raemd.errors import UserError
from nnunetv2_raemd.nnunet_files.segmentation_file import read_segmentation
from nnunetv2_raemd.nnunet_files.whole_image import check_is_whole

NOISE = np.random.default_rng(0).integers(-1000, 1000, (5, 20, 30)).astype(np.int16)


@pytest.fixture(params=[".nii", ".nii.gz"])
def scan(request: pytest.FixtureRequest, tmp_path: Path) -> Path:
    file = tmp_path / f"scan{request.param}"
    sitk.WriteImage(sitk.GetImageFromArray(NOISE), str(file))
    return file


def test_a_whole_file_is_not_cut_off(scan: Path) -> None:
    check_is_whole(scan)


@pytest.mark.parametrize("kept", [0.5, 0.99])
def test_a_file_without_its_end_is_cut_off_where_simple_itk_reads_zeros(scan: Path, kept: float) -> None:
    content = scan.read_bytes()
    scan.write_bytes(content[: int(kept * len(content))])
    with pytest.raises(UserError, match="is cut off"):
        check_is_whole(scan)
    read = sitk.GetArrayFromImage(sitk.ReadImage(str(scan)))
    assert not np.array_equal(read, NOISE)  # the reason for this check: no error


def test_a_segmentation_that_is_cut_off_is_refused(scan: Path) -> None:
    content = scan.read_bytes()
    scan.write_bytes(content[: len(content) // 2])
    with pytest.raises(UserError, match="cut off"):
        read_segmentation(scan)


def test_gzip_in_several_members_is_whole(tmp_path: Path) -> None:
    plain, packed = tmp_path / "scan.nii", tmp_path / "scan.nii.gz"
    sitk.WriteImage(sitk.GetImageFromArray(NOISE), str(plain))
    content = plain.read_bytes()
    members = [gzip.compress(part) for part in (content[:2000], content[2000:], b"")]
    packed.write_bytes(b"".join(members))
    check_is_whole(packed)
    packed.write_bytes(b"".join(members[:1]))
    with pytest.raises(UserError, match="is cut off"):
        check_is_whole(packed)


@pytest.mark.parametrize("ending", [".nii", ".nii.gz"])
def test_extensions_of_the_header_are_passed_over(tmp_path: Path, ending: str) -> None:
    """AFNI puts what was done to an image between header and voxels, often tens of kilobytes."""
    file = tmp_path / f"scan{ending}"
    image = nibabel.Nifti1Image(NOISE.transpose(), np.eye(4))
    image.header.extensions.append(Nifti1Extension("afni", b"history " * 5000))
    nibabel.save(image, file)
    assert np.array_equal(read_segmentation(file).labels, NOISE)
    plain = gzip.decompress(file.read_bytes()) if ending == ".nii.gz" else file.read_bytes()
    file.write_bytes(gzip.compress(plain[:-1]) if ending == ".nii.gz" else plain[:-1])
    with pytest.raises(UserError, match="is cut off"):
        check_is_whole(file)


def test_a_file_that_only_simple_itk_can_read_is_left_to_it(tmp_path: Path) -> None:
    plain, misnamed = tmp_path / "scan.nii", tmp_path / "scan.nii.gz"
    sitk.WriteImage(sitk.GetImageFromArray(NOISE), str(plain))
    plain.rename(misnamed)
    assert np.array_equal(sitk.GetArrayFromImage(sitk.ReadImage(str(misnamed))), NOISE)
    check_is_whole(misnamed)


def test_bytes_after_the_last_voxel_do_no_harm(scan: Path) -> None:
    content = scan.read_bytes()
    if scan.suffix == ".gz":
        content = gzip.compress(gzip.decompress(content) + b"more")
    else:
        content += b"more"
    scan.write_bytes(content)
    check_is_whole(scan)
