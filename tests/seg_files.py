"""DICOM SEG files by highdicom, of masks on the slices of a patient made by hand."""

from __future__ import annotations

from io import BytesIO
from typing import Any

import highdicom as hd
import numpy as np
from pydicom.dataset import Dataset

from nnunetv2_raemd.dicom.index_entries import Roi

TUMOUR, LUNG = Roi(1, ("Neoplasm, Primary",)), Roi(2, ("Lung",))


def two_masks(slices: int = 8) -> np.ndarray:
    """(S, 12, 16, 2): random shapes without overlap, nothing in the first, fourth and last slice."""
    rng = np.random.default_rng(5)
    label = rng.integers(0, 3, (slices, 12, 16))
    label[[0, 3, -1]] = 0
    return np.stack([label == 1, label == 2], axis=-1)


def make_seg(patient: Any, masks: np.ndarray, **options: Any) -> Any:
    """A SEG by highdicom of `masks` (S, rows, columns, segments) on the slices of a patient."""
    sources = [_source(patient, index) for index in range(len(patient.heights_mm))]
    if "order" in options:
        order = options.pop("order")
        sources, masks = [sources[i] for i in order], masks[order]
    kind = options.setdefault("segmentation_type", "BINARY")
    segments = masks.shape[-1]
    if kind == "LABELMAP" and masks.ndim == 4:
        masks = (masks * np.arange(1, masks.shape[-1] + 1)).sum(axis=-1).astype(np.uint8)
    seg = hd.seg.Segmentation(
        source_images=sources,
        pixel_array=masks.astype(np.float32 if kind == "FRACTIONAL" else np.uint8),
        segment_descriptions=[_description(roi) for roi in (TUMOUR, LUNG)[:segments]],
        series_instance_uid="1.2.840.5",
        series_number=3,
        sop_instance_uid="1.2.840.6",
        instance_number=1,
        manufacturer="test",
        manufacturer_model_name="test",
        software_versions="1",
        device_serial_number="1",
        **options,
    )
    stream = BytesIO()
    seg.save_as(stream)
    stream.seek(0)
    return hd.seg.segread(stream)  # frames share no items any more


def _source(patient: Any, index: int) -> Dataset:
    source = patient.ct_slice(index)
    for keyword in ("AccessionNumber", "PatientSex", "StudyDate", "StudyTime", "StudyID"):
        setattr(source, keyword, "")
    source.ReferringPhysicianName, source.SliceThickness = "", 3.0
    return source


def _description(roi: Roi) -> Any:
    tumour = roi is TUMOUR
    return hd.seg.SegmentDescription(
        roi.number,
        f"Segment {roi.number}",
        hd.sr.CodedConcept("49755003", "SCT", "Morphologically abnormal structure"),
        hd.sr.CodedConcept("86049000" if tumour else "39607008", "SCT", roi.names[0]),
        "MANUAL",
    )
