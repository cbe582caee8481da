"""SRs: every figure read back by highdicom, and tied to its segment."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import highdicom.sr
import numpy as np
import pydicom
import pytest
from object_series import ALGORITHM, with_segments
from pydicom.sr.codedict import codes

from nnunetv2_raemd.dicom_objects.object_kinds import ObjectKind
from nnunetv2_raemd.dicom_objects.segmented_series import SegmentedSeries
from nnunetv2_raemd.dicom_objects.source_series import SourceSeries
from nnunetv2_raemd.dicom_objects.written_objects import write_objects


def written(series: SegmentedSeries, folder: Path) -> dict[str, Path]:
    files = write_objects(series, [ObjectKind.SEG, ObjectKind.SR], folder / "out", "case")
    return {file.name: file for file in files}


def test_every_lesion_is_measured_and_tied_to_its_segment(
    make_ct: Callable[..., SourceSeries], tmp_path: Path
) -> None:
    series = with_segments(make_ct())
    files = written(series, tmp_path)
    report: Any = highdicom.sr.srread(files["case.sr.dcm"])
    assert report.ContentTemplateSequence[0].TemplateIdentifier == "1500"
    seg = pydicom.dcmread(files["case.seg.dcm"])
    groups = report.content.get_volumetric_roi_measurement_groups()
    assert len(groups) == 3
    for number, group in enumerate(groups, start=1):
        assert (group.tracking_identifier, group.tracking_uid) == (f"nodule {number}", f"1.2.3.{number}")
        assert group.finding_type == codes.SCT.Nodule
        (reference,) = group.referenced_segment[0].ReferencedSOPSequence
        assert reference.ReferencedSOPInstanceUID == seg.SOPInstanceUID
        assert reference.ReferencedSegmentNumber == number
        assert seg.SegmentSequence[number - 1].TrackingUID == group.tracking_uid
        measured = {m.name.value: (m.value, m.unit.value) for m in group.get_measurements()}
        expected = {
            codes.SCT.Volume.value: (900.04, "mm3"),
            codes.SCT.LongAxis.value: (14.256, "mm"),
            codes.SCT.ShortAxis.value: (9.994, "mm"),
            "EQUIV_DIAMETER": (11.977, "mm"),
            codes.DCM.AttenuationCoefficient.value: (-12.34, "[hnsf'U]"),
        }
        if number == 3:  # the others have no confidence
            expected[codes.DCM.CertaintyOfFinding.value] = (83.1, "%")
        assert measured == {name: (pytest.approx(v), unit) for name, (v, unit) in expected.items()}


def test_the_report_is_no_verified_one_and_names_the_software(
    make_ct: Callable[..., SourceSeries], tmp_path: Path
) -> None:
    report = pydicom.dcmread(written(with_segments(make_ct()), tmp_path)["case.sr.dcm"])
    assert report.VerificationFlag == "UNVERIFIED"
    assert report.PreliminaryFlag == "PRELIMINARY"
    assert report.SoftwareVersions == ALGORITHM.version
    text = report.to_json()
    assert ALGORITHM.name in text and "folds=0 1" in text and "Device" in text


def test_without_a_lesion_the_report_says_so(make_ct: Callable[..., SourceSeries], tmp_path: Path) -> None:
    source = make_ct()
    series = SegmentedSeries(source, np.zeros((8, 12, 16), np.uint16), (), ALGORITHM)
    report: Any = highdicom.sr.srread(written(series, tmp_path)["case.sr.dcm"])
    assert not report.content.get_volumetric_roi_measurement_groups()
    (group,) = report.content.get_image_measurement_groups()
    (evaluation,) = group.get_qualitative_evaluations()
    assert (evaluation.name, evaluation.value) == (codes.SCT.Lesion, codes.SCT.Absent)
