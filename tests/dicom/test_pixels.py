"""Every way in which CT stores its values gives the same HU."""

from __future__ import annotations

import shutil
import subprocess
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import SimpleITK as sitk
from dicom_patient import MakePatient, item
from pydicom import dcmread
from pydicom.encaps import encapsulate
from pydicom.uid import (
    UID,
    DeflatedExplicitVRLittleEndian,
    ExplicitVRBigEndian,
    ExplicitVRLittleEndian,
    ImplicitVRLittleEndian,
    JPEG2000Lossless,
    JPEGLSLossless,
    RLELossless,
)

from nnunetv2_raemd.dicom.dicom_headers import read_header
from nnunetv2_raemd.dicom.index_entries import CtInstance
from nnunetv2_raemd.dicom.pixels import read_slices
from nnunetv2_raemd.errors import UserError

SHAPE = (12, 16)
# bits allocated, bits stored, signed
FORMATS = [(16, 12, False), (16, 12, True), (16, 16, False), (16, 16, True), (16, 13, True), (8, 8, False)]
NATIVE = [ImplicitVRLittleEndian, ExplicitVRLittleEndian, ExplicitVRBigEndian, DeflatedExplicitVRLittleEndian]
BY_PYDICOM = [RLELossless, JPEGLSLossless]
DCMTK = {
    "JPEG lossless, first-order": ["dcmcjpeg"],
    "JPEG lossless": ["dcmcjpeg", "+el"],
    "JPEG-LS": ["dcmcjpls"],
    "RLE": ["dcmcrle"],
}


Stored = tuple[np.ndarray, dict[str, Any]]
"""Values of one format that are HU, and the format."""


def stored_values(bits: int, *, signed: bool) -> np.ndarray:
    """From the least to the greatest value there is."""
    low = -(2 ** (bits - 1)) if signed else 0
    return np.linspace(low, low + 2**bits - 1, SHAPE[0] * SHAPE[1]).round().astype(int).reshape(SHAPE)


def write(
    patient: Any,
    values: np.ndarray,
    file: Path,
    *,
    allocated: int,
    bits: int,
    syntax: UID = ExplicitVRLittleEndian,
    **changes: Any,
) -> None:
    order = "<" if syntax.is_little_endian else ">"
    image = patient.ct_slice(
        0,
        BitsAllocated=allocated,
        BitsStored=bits,
        HighBit=bits - 1,
        PixelRepresentation=int(values.min() < 0),
        PixelData=(values & (2**allocated - 1)).astype(f"{order}u{allocated // 8}").tobytes(),
        RescaleIntercept=-16,
        **changes,
    )
    if allocated == 8:
        image["PixelData"].VR = "OB"
    image.file_meta.TransferSyntaxUID = syntax
    image.save_as(file, enforce_file_format=True)


def hu_of(file: Path) -> np.ndarray:
    image = read_header(file)
    assert isinstance(image, CtInstance)
    (hu,) = read_slices([image])
    return hu


def as_hu(values: np.ndarray) -> np.ndarray:
    return values - 16


@pytest.fixture(params=FORMATS, ids=str)
def stored(request: pytest.FixtureRequest) -> Stored:
    """Values of one format that are HU, and the format."""
    allocated, bits, signed = request.param
    values = stored_values(bits, signed=signed)
    limit = np.iinfo(np.int16)
    return np.clip(values, limit.min + 16, limit.max), {"allocated": allocated, "bits": bits}


@pytest.mark.parametrize("photometric", ["MONOCHROME1", "MONOCHROME2"])
@pytest.mark.parametrize("syntax", NATIVE, ids=lambda uid: uid.name)
def test_uncompressed(
    make_patient: MakePatient,
    tmp_path: Path,
    stored: Stored,
    photometric: str,
    syntax: UID,
) -> None:
    values, form = stored
    file = tmp_path / "a.dcm"
    write(make_patient(), values, file, syntax=syntax, PhotometricInterpretation=photometric, **form)
    assert np.array_equal(hu_of(file), as_hu(values))


@pytest.mark.parametrize("photometric", ["MONOCHROME1", "MONOCHROME2"])
@pytest.mark.parametrize("syntax", BY_PYDICOM, ids=lambda uid: uid.name)
def test_compressed_by_pydicom(
    make_patient: MakePatient,
    tmp_path: Path,
    stored: Stored,
    photometric: str,
    syntax: str,
) -> None:
    values, form = stored
    file = tmp_path / "a.dcm"
    write(make_patient(), values, file, PhotometricInterpretation=photometric, **form)
    dataset = dcmread(file)
    dataset.compress(syntax, generate_instance_uid=False)
    dataset.save_as(file)
    assert np.array_equal(hu_of(file), as_hu(values))


@pytest.mark.parametrize("photometric", ["MONOCHROME1", "MONOCHROME2"])
@pytest.mark.parametrize("command", DCMTK.values(), ids=DCMTK)
def test_compressed_by_dcmtk(
    make_patient: MakePatient,
    tmp_path: Path,
    stored: Stored,
    photometric: str,
    command: list[str],
) -> None:
    if shutil.which(command[0]) is None:
        pytest.skip(f"{command[0]} of DCMTK is not installed")
    values, form = stored
    write(make_patient(), values, tmp_path / "a.dcm", PhotometricInterpretation=photometric, **form)
    subprocess.run([*command, str(tmp_path / "a.dcm"), str(tmp_path / "b.dcm")], check=True)
    assert dcmread(tmp_path / "b.dcm").file_meta.TransferSyntaxUID.is_compressed
    assert np.array_equal(hu_of(tmp_path / "b.dcm"), as_hu(values))


