"""The NSCLC-Radiomics folder read back by pydicom and SimpleITK; contours by an independent fill."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np
import pydicom
import pytest
import SimpleITK as sitk
from matplotlib.path import Path as Polygon

from nnunetv2_raemd.phantom.configuration import NSCLC_RADIOMICS
from nnunetv2_raemd.phantom.nsclc_writer import NsclcRadiomicsLayout
from nnunetv2_raemd.phantom.phantom_archive import write_archive
from nnunetv2_raemd.phantom.thorax import Thorax, make_thorax

# different row and column spacing: a reader that swaps them fails
SETTINGS = replace(
    NSCLC_RADIOMICS, shape=(30, 80, 96), spacing_mm=(5.0, 2.9, 2.7), lesion_diameter_mm=(18.0, 40.0)
)
PATIENTS = ("LUNG1-001", "LUNG1-002")


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("nsclc") / "phantom"
    write_archive(folder, NsclcRadiomicsLayout(), SETTINGS, len(PATIENTS))
    return folder


@pytest.fixture(scope="module", params=range(len(PATIENTS)))
def case(request: pytest.FixtureRequest) -> int:
    return request.param


@pytest.fixture(scope="module")
def phantom(case: int) -> Thorax:
    return make_thorax(SETTINGS, case)


@pytest.fixture(scope="module")
def ct_folder(folder: Path, case: int) -> Path:
    (first,) = (folder / "NSCLC-Radiomics" / PATIENTS[case]).glob("*/*/1-001.dcm")
    return first.parent


@pytest.fixture(scope="module")
def structures(folder: Path, case: int) -> pydicom.Dataset:
    (path,) = (folder / "NSCLC-Radiomics" / PATIENTS[case]).glob("*/*/1-1.dcm")
    return pydicom.dcmread(path)


def _read_series(ct_folder: Path) -> sitk.Image:
    return sitk.ReadImage(sitk.ImageSeriesReader.GetGDCMSeriesFileNames(str(ct_folder)))


def test_series_read_by_simpleitk_equals_the_phantom(ct_folder: Path, phantom: Thorax) -> None:
    image = _read_series(ct_folder)
    assert np.array_equal(sitk.GetArrayFromImage(image), phantom.hu)
    assert image.GetSpacing() == pytest.approx((2.7, 2.9, 5.0))
    assert image.GetDirection() == (1, 0, 0, 0, 1, 0, 0, 0, 1)


def test_oracle_lies_on_the_series(ct_folder: Path, folder: Path, case: int, phantom: Thorax) -> None:
    oracle = sitk.ReadImage(str(folder / "oracle" / f"{PATIENTS[case]}.nii.gz"))
    image = _read_series(ct_folder)
    assert np.array_equal(sitk.GetArrayFromImage(oracle), phantom.lesion_labels > 0)
    assert oracle.GetOrigin() == pytest.approx(image.GetOrigin(), abs=1e-3)
    assert oracle.GetSpacing() == pytest.approx(image.GetSpacing(), abs=1e-5)


def test_slices_are_valid_ct_images(ct_folder: Path, phantom: Thorax) -> None:
    files = sorted(ct_folder.glob("*.dcm"))
    assert len(files) == len(phantom.hu)
    slices = [pydicom.dcmread(path) for path in files]
    for dataset in slices:
        assert dataset.SOPClassUID == pydicom.uid.CTImageStorage
        assert dataset.file_meta.TransferSyntaxUID == pydicom.uid.ImplicitVRLittleEndian
        assert dataset.file_meta.MediaStorageSOPInstanceUID == dataset.SOPInstanceUID
        assert dataset.ImageOrientationPatient == [1, 0, 0, 0, 1, 0]
        assert dataset.PixelSpacing == [2.9, 2.7]  # row spacing first
    assert len({dataset.SOPInstanceUID for dataset in slices}) == len(slices)
    assert len({dataset.FrameOfReferenceUID for dataset in slices}) == 1
    assert ct_folder.name == slices[0].SeriesInstanceUID
    assert ct_folder.parent.name == slices[0].StudyInstanceUID
    heights = [float(dataset.ImagePositionPatient[2]) for dataset in slices]
    assert np.diff(heights) == pytest.approx(-5.0)  # the first file is nearest to the head
    top = slices[0]
    hu = top.pixel_array.astype(int) * int(top.RescaleSlope) + int(top.RescaleIntercept)
    assert np.array_equal(hu, phantom.hu[-1])


def test_pseudonyms_only(ct_folder: Path, structures: pydicom.Dataset, case: int) -> None:
    for dataset in (pydicom.dcmread(ct_folder / "1-001.dcm"), structures):
        assert str(dataset.PatientName) == dataset.PatientID == PATIENTS[case]
        assert not dataset.PatientBirthDate
        assert not any(element.tag.is_private for element in dataset)


def _fill(structures: pydicom.Dataset, ct_folder: Path, roi_name: str) -> np.ndarray:
    """Even-odd fill of an ROI by matplotlib, in world coordinates, slice by referenced image."""
    (number,) = (r.ROINumber for r in structures.StructureSetROISequence if r.ROIName == roi_name)
    (roi,) = (r for r in structures.ROIContourSequence if r.ReferencedROINumber == number)
    slices = [pydicom.dcmread(path, stop_before_pixels=True) for path in ct_folder.glob("*.dcm")]
    slices.sort(key=lambda dataset: float(dataset.ImagePositionPatient[2]))
    position = {dataset.SOPInstanceUID: k for k, dataset in enumerate(slices)}
    rows, columns = slices[0].Rows, slices[0].Columns
    x0, y0, _ = slices[0].ImagePositionPatient
    dy, dx = slices[0].PixelSpacing
    y, x = np.meshgrid(float(y0) + np.arange(rows) * dy, float(x0) + np.arange(columns) * dx, indexing="ij")
    centres = np.column_stack([x.ravel(), y.ravel()])
    mask = np.zeros((len(slices), rows, columns), dtype=bool)
    for contour in roi.ContourSequence:
        assert contour.ContourGeometricType == "CLOSED_PLANAR"
        points = np.array(contour.ContourData, dtype=float).reshape(-1, 3)
        assert len(points) == contour.NumberOfContourPoints
        index = position[contour.ContourImageSequence[0].ReferencedSOPInstanceUID]
        assert points[:, 2] == pytest.approx(float(slices[index].ImagePositionPatient[2]), abs=1e-4)
        closed = Polygon(np.vstack([points[:, :2], points[:1, :2]]), closed=True)
        mask[index] ^= closed.contains_points(centres).reshape(rows, columns)
    return mask


def test_filled_tumour_contours_are_exactly_the_oracle(
    structures: pydicom.Dataset, ct_folder: Path, phantom: Thorax
) -> None:
    filled = _fill(structures, ct_folder, "GTV-1")
    assert phantom.lesion_labels.any()
    assert int((filled != (phantom.lesion_labels > 0)).sum()) == 0


@pytest.mark.parametrize("name", ["Lung-Left", "Lung-Right", "Heart", "Esophagus", "Spinal-Cord"])
def test_filled_organ_contours_are_exactly_their_masks(
    structures: pydicom.Dataset, ct_folder: Path, phantom: Thorax, name: str
) -> None:
    free = phantom.lesion_labels == 0
    masks = {
        "Lung-Left": (phantom.lung_labels == 3) & free,
        "Lung-Right": (phantom.lung_labels == 4) & free,
        **phantom.organs,
    }
    assert int((_fill(structures, ct_folder, name) != masks[name]).sum()) == 0


def test_structure_set_is_valid_and_only_numbers_join_names_to_contours(
    structures: pydicom.Dataset, ct_folder: Path
) -> None:
    image = pydicom.dcmread(ct_folder / "1-001.dcm")
    assert structures.SOPClassUID == pydicom.uid.RTStructureSetStorage
    assert structures.StudyInstanceUID == image.StudyInstanceUID
    assert structures.SeriesInstanceUID != image.SeriesInstanceUID
    frame = structures.ReferencedFrameOfReferenceSequence[0]
    assert frame.FrameOfReferenceUID == image.FrameOfReferenceUID
    series = frame.RTReferencedStudySequence[0].RTReferencedSeriesSequence[0]
    assert series.SeriesInstanceUID == image.SeriesInstanceUID
    assert len(series.ContourImageSequence) == len(list(ct_folder.glob("*.dcm")))
    listed = [roi.ROINumber for roi in structures.StructureSetROISequence]
    drawn = [roi.ReferencedROINumber for roi in structures.ROIContourSequence]
    assert sorted(listed) == sorted(drawn)
    assert listed != drawn
    assert structures.StructureSetROISequence[0].ROIName != "GTV-1"


def test_roi_names_are_those_of_the_archive(structures: pydicom.Dataset, real_data: Path) -> None:
    (path,) = (real_data / "nsclc-radiomics").glob("*/*/1-1.dcm")
    real = {roi.ROIName for roi in pydicom.dcmread(path).StructureSetROISequence}
    assert {roi.ROIName for roi in structures.StructureSetROISequence} == real


def test_another_seed_is_another_study(folder: Path, tmp_path: Path) -> None:
    write_archive(tmp_path / "p", NsclcRadiomicsLayout(), replace(SETTINGS, seed=1), 1)
    uids = {
        path.name
        for root in (folder, tmp_path / "p")
        for path in (root / "NSCLC-Radiomics" / "LUNG1-001").rglob("*")
        if path.is_dir()
    }
    assert len(uids) == 6  # a study and two series each


def test_same_seed_same_dicom_bytes(folder: Path, tmp_path: Path) -> None:
    write_archive(tmp_path / "again", NsclcRadiomicsLayout(), SETTINGS, 1)
    files = list((tmp_path / "again" / "NSCLC-Radiomics").rglob("*.dcm"))
    assert len(files) == 31
    for path in files:
        assert path.read_bytes() == (folder / path.relative_to(tmp_path / "again")).read_bytes()
