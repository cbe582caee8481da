"""What the header says of one CT image, whether a file of its own or a frame of one."""

from __future__ import annotations

from pydicom.dataset import Dataset

from nnunetv2_raemd.dicom.index_entries import (
    ImageKind,
    Rescale,
    SliceGeometry,
    image_uid,
)
from nnunetv2_raemd.dicom.tag_values import number, numbers, sequence, text_of, texts


def slice_geometry(position: Dataset, orientation: Dataset, measures: Dataset) -> SliceGeometry | None:
    """The image plane by the items that hold its attributes; None where they do not give one."""
    position_mm = numbers(position, "ImagePositionPatient", 3)
    axes = numbers(orientation, "ImageOrientationPatient", 6)
    spacing_mm = numbers(measures, "PixelSpacing", 2)
    if position_mm is None or axes is None or spacing_mm is None or min(spacing_mm) <= 0:
        return None
    return SliceGeometry(position_mm, axes, spacing_mm)


def rescale(dataset: Dataset) -> Rescale | None:
    """Slope, intercept and what they lead to; None where the item does not give them."""
    slope, intercept = number(dataset, "RescaleSlope"), number(dataset, "RescaleIntercept")
    if slope is None or intercept is None:
        return None
    has_table = bool(sequence(dataset, "ModalityLUTSequence"))
    return Rescale(slope, intercept, text_of(dataset.get("RescaleType")).upper(), has_table)


def image_kind(dataset: Dataset) -> ImageKind:
    """By the attributes of a file of one image."""
    moment = (dataset.get("AcquisitionNumber"), dataset.get("TemporalPositionIdentifier"))
    return ImageKind(
        texts(dataset, "ImageType"),
        "/".join(texts(dataset, "ConvolutionKernel")),
        ", phase ".join(text for text in map(text_of, moment) if text),
    )


def referenced_images(item: Dataset) -> tuple[str, ...]:
    """The images that an item of a reference sequence names, as `image_uid` has them."""
    sop_uid = str(item.get("ReferencedSOPInstanceUID"))
    frames = texts(item, "ReferencedFrameNumber")
    return tuple(image_uid(sop_uid, int(frame) - 1) for frame in frames) or (sop_uid,)