@pytest.mark.parametrize("photometric", ["MONOCHROME1", "MONOCHROME2"])
def test_jpeg_2000(make_patient: MakePatient, tmp_path: Path, stored: Stored, photometric: str) -> None:
    """SimpleITK writes it, in whole bytes only."""
    values, form = stored
    allocated, signed = form["allocated"], bool(values.min() < 0)
    pixels = values.astype(np.int16 if signed else f"u{allocated // 8}")
    writer = sitk.ImageFileWriter()
    writer.SetFileName(str(tmp_path / "j2k.dcm"))
    writer.SetCompressor("JPEG2000")
    writer.UseCompressionOn()
    writer.Execute(sitk.GetImageFromArray(pixels[None]))
    dataset = make_patient().ct_slice(0, RescaleIntercept=-16, PhotometricInterpretation=photometric)
    written = dcmread(tmp_path / "j2k.dcm")
    for keyword in ("BitsAllocated", "BitsStored", "HighBit", "PixelRepresentation", "PixelData"):
        setattr(dataset, keyword, written[keyword].value)
    dataset.file_meta.TransferSyntaxUID = JPEG2000Lossless
    dataset["PixelData"].VR = "OB"
    dataset.save_as(tmp_path / "a.dcm", enforce_file_format=True)
    assert np.array_equal(hu_of(tmp_path / "a.dcm"), as_hu(values))


@pytest.mark.parametrize("syntax", [ExplicitVRLittleEndian, *BY_PYDICOM], ids=lambda uid: uid.name)
def test_bits_that_are_not_stored_do_not_count(
    make_patient: MakePatient, tmp_path: Path, syntax: str
) -> None:
    """Old scanners keep overlays in the four bits above the twelve of an image."""
    values = stored_values(12, signed=False)
    file = tmp_path / "a.dcm"
    write(make_patient(), values | 0x5000, file, allocated=16, bits=12)
    dataset = dcmread(file)
    if syntax == RLELossless:
        dataset.compress(syntax, generate_instance_uid=False)
    elif syntax == JPEGLSLossless:
        pytest.importorskip("jpeg_ls")
        import jpeg_ls  # noqa: PLC0415 - pydicom's own encoder refuses such values

        dataset.PixelData = encapsulate([bytes(jpeg_ls.encode_array((values | 0x5000).astype("<u2")))])
        dataset["PixelData"].VR = "OB"
        dataset.file_meta.TransferSyntaxUID = UID(syntax)
    dataset.save_as(file)
    assert np.array_equal(hu_of(file), as_hu(values))


@pytest.mark.parametrize(
    ("changes", "reason"),
    [
        ({"HighBit": 15, "BitsStored": 12}, "HighBit is not BitsStored - 1"),
        ({"PhotometricInterpretation": "PALETTE COLOR"}, "colors, not HU"),
        ({"RescaleType": "Z_EFF"}, "RescaleType is Z_EFF"),
        ({"RescaleType": "HU_MOD"}, "RescaleType is HU_MOD"),
        (
            {"ModalityLUTSequence": [item(LUTDescriptor=[2, 0, 16])]},
            "has a ModalityLUTSequence beside Rescale",
        ),
        ({"RescaleIntercept": None}, "lacks RescaleSlope or RescaleIntercept"),
    ],
)
def test_other_values_than_hu_are_refused(
    make_patient: MakePatient, tmp_path: Path, changes: dict[str, Any], reason: str
) -> None:
    make_patient().ct_slice(0, **changes).save_as(tmp_path / "a.dcm", enforce_file_format=True)
    with pytest.raises(UserError, match=reason) as error:
        hu_of(tmp_path / "a.dcm")
    assert "a.dcm" in str(error.value)


@pytest.mark.parametrize("command", ["dcmcjpeg", "dcmcjpls"])
def test_compressed_image_that_is_cut_off_is_refused(
    make_patient: MakePatient, tmp_path: Path, command: str
) -> None:
    """Decoders give the rest as noise or as zeros and say nothing."""
    if shutil.which(command) is None:
        pytest.skip(f"{command} of DCMTK is not installed")
    write(make_patient(), stored_values(12, signed=False), tmp_path / "a.dcm", allocated=16, bits=12)
    subprocess.run([command, str(tmp_path / "a.dcm"), str(tmp_path / "b.dcm")], check=True)
    dataset = dcmread(tmp_path / "b.dcm")
    whole = dataset.PixelData
    start = whole.index(b"\xff\xd8")
    for keep in (0.2, 0.5, 0.9):
        cut = whole[start : start + int(keep * (len(whole) - start - 8))]
        dataset.PixelData = encapsulate([cut])
        dataset.save_as(tmp_path / "c.dcm")
        with pytest.raises(UserError, match="cut off"):
            hu_of(tmp_path / "c.dcm")


@pytest.mark.parametrize("slope", [0, -1])
def test_a_slope_that_makes_no_hu_is_refused(make_patient: MakePatient, tmp_path: Path, slope: float) -> None:
    file = tmp_path / "a.dcm"
    write(make_patient(), stored_values(12, signed=False), file, allocated=16, bits=12, RescaleSlope=slope)
    with pytest.raises(UserError, match=rf"a\.dcm has a RescaleSlope of {slope}: its values are not HU"):
        hu_of(file)
