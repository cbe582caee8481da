"""Small archives made by hand, for the converters to read."""

from __future__ import annotations

import csv
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
import pydicom
import pytest
import SimpleITK as sitk
from pydicom.dataset import Dataset, FileMetaDataset
from pydicom.uid import CTImageStorage, ExplicitVRLittleEndian, RTStructureSetStorage, generate_uid

Row = tuple[str, float, float, float, float]


@pytest.fixture
def nnunet_folders(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """nnU-Net's three folders, empty; returns nnUNet_raw."""
    for name in ("nnUNet_raw", "nnUNet_preprocessed", "nnUNet_results"):
        (tmp_path / name).mkdir()
        monkeypatch.setenv(name, str(tmp_path / name))
    return tmp_path / "nnUNet_raw"


@dataclass
class LunaFolder:
    """A LUNA16 folder in the making: scans, then `write_annotations`."""

    path: Path
    rows: list[Row] = field(default_factory=list)

    def add_scan(
        self, uid: str, *, turned: bool = False, nodule: tuple[float, float, float] | None = None
    ) -> sitk.Image:
        """Write noise of 24 x 20 x 16 (x, y, z) voxels; `nodule` is the index of a 6 mm nodule."""
        seed = sum(map(ord, uid))
        hu = np.random.default_rng(seed).normal(-800, 60, (16, 20, 24)).astype(np.int16)
        image = sitk.GetImageFromArray(hu)
        image.SetSpacing((0.75, 0.5, 1.25))
        image.SetOrigin((-50.5, 20.25, -300.0))
        if turned:
            image.SetDirection((-1, 0, 0, 0, -1, 0, 0, 0, 1))
        folder = self.path / f"subset{seed % 10}"
        folder.mkdir(parents=True, exist_ok=True)
        sitk.WriteImage(image, str(folder / f"{uid}.mhd"))
        if nodule is not None:
            self.rows.append((uid, *image.TransformContinuousIndexToPhysicalPoint(nodule), 6.0))
        return image

    def voxels(self, uid: str) -> Path:
        return next(self.path.rglob(f"{uid}.raw"))

    def write_annotations(self) -> Path:
        file = self.path / "annotations.csv"
        with file.open("w", newline="") as stream:
            writer = csv.writer(stream)
            writer.writerow(["seriesuid", "coordX", "coordY", "coordZ", "diameter_mm"])
            writer.writerows(self.rows)
        return file


@pytest.fixture
def luna(tmp_path: Path) -> LunaFolder:
    """An empty LUNA16 folder."""
    return LunaFolder(tmp_path / "luna")


@pytest.fixture
def luna_of_five(luna: LunaFolder) -> LunaFolder:
    """Scans 1.0 to 1.4, each with a nodule but 1.4; 1.1 is stored turned."""
    for number in range(5):
        nodule = None if number == 4 else (10.25, 9.5, 7.75)
        luna.add_scan(f"1.{number}", turned=number == 1, nodule=nodule)
    luna.write_annotations()
    return luna


@dataclass
class DicomPatient:
    """One patient's CT series and structure set, 12 rows, 16 columns, in the making.

    Rows are 2 mm apart, columns 1.5 mm; `orientation` is DICOM's, `heights_mm` are along the normal.
    """

    folder: Path
    patient_id: str = "LUNG1-900"
    orientation: Sequence[float] = (1, 0, 0, 0, 1, 0)
    heights_mm: Sequence[float] = tuple(3.0 * i for i in range(8))
    origin_mm: Sequence[float] = (-30.0, -20.0, 100.0)
    slope: float = 1.0
    intercept: float = -1024.0

    def __post_init__(self) -> None:
        self.uids = {
            key: generate_uid(entropy_srcs=[self.patient_id, key]) for key in ("study", "ct", "frame", "rt")
        }
        axes = np.reshape(self.orientation, (2, 3)).astype(float)
        self.column_axis, self.row_axis = axes
        self.normal = np.cross(self.column_axis, self.row_axis)
        rng = np.random.default_rng(len(self.patient_id))
        self.stored = rng.integers(0, 2000, (len(self.heights_mm), 12, 16)).astype(np.uint16)

    def position(self, index: int) -> np.ndarray:
        return np.asarray(self.origin_mm) + self.heights_mm[index] * self.normal

    def to_world(self, row_column: Sequence[Sequence[float]], height_mm: float) -> np.ndarray:
        """Pixel coordinates at a height along the normal in millimetres, (N, 3)."""
        rows, columns = np.asarray(row_column, dtype=float).T
        in_plane = np.outer(rows * 2.0, self.row_axis) + np.outer(columns * 1.5, self.column_axis)
        return np.asarray(self.origin_mm) + in_plane + height_mm * self.normal

    def ct_slice(self, index: int, **changes: Any) -> Dataset:
        """The image of one slice; `changes` set or (None) remove attributes."""
        image = _dataset(CTImageStorage, generate_uid(entropy_srcs=[self.patient_id, "slice", str(index)]))
        image.PatientID, image.Modality = self.patient_id, "CT"
        image.PatientName, image.PatientBirthDate = "Secret^Name", "19000101"
        image.StudyInstanceUID, image.SeriesInstanceUID = self.uids["study"], self.uids["ct"]
        image.FrameOfReferenceUID, image.ImageType = self.uids["frame"], ["ORIGINAL", "PRIMARY", "AXIAL"]
        image.ImagePositionPatient = [round(float(x), 6) for x in self.position(index)]
        image.ImageOrientationPatient = [round(float(x), 9) for x in self.orientation]
        image.PixelSpacing = [2.0, 1.5]
        image.Rows, image.Columns = self.stored.shape[1:]
        image.SamplesPerPixel, image.PhotometricInterpretation = 1, "MONOCHROME2"
        image.BitsAllocated, image.BitsStored, image.HighBit, image.PixelRepresentation = 16, 16, 15, 0
        image.RescaleSlope, image.RescaleIntercept = self.slope, self.intercept
        image.PixelData = self.stored[index].tobytes()
        for keyword, value in changes.items():
            if value is None:
                delattr(image, keyword)
            else:
                setattr(image, keyword, value)
        return image

    def write_ct(self, *, skip: Sequence[int] = ()) -> list[Path]:
        """Write the series in an order of names that has nothing to do with the order of slices."""
        files = []
        for index in range(len(self.heights_mm)):
            if index not in skip:
                file = self.folder / "ct" / f"{(index * 5) % 11:02d}-{index}.dcm"
                save(self.ct_slice(index), file)
                files.append(file)
        return files

    def write_rtstruct(
        self,
        rois: dict[str, list[tuple[str, np.ndarray]]],
        *,
        name: str = "rt.dcm",
        series: str | None = None,
    ) -> Path:
        """Write ROIs as {name: [(geometric type, points in mm)]}.

        The contours are listed in reverse order of the names, as in files that only numbers tell apart.
        """
        structure_set = _dataset(RTStructureSetStorage, generate_uid(entropy_srcs=[self.patient_id, name]))
        structure_set.PatientID, structure_set.Modality = self.patient_id, "RTSTRUCT"
        structure_set.PatientName, structure_set.PatientBirthDate = "Secret^Name", "19000101"
        structure_set.StudyInstanceUID = self.uids["study"]
        structure_set.SeriesInstanceUID = self.uids["rt"]
        referenced_series = _item(SeriesInstanceUID=series or self.uids["ct"])
        study = _item(RTReferencedSeriesSequence=[referenced_series])
        structure_set.ReferencedFrameOfReferenceSequence = [
            _item(FrameOfReferenceUID=self.uids["frame"], RTReferencedStudySequence=[study])
        ]
        numbers = {roi: number for number, roi in enumerate(rois, start=3)}
        structure_set.StructureSetROISequence = [
            _item(ROINumber=n, ROIName=roi) for roi, n in numbers.items()
        ]
        structure_set.ROIContourSequence = [
            _item(
                ReferencedROINumber=numbers[roi],
                ContourSequence=[
                    _item(
                        ContourGeometricType=kind,
                        NumberOfContourPoints=len(points),
                        ContourData=[round(float(x), 6) for x in np.ravel(points)],
                    )
                    for kind, points in contours
                ],
            )
            for roi, contours in reversed(rois.items())
        ]
        file = self.folder / name
        save(structure_set, file)
        return file

    def box(self, slices: Sequence[int], *, rows: tuple[int, int], columns: tuple[int, int]) -> list[Any]:
        """Contours round whole pixels: rows and columns from the first to the last, both included."""
        (top, bottom), (left, right) = rows, columns
        corners = [
            (top - 0.5, left - 0.5),
            (top - 0.5, right + 0.5),
            (bottom + 0.5, right + 0.5),
            (bottom + 0.5, left - 0.5),
        ]
        return [("CLOSED_PLANAR", self.to_world(corners, self.heights_mm[i])) for i in slices]


@pytest.fixture
def make_patient(tmp_path: Path) -> Callable[..., DicomPatient]:
    """Makes patients below `tmp_path / "dicom"`, a folder each."""

    def make(patient_id: str = "LUNG1-900", **options: Any) -> DicomPatient:
        return DicomPatient(tmp_path / "dicom" / patient_id, patient_id, **options)

    return make


@pytest.fixture
def save_dicom() -> Callable[[Dataset, Path], None]:
    """Writes a data set to a file, creating its folder."""
    return save


def save(dataset: Dataset, file: Path) -> None:
    file.parent.mkdir(parents=True, exist_ok=True)
    pydicom.dcmwrite(file, dataset, enforce_file_format=True)


def _dataset(sop_class: str, sop_uid: str) -> Dataset:
    dataset = Dataset()
    dataset.file_meta = FileMetaDataset()
    dataset.file_meta.TransferSyntaxUID = ExplicitVRLittleEndian
    dataset.SOPClassUID, dataset.SOPInstanceUID = sop_class, sop_uid
    return dataset


def _item(**values: Any) -> Dataset:
    item = Dataset()
    for keyword, value in values.items():
        setattr(item, keyword, value)
    return item
