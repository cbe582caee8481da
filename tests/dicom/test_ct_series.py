"""Ordering, checking and reading a CT series."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pydicom
import pytest
import SimpleITK as sitk
from dicom_patient import MakePatient, SaveDicom

from nnunetv2_raemd.dicom.ct_series import CtSeries, order_series, read_hu, to_image
from nnunetv2_raemd.dicom.dicom_index import index_folder
from nnunetv2_raemd.errors import UserError

OBLIQUE = (0.36, 0.48, -0.8, -0.8, 0.6, 0.0)
SAGITTAL = (0, 1, 0, 0, 0, -1)
PRONE = (-1, 0, 0, 0, -1, 0)


def series_of(patient: Any) -> CtSeries:
    return order_series(index_folder(patient.folder).ct[patient.uids["ct"]])


@pytest.mark.parametrize("orientation", [(1, 0, 0, 0, 1, 0), PRONE, SAGITTAL, OBLIQUE])
def test_volume_and_geometry_equal_simpleitks(
    make_patient: MakePatient, orientation: tuple[float, ...]
) -> None:
    """SimpleITK's own series reader is the reference; it is handed the files in order."""
    patient = make_patient(orientation=orientation, slope=2.0, intercept=-1000.0)
    patient.write_ct()
    series = series_of(patient)
    image = to_image(read_hu(series), series, series.mean_distance_mm)
    reader = sitk.ImageSeriesReader()
    reader.SetFileNames([str(s.path) for s in series.slices])
    expected = reader.Execute()
    assert np.array_equal(sitk.GetArrayFromImage(image), sitk.GetArrayFromImage(expected))
    assert np.array_equal(sitk.GetArrayFromImage(image), patient.stored * 2.0 - 1000)
    assert image.GetPixelID() == sitk.sitkInt16
    for given, wanted in (
        (image.GetSpacing(), expected.GetSpacing()),
        (image.GetOrigin(), expected.GetOrigin()),
        (image.GetDirection(), expected.GetDirection()),
    ):
        assert np.allclose(given, wanted, atol=1e-5)


def test_fractional_rescale_is_rounded(make_patient: MakePatient) -> None:
    patient = make_patient(slope=0.5, intercept=-1000.25)
    patient.write_ct()
    assert np.array_equal(read_hu(series_of(patient)), np.rint(patient.stored * 0.5 - 1000.25))


def test_copied_file_is_dropped_and_the_spacing_stays(
    make_patient: MakePatient, save_dicom: SaveDicom
) -> None:
    """One copied file made a reader report 0.94 mm instead of 3.0."""
    patient = make_patient()
    files = patient.write_ct()
    (patient.folder / "copy.dcm").write_bytes(files[2].read_bytes())
    save_dicom(patient.ct_slice(5, SOPInstanceUID="1.2.3.4"), patient.folder / "same position.dcm")
    series = series_of(patient)
    assert series.notes == ("2 duplicated images dropped",)
    assert series.is_even and series.mean_distance_mm == pytest.approx(3.0)
    assert np.array_equal(read_hu(series), patient.stored.astype(int) - 1024)


@pytest.mark.parametrize(
    ("changes", "told"),
    [
        ({}, "same SOPInstanceUID but different positions"),
        ({"ImagePositionPatient": [-30, -20, 121]}, "different images of the same position"),
    ],
)
def test_two_images_with_the_same_uid_are_no_copies(
    make_patient: MakePatient, save_dicom: SaveDicom, changes: dict[str, Any], told: str
) -> None:
    """The first slice under the UID of the last: without it no gap would show."""
    patient = make_patient()
    patient.write_ct(skip=[0])
    save_dicom(patient.ct_slice(0, SOPInstanceUID=patient.slice_uid(7), **changes), patient.folder / "0.dcm")
    with pytest.raises(UserError, match=told):
        series_of(patient)


@pytest.mark.parametrize("places", [(1,), (5, 6, 7)])
def test_images_of_two_patients_in_one_series_are_refused(
    make_patient: MakePatient, save_dicom: SaveDicom, places: tuple[int, ...]
) -> None:
    """As where UIDs were made the same: slices of two people must not become one scan."""
    patient = make_patient()
    patient.write_ct(skip=places)
    for index in places:
        save_dicom(patient.ct_slice(index, PatientID="another"), patient.folder / "ct" / f"other-{index}.dcm")
    with pytest.raises(UserError, match=r"its images name 2 different patients, .*dcm and .*dcm") as error:
        series_of(patient)
    assert f"other-{places[0]}.dcm" in str(error.value) and "another" not in str(error.value)


def test_several_frames_of_reference_are_named(make_patient: MakePatient, save_dicom: SaveDicom) -> None:
    patient = make_patient()
    patient.write_ct(skip=[3])
    save_dicom(patient.ct_slice(3, FrameOfReferenceUID="1.2.3"), patient.folder / "ct" / "other.dcm")
    series = series_of(patient)
    assert len(series.slices) == 8
    assert series.notes == ("the images name 2 frames of reference: their places are taken for those of one",)


