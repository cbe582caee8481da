"""A thorax as a DICOM CT series (DICOM PS3.3 A.3, CT Image IOD)."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from pydicom.dataset import Dataset, FileMetaDataset
from pydicom.uid import PYDICOM_IMPLEMENTATION_UID, UID, CTImageStorage, ImplicitVRLittleEndian, generate_uid

from nnunetv2_raemd.phantom.thorax import Thorax

RESCALE_INTERCEPT = -1024


@dataclass(frozen=True)
class DicomCase:
    """Identity and place of one patient's study.

    Attributes:
        patient_id: pseudonym, as `LUNG1-001`.
        origin_mm: world (x, y, z) of the centre of voxel (0, 0, 0).
        spacing_mm: distance of voxel centres along (z, y, x).
        slices: number of slices.
        entropy: what the UIDs are derived from.
    """

    patient_id: str
    origin_mm: tuple[float, float, float]
    spacing_mm: tuple[float, float, float]
    slices: int
    entropy: tuple[str, ...]

    def uid(self, what: str) -> UID:
        """The UID of a part of the study, the same in every run."""
        return generate_uid(entropy_srcs=[*self.entropy, what])

    def slice_uid(self, index: int) -> UID:
        """SOPInstanceUID of a slice."""
        return self.uid(f"slice {index}")

    def slice_z_mm(self, index: int) -> float:
        """World z of a slice."""
        return round(self.origin_mm[2] + index * self.spacing_mm[0], 4)


def common_dataset(case: DicomCase, sop_class: UID, sop_instance: UID, series: str) -> Dataset:
    """Patient, study and file information that image and structure set share."""
    dataset = Dataset()
    dataset.file_meta = FileMetaDataset()
    dataset.file_meta.MediaStorageSOPClassUID = sop_class
    dataset.file_meta.MediaStorageSOPInstanceUID = sop_instance
    dataset.file_meta.TransferSyntaxUID = ImplicitVRLittleEndian
    dataset.file_meta.ImplementationClassUID = PYDICOM_IMPLEMENTATION_UID
    dataset.SpecificCharacterSet = "ISO_IR 192"
    dataset.SOPClassUID, dataset.SOPInstanceUID = sop_class, sop_instance
    dataset.StudyInstanceUID, dataset.SeriesInstanceUID = case.uid("study"), case.uid(series)
    dataset.FrameOfReferenceUID = case.uid("frame of reference")
    dataset.PatientName = dataset.PatientID = case.patient_id
    dataset.PatientBirthDate = dataset.PatientSex = ""
    dataset.PatientIdentityRemoved = "YES"
    dataset.DeidentificationMethod = "Synthetic data: no patient"
    dataset.StudyDate, dataset.StudyTime = "20140101", ""
    dataset.StudyID = dataset.AccessionNumber = dataset.ReferringPhysicianName = ""
    dataset.Manufacturer = "raemd phantom"
    return dataset


def write_ct_series(folder: Path, thorax: Thorax, case: DicomCase) -> None:
    """Write one file per slice, `1-001.dcm` the one nearest to the head."""
    folder.mkdir(parents=True)
    for number, index in enumerate(reversed(range(case.slices)), start=1):
        dataset = _slice_dataset(thorax, case, index, number)
        dataset.save_as(folder / f"1-{number:03d}.dcm", enforce_file_format=True)


def _slice_dataset(thorax: Thorax, case: DicomCase, index: int, number: int) -> Dataset:
    dataset = common_dataset(case, CTImageStorage, case.slice_uid(index), "ct")
    x, y, _ = case.origin_mm
    z = case.slice_z_mm(index)
    dataset.Modality, dataset.SeriesNumber, dataset.InstanceNumber = "CT", 1, number
    dataset.AcquisitionNumber = 1
    dataset.ImageType = ["ORIGINAL", "PRIMARY", "AXIAL"]
    dataset.BodyPartExamined, dataset.PatientPosition, dataset.KVP = "LUNG", "HFS", "120"
    dataset.ImagePositionPatient = [x, y, z]
    dataset.ImageOrientationPatient = [1, 0, 0, 0, 1, 0]
    dataset.PositionReferenceIndicator = ""
    dataset.SliceLocation = z
    dataset.SliceThickness, dataset.PixelSpacing = case.spacing_mm[0], list(case.spacing_mm[1:])
    _add_pixels(dataset, thorax.hu[index])
    return dataset


def _add_pixels(dataset: Dataset, hu: NDArray[np.int16]) -> None:
    """Pixels as unsigned numbers with the usual offset."""
    dataset.Rows, dataset.Columns = hu.shape
    dataset.SamplesPerPixel, dataset.PhotometricInterpretation = 1, "MONOCHROME2"
    dataset.BitsAllocated, dataset.BitsStored, dataset.HighBit = 16, 16, 15
    dataset.PixelRepresentation = 0
    dataset.RescaleSlope, dataset.RescaleIntercept, dataset.RescaleType = 1, RESCALE_INTERCEPT, "HU"
    stored = (hu.astype(np.int32) - RESCALE_INTERCEPT).astype("<u2")
    dataset.add_new("PixelData", "OW", stored.tobytes())
