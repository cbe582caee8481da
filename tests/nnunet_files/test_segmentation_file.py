"""Segmentations as files: the grid of every reader, and numbers that are no label."""

from __future__ import annotations

from pathlib import Path

import nibabel
import numpy as np
import pytest
import SimpleITK as sitk
from nnunetv2.imageio.simpleitk_reader_writer import SimpleITKIOWithReorient
from skimage import io

from nnunetv2_raemd.errors import UserError
from nnunetv2_raemd.nnunet_files.segmentation_file import Geometry, check_same_grid, read_segmentation

READERS = {
    "SimpleITKIO": ".nii.gz",
    "SimpleITKIOWithReorient": ".nii.gz",
    "NibabelIO": ".nii",
    "NibabelIOWithReorient": ".nii",
}
SPACING_MM = (0.75, 0.5, 2.0)  # x, y, z
ORIGIN_MM = (-20.0, 13.5, -702.25)


def image(labels: np.ndarray | None = None) -> sitk.Image:
    labels = np.arange(60).reshape(3, 4, 5).astype(np.uint8) % 3 if labels is None else labels
    made = sitk.GetImageFromArray(labels)
    made.SetSpacing(SPACING_MM)
    made.SetOrigin(ORIGIN_MM)
    return made


def geometry(made: sitk.Image, file: Path, reader: str) -> Geometry:
    sitk.WriteImage(made, str(file))
    return read_segmentation(file, reader).geometry


@pytest.mark.parametrize(("reader", "ending"), READERS.items())
def test_all_readers_tell_the_same_grid(tmp_path: Path, reader: str, ending: str) -> None:
    found = geometry(image(), tmp_path / f"a{ending}", reader)
    assert found.shape == (3, 4, 5) and found.spacing_mm == pytest.approx(SPACING_MM[::-1])
    if not reader.endswith("WithReorient"):  # which turns to the right and front
        assert found.origin_mm == pytest.approx(ORIGIN_MM)
        assert found.direction == pytest.approx((1, 0, 0, 0, 1, 0, 0, 0, 1))


def moved() -> sitk.Image:
    made = image()
    made.SetOrigin((ORIGIN_MM[0] + 200, *ORIGIN_MM[1:]))
    return made


def coarser() -> sitk.Image:
    made = image()
    made.SetSpacing((0.75, 0.5, 2.5))
    return made


def mirrored() -> sitk.Image:
    return sitk.Flip(image(), (True, False, False))


def tilted() -> sitk.Image:
    made = image()
    c, s = np.cos(0.1), np.sin(0.1)
    made.SetDirection((1, 0, 0, 0, c, -s, 0, s, c))
    return made


@pytest.mark.parametrize(("reader", "ending"), READERS.items())
@pytest.mark.parametrize("other", [moved, coarser, mirrored, tilted])
def test_another_grid_is_refused_by_the_same_rule(
    tmp_path: Path, reader: str, ending: str, other: object
) -> None:
    files = tmp_path / f"ref{ending}", tmp_path / f"pred{ending}"
    expected, found = (
        geometry(made, file, reader)
        for made, file in zip((image(), other()), files, strict=True)  # type: ignore[operator]
    )
    if other is mirrored and reader.endswith("WithReorient"):
        check_same_grid(*files, expected, found)  # it is at the same place, and read turned
        first, second = (read_segmentation(file, reader).labels for file in files)
        np.testing.assert_array_equal(first, second)
        return
    with pytest.raises(
        UserError, match=rf"pred{ending} and its reference .*ref{ending} do not lie on the same"
    ):
        check_same_grid(*files, expected, found)


@pytest.mark.parametrize("value", [np.nan, np.inf, 0.7, 0.9999, -0.5])
@pytest.mark.parametrize("name", ["a.nii.gz", "a.nii", "a.mha", "a.nrrd"])
def test_numbers_that_are_not_whole_are_refused(tmp_path: Path, name: str, value: float) -> None:
    labels = np.zeros((3, 4, 5), np.float32)
    labels[1, 2, 3] = value
    sitk.WriteImage(image(labels), str(tmp_path / name))
    with pytest.raises(UserError, match=rf"{name} (is not a segmentation: it holds|contains NaN)"):
        read_segmentation(tmp_path / name, "NibabelIO" if name.endswith(".nii") else "SimpleITKIO")


