"""Headers that say what libraries pass over: other lengths than mm, rescaled voxels, two places."""

from __future__ import annotations

from pathlib import Path

import nibabel
import numpy as np
import pytest
import SimpleITK as sitk

from nnunetv2_raemd.errors import UserError
from nnunetv2_raemd.nnunet_files.segmentation_file import read_segmentation
from nnunetv2_raemd.scans.single_image import read_single_image

VOXELS = np.arange(24, dtype=np.int16).reshape(4, 3, 2)  # z, y, x
STANDING = np.array([[1.0, 0, 0, 10], [0, 2, 0, 20], [0, 0, 3, 30], [0, 0, 0, 1]])


def nifti(
    file: Path, *, qform: tuple[np.ndarray, int], sform: tuple[np.ndarray, int], unit: str = "mm"
) -> Path:
    image = nibabel.Nifti1Image(VOXELS.transpose(), STANDING)
    image.header.set_xyzt_units(unit)
    image.set_qform(*qform)
    image.set_sform(*sform)
    nibabel.save(image, file)
    return file


def read(file: Path) -> sitk.Image:
    """By both ways in which the product takes volumes."""
    read_segmentation(file)
    return read_single_image(file)


@pytest.mark.parametrize(
    ("unit", "named"), [("mm", None), ("unknown", None), ("micron", "micrometers"), ("meter", "meters")]
)
def test_nifti_is_in_millimeters(tmp_path: Path, unit: str, named: str | None) -> None:
    """SimpleITK reads 1 micrometer as 0.001 mm, nibabel as 1."""
    file = nifti(tmp_path / "a.nii", qform=(STANDING, 1), sform=(STANDING, 1), unit=unit)
    if named is None:
        assert read(file).GetSpacing() == pytest.approx((1, 2, 3))
        return
    with pytest.raises(UserError, match=rf"a\.nii gives lengths in {named} \(xyzt_units\)"):
        read(file)


MIRRORED = STANDING @ np.diag([-1, 1, 1, 1])
ELSEWHERE = STANDING + np.outer([0, 0, 5, 0], [0, 0, 0, 1])
ROUNDED = STANDING + np.outer([0.01, 0, 0, 0], [0, 0, 0, 1])


@pytest.mark.parametrize(
    ("other", "codes", "refused"),
    [
        (STANDING, (1, 1), None),
        (ROUNDED, (1, 1), None),
        (ELSEWHERE, (1, 1), "contradict each other:"),
        (ELSEWHERE, (1, 2), None),  # aligned to another image
        (ELSEWHERE, (1, 4), None),  # in the space of a template
        (MIRRORED, (1, 1), "mirror image"),
        (MIRRORED, (1, 2), "mirror image"),
        (MIRRORED, (1, 0), None),
        (MIRRORED, (0, 1), None),
    ],
)
def test_two_places_of_one_image(
    tmp_path: Path, other: np.ndarray, codes: tuple[int, int], refused: str | None
) -> None:
    """Of the codes 1 and 2, SimpleITK takes the qform and nibabel the sform."""
    file = nifti(tmp_path / "a.nii.gz", qform=(STANDING, codes[0]), sform=(other, codes[1]))
    if refused is None:
        read(file)
        return
    with pytest.raises(UserError, match=rf"a\.nii\.gz has two places in its header .*{refused}"):
        read(file)


def nrrd(file: Path, lines: str) -> Path:
    header = f"NRRD0005\ntype: short\ndimension: 3\nsizes: 2 3 4\nencoding: raw\nendian: little\n{lines}\n\n"
    file.write_bytes(header.encode() + VOXELS.astype("<i2").tobytes())
    return file


STEPS = "space directions: (1,0,0) (0,2,0) (0,0,3)\nspace origin: (10,20,30)"


def test_nrrd_of_another_space_is_turned(tmp_path: Path) -> None:
    """In LPS, as DICOM and SimpleITK have it, x and y of RAS run the other way."""
    image = read(nrrd(tmp_path / "a.nrrd", f"space: right-anterior-superior\n{STEPS}"))
    assert image.TransformIndexToPhysicalPoint((1, 1, 1)) == pytest.approx((-11, -22, 33))
    assert image.GetSpacing() == (1, 2, 3)