def test_two_different_images_of_one_position_are_refused(
    make_patient: MakePatient, save_dicom: SaveDicom
) -> None:
    patient = make_patient()
    patient.write_ct()
    other = patient.ct_slice(5, SOPInstanceUID="1.2.3.4", PixelData=bytes(12 * 16 * 2))
    save_dicom(other, patient.folder / "other.dcm")
    with pytest.raises(UserError, match="different images of the same position"):
        series_of(patient)


def test_localizer_is_dropped(make_patient: MakePatient, save_dicom: SaveDicom) -> None:
    patient = make_patient()
    patient.write_ct()
    localizer = patient.ct_slice(0, SOPInstanceUID="1.2.3.5", ImageType=["ORIGINAL", "PRIMARY", "LOCALIZER"])
    localizer.ImageOrientationPatient = [1, 0, 0, 0, 0, -1]
    save_dicom(localizer, patient.folder / "localizer.dcm")
    assert series_of(patient).notes == ("1 localizer image dropped",)


@pytest.mark.parametrize(
    ("heights", "even"),
    [
        ([0.0, 3, 6, 9], True),
        ([0.0, 3.04, 5.98, 9], True),  # rounded positions
        ([0.0, 3, 9, 12], False),
        ([0.0, 3, 6.5, 9], False),
    ],
)
def test_missing_and_uneven_slices_are_noticed(
    make_patient: MakePatient, heights: list[float], even: bool
) -> None:
    patient = make_patient(heights_mm=heights)
    patient.write_ct()
    series = series_of(patient)
    assert series.is_even is even
    if heights[2] == 9:
        assert series.describe_gaps() == "slices are 3.000 mm apart but 6.000 mm after slice 2"


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"ImagePositionPatient": None}, "lacks position"),
        ({"PixelSpacing": [2.0, 1.6]}, "differs in size, pixel spacing or orientation"),
        (
            {"ImageOrientationPatient": [1, 0, 0, 0, 0.8, 0.6]},
            "differs in size, pixel spacing or orientation",
        ),
        ({"Rows": 11}, "differs in size, pixel spacing or orientation"),
        ({"RescaleSlope": None}, "not HU"),
        ({"RescaleSlope": 1000}, "not HU"),
        ({"PixelData": bytes(10)}, "10 of 384 bytes of voxels: it is cut off"),
    ],
)
def test_bad_slice_is_named(
    make_patient: MakePatient, save_dicom: SaveDicom, change: dict[str, Any], message: str
) -> None:
    patient = make_patient()
    patient.write_ct(skip=[4])
    bad = patient.folder / "bad.dcm"
    save_dicom(patient.ct_slice(4, **change), bad)
    with pytest.raises(UserError, match=message) as error:
        read_hu(series_of(patient))
    assert str(bad) in str(error.value) or "differs" in message


def test_truncated_slice_is_named(make_patient: MakePatient) -> None:
    patient = make_patient()
    file = patient.write_ct()[3]
    file.write_bytes(file.read_bytes()[:-100])
    with pytest.raises(UserError, match=file.name):
        read_hu(series_of(patient))


def test_axes_not_at_right_angles_are_refused(make_patient: MakePatient) -> None:
    patient = make_patient(orientation=(1, 0, 0, 0.1, 0.995, 0))
    patient.write_ct()
    with pytest.raises(UserError, match="right angles"):
        series_of(patient)


def test_single_slice_is_refused(make_patient: MakePatient) -> None:
    patient = make_patient(heights_mm=[0.0])
    patient.write_ct()
    with pytest.raises(UserError, match="only one slice"):
        series_of(patient)


@pytest.mark.parametrize("codec", ["JPEG", "JPEG2000"])
def test_compressed_slices_give_the_same_hu(make_patient: MakePatient, codec: str) -> None:
    """Lossless JPEG, which pydicom alone cannot read, and JPEG 2000."""
    patient = make_patient(slope=1.0, intercept=0.0)
    for file in patient.write_ct():
        _compress(file, codec)
    series = series_of(patient)
    assert np.array_equal(read_hu(series), patient.stored)
    assert pydicom.dcmread(series.slices[0].path).file_meta.TransferSyntaxUID.is_compressed


def _compress(file: Path, codec: str) -> None:
    image = sitk.ReadImage(str(file))
    writer = sitk.ImageFileWriter()
    writer.KeepOriginalImageUIDOn()
    writer.SetFileName(str(file))
    writer.SetCompressor(codec)
    writer.UseCompressionOn()
    writer.Execute(image)


def test_real_oblique_series_is_ordered(real_data: Path) -> None:
    """Three slices of 3.5 x 2.5 mm pixels in an orientation given to seven digits."""
    index = index_folder(real_data / "dicom-odd" / "rt-utils" / "oriented_data")
    series = order_series(next(iter(index.ct.values())))
    assert [s.path.name for s in series.slices] == ["0.dcm", "1.dcm", "2.dcm"]
    assert series.is_even and series.mean_distance_mm == pytest.approx(4.5, abs=1e-3)
    assert np.allclose(series.direction @ series.direction.T, np.eye(3), atol=1e-12)