@pytest.mark.parametrize("value", [1, -1, 1e300, 2**24 + 1])
def test_whole_numbers_are_read_as_they_are(tmp_path: Path, value: float) -> None:
    labels = np.zeros((3, 4, 5))
    labels[1, 2, 3] = value
    for name, reader in (("a.nii.gz", "SimpleITKIO"), ("a.nii", "NibabelIO")):
        sitk.WriteImage(image(labels), str(tmp_path / name))
        assert read_segmentation(tmp_path / name, reader).labels[1, 2, 3] == value


def test_colours_are_not_a_segmentation(tmp_path: Path) -> None:
    io.imsave(tmp_path / "a.png", np.zeros((4, 5, 3), np.uint8), check_contrast=False)
    with pytest.raises(UserError, match="3 channels, such as colours"):
        read_segmentation(tmp_path / "a.png", "NaturalImage2DIO")


@pytest.mark.parametrize("reader", ["SimpleITKIO", "NibabelIO"])
def test_a_spacing_of_nothing_is_refused(tmp_path: Path, reader: str) -> None:
    made = nibabel.Nifti1Image(np.zeros((3, 4, 5), np.uint8), np.eye(4))
    made.header["pixdim"][2] = 0
    nibabel.save(made, tmp_path / "a.nii.gz")
    raw = bytearray(sitk_free_header(tmp_path / "a.nii.gz"))
    (tmp_path / "a.nii").write_bytes(raw)
    with pytest.raises(UserError, match="spacing"):
        read_segmentation(tmp_path / "a.nii", reader)


def sitk_free_header(file: Path) -> bytes:
    """The file without compression, its second spacing 0 whatever nibabel has written."""
    import gzip  # noqa: PLC0415

    raw = bytearray(gzip.decompress(file.read_bytes()))
    raw[84:88] = bytes(4)  # pixdim[2]: bytes 76 to 107 hold eight floats
    return bytes(raw)


def test_a_reader_that_turns_reads_what_nnunets_does(tmp_path: Path) -> None:
    file = tmp_path / "a.nii.gz"
    sitk.WriteImage(sitk.DICOMOrient(image(), "PSR"), str(file))
    theirs, properties = SimpleITKIOWithReorient().read_seg(str(file))
    found = read_segmentation(file, "SimpleITKIOWithReorient")
    assert np.array_equal(found.labels, theirs[0])
    assert found.geometry.spacing_mm == pytest.approx(properties["spacing"])
    assert found.geometry.origin_mm == pytest.approx(properties["sitk_stuff"]["origin"])


@pytest.mark.parametrize("reader", ["SimpleITKIO", "NibabelIO"])
def test_complex_numbers_are_no_labels(tmp_path: Path, reader: str) -> None:
    file = tmp_path / "a.nii.gz"
    sitk.WriteImage(sitk.GetImageFromArray(np.ones((3, 4, 5), np.complex64)), str(file))
    with pytest.raises(UserError, match=r"a\.nii\.gz is not a segmentation: .* complex64"):
        read_segmentation(file, reader)


@pytest.mark.parametrize(("code", "refused"), [(1, True), (2, True), (4, False)])
def test_a_header_of_two_spacings_is_refused(tmp_path: Path, code: int, refused: bool) -> None:
    """In the space of a template, an sform may stretch."""
    file = tmp_path / "a.nii.gz"
    made = nibabel.Nifti1Image(np.zeros((5, 4, 3), np.int16), None)
    made.header.set_qform(np.diag([1.0, 1, 2, 1]), code=1)
    made.header.set_sform(np.diag([2.0, 1, 2, 1]), code=code)
    nibabel.save(made, file)
    if refused:
        with pytest.raises(
            UserError, match=r"a\.nii\.gz has two spacings in its header: 1, 1, 2 \(pixdim\) and 2, 1, 2"
        ):
            read_segmentation(file)
    else:
        read_segmentation(file)
    made.header.set_sform(np.diag([1.001, 1, 2, 1]), code=code)  # rounded otherwise
    nibabel.save(made, file)
    assert read_segmentation(file).geometry.spacing_mm == pytest.approx((2, 1, 1))
