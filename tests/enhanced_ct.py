"""The CT of a patient made by hand as one file of many frames (enhanced CT)."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
from dicom_patient import item, save
from pydicom.dataset import Dataset
from pydicom.uid import EnhancedCTImageStorage, generate_uid


def write_enhanced_ct(
    patient: Any, file: Path, frames: Sequence[int], *, shared: Sequence[str] = ("orientation", "rescale")
) -> Dataset:
    """The slices `frames` of `patient`, in that order; what `shared` names is said once for all frames."""
    image = patient.ct_slice(
        0, SOPClassUID=EnhancedCTImageStorage, SOPInstanceUID=enhanced_uid(patient, file)
    )
    groups = [_groups(patient, index) for index in frames]
    for keyword in (
        "ImagePositionPatient",
        "ImageOrientationPatient",
        "PixelSpacing",
        "RescaleSlope",
        "RescaleIntercept",
    ):
        delattr(image, keyword)
    image.NumberOfFrames = len(frames)
    image.SharedFunctionalGroupsSequence = [
        item(**{sequence: [value] for key in shared for sequence, value in groups[0][key].items()})
    ]
    image.PerFrameFunctionalGroupsSequence = [
        item(
            **{
                sequence: [value]
                for key, of_kind in group.items()
                if key not in shared
                for sequence, value in of_kind.items()
            }
        )
        for group in groups
    ]
    image.PixelData = np.stack([patient.stored[index] for index in frames]).tobytes()
    save(image, file)
    return image


def enhanced_uid(patient: Any, file: Path) -> str:
    return generate_uid(entropy_srcs=[patient.patient_id, file.name])


def _groups(patient: Any, index: int) -> dict[str, dict[str, Dataset]]:
    single = patient.ct_slice(index)
    return {
        "position": {"PlanePositionSequence": item(ImagePositionPatient=single.ImagePositionPatient)},
        "orientation": {
            "PlaneOrientationSequence": item(ImageOrientationPatient=single.ImageOrientationPatient),
            "PixelMeasuresSequence": item(PixelSpacing=single.PixelSpacing),
        },
        "rescale": {
            "PixelValueTransformationSequence": item(
                RescaleSlope=patient.slope, RescaleIntercept=patient.intercept, RescaleType="HU"
            )
        },
        "content": {"FrameContentSequence": item(FrameAcquisitionNumber=1)},
    }
