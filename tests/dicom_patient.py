"""A patient of NSCLC-Radiomics made by hand: CT series and structure set in DICOM."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pydicom
from pydicom.dataset import Dataset, FileMetaDataset
from pydicom.uid import CTImageStorage, ExplicitVRLittleEndian, RTStructureSetStorage, generate_uid


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
        self.uids: dict[str, str] = {
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
        image = _dataset(CTImageStorage, self.slice_uid(index))
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
        listed: Sequence[int] | None = None,
    ) -> Path:
        """Write ROIs as {name: [(geometric type, points in mm)]}; `listed` slices, by default all, are named.

        The contours are listed in reverse order of the names, as in files that only numbers tell apart.
        """
        structure_set = _dataset(RTStructureSetStorage, generate_uid(entropy_srcs=[self.patient_id, name]))
        structure_set.PatientID, structure_set.Modality = self.patient_id, "RTSTRUCT"
        structure_set.PatientName, structure_set.PatientBirthDate = "Secret^Name", "19000101"
        structure_set.StudyInstanceUID = self.uids["study"]
        structure_set.SeriesInstanceUID = self.uids["rt"]
        slices = range(len(self.heights_mm)) if listed is None else listed
        referenced_series = item(
            SeriesInstanceUID=series or self.uids["ct"],
            ContourImageSequence=[self._image_reference(index) for index in slices],
        )
        study = item(RTReferencedSeriesSequence=[referenced_series])
        structure_set.ReferencedFrameOfReferenceSequence = [
            item(FrameOfReferenceUID=self.uids["frame"], RTReferencedStudySequence=[study])
        ]
        numbers = {roi: number for number, roi in enumerate(rois, start=3)}
        structure_set.StructureSetROISequence = [item(ROINumber=n, ROIName=roi) for roi, n in numbers.items()]
        structure_set.ROIContourSequence = [
            item(
                ReferencedROINumber=numbers[roi],
                ContourSequence=[
                    item(
                        ContourGeometricType=kind,
                        NumberOfContourPoints=len(points),
                        ContourData=[round(float(x), 6) for x in np.ravel(points)],
                        ContourImageSequence=self._references(points),
                    )
                    for kind, points in contours
                ],
            )
            for roi, contours in reversed(rois.items())
        ]
        file = self.folder / name
        save(structure_set, file)
        return file

    def slice_uid(self, index: int) -> str:
        return generate_uid(entropy_srcs=[self.patient_id, "slice", str(index)])

    def _image_reference(self, index: int) -> Dataset:
        return item(ReferencedSOPClassUID=CTImageStorage, ReferencedSOPInstanceUID=self.slice_uid(index))

    def _references(self, points: np.ndarray) -> list[Dataset]:
        """To the slice that a contour lies on, where it lies on one."""
        if np.size(points) % 3:
            return []
        height = float(np.mean(np.reshape(points, (-1, 3)) @ self.normal))
        heights = np.asarray(self.heights_mm) + np.dot(self.origin_mm, self.normal)
        return [self._image_reference(int(i)) for i in np.flatnonzero(np.abs(heights - height) < 0.01)]

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


MakePatient = Callable[..., DicomPatient]
SaveDicom = Callable[[Dataset, Path], None]


def save(dataset: Dataset, file: Path) -> None:
    file.parent.mkdir(parents=True, exist_ok=True)
    pydicom.dcmwrite(file, dataset, enforce_file_format=True)


def _dataset(sop_class: str, sop_uid: str) -> Dataset:
    dataset = Dataset()
    dataset.file_meta = FileMetaDataset()
    dataset.file_meta.TransferSyntaxUID = ExplicitVRLittleEndian
    dataset.SOPClassUID, dataset.SOPInstanceUID = sop_class, sop_uid
    return dataset


def item(**values: Any) -> Dataset:
    item = Dataset()
    for keyword, value in values.items():
        setattr(item, keyword, value)
    return item