@pytest.mark.parametrize(
    ("lines", "reason"),
    [
        (f'space: LPS\nspace units: "mm" "mm" "mm"\n{STEPS}', None),
        ('spacings: 1 2 3\nunits: "mm" "mm" "mm"', None),
        (f'space: LPS\nspace units: "um" "um" "um"\n{STEPS}', r"lengths in um \(space units\)"),
        ('spacings: 1 2 3\nunits: "mm" "mm" "m"', r"lengths in m \(units\)"),
        ("spacings: nan 2 3", "a spacing of nan in its header: 1 mm would be taken for it"),
        ("kinds: domain domain domain", "has no spacing"),
    ],
)
def test_nrrd_is_in_millimeters(tmp_path: Path, lines: str, reason: str | None) -> None:
    file = nrrd(tmp_path / "a.nrrd", lines)
    if reason is None:
        assert read(file).GetSpacing() == (1, 2, 3)
        return
    with pytest.raises(UserError, match=rf"a\.nrrd.*{reason}"):
        read(file)


def metaimage(file: Path, lines: str, voxels: str = "LOCAL") -> Path:
    header = f"NDims = 3\nBinaryData = True\nDimSize = 2 3 4\n{lines}\nElementType = MET_SHORT\n"
    content = VOXELS.astype("<i2").tobytes()
    file.write_bytes(
        f"{header}ElementDataFile = {voxels}\n".encode() + (content if voxels == "LOCAL" else b"")
    )
    if voxels != "LOCAL":
        file.with_name(voxels).write_bytes(content)
    return file


SPACED = "ElementSpacing = 1 2 3"


@pytest.mark.parametrize(("name", "voxels"), [("a.mha", "LOCAL"), ("a.mhd", "a.raw")])
@pytest.mark.parametrize(
    ("lines", "reason"),
    [
        (SPACED, None),
        (f"{SPACED}\nDistanceUnits = mm", None),
        (f"{SPACED}\nElementToIntensityFunctionSlope = 1\nElementToIntensityFunctionOffset = 0", None),
        (f"{SPACED}\nDistanceUnits = um", r"lengths in um \(DistanceUnits\)"),
        (f"{SPACED}\nElementToIntensityFunctionOffset = -1024", "voxels are to be rescaled"),
        (f"{SPACED}\nElementToIntensityFunctionSlope = 2", "voxels are to be rescaled"),
        ("CompressedData = False", "has no spacing"),
    ],
)
def test_metaimage_means_what_is_read(
    tmp_path: Path, name: str, voxels: str, lines: str, reason: str | None
) -> None:
    file = metaimage(tmp_path / name, lines, voxels)
    if reason is None:
        image = read(file)
        assert image.GetSpacing() == (1, 2, 3) and np.array_equal(sitk.GetArrayFromImage(image), VOXELS)
        return
    with pytest.raises(UserError, match=rf"{name}.*{reason}"):
        read(file)


def test_voxels_beside_a_metaimage_header_are_whole(tmp_path: Path) -> None:
    file = metaimage(tmp_path / "a.mhd", SPACED, "a.raw")
    voxels = tmp_path / "a.raw"
    voxels.write_bytes(voxels.read_bytes()[:-2])
    with pytest.raises(UserError, match=r"a\.mhd is cut off: 46 of 48 bytes"):
        read_single_image(file)
    image = sitk.GetImageFromArray(np.random.default_rng(0).integers(0, 9, (8, 9, 10)).astype(np.int16))
    sitk.WriteImage(image, str(file), useCompression=True)
    read_single_image(file)
    compressed = tmp_path / "a.zraw"
    content = bytearray(compressed.read_bytes())
    content[len(content) // 2] ^= 1
    compressed.write_bytes(content)
    with pytest.raises(UserError, match=r"a\.mhd is damaged"):
        read_single_image(file)
    metaimage(file, SPACED, "b.raw").with_name("b.raw").unlink()
    with pytest.raises(UserError, match=r"b\.raw"):
        read_single_image(file)
