"""The objects of predicted scans, where there is nothing to put into them."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np
import pydicom
import pytest
import SimpleITK as sitk
from dicom_patient import DicomPatient
from dicom_validator import errors

from nnunetv2_raemd.dicom_objects.object_kinds import ObjectKind
from nnunetv2_raemd.dicom_objects.segmented_series import Algorithm
from nnunetv2_raemd.dicom_objects.written_objects import object_files
from nnunetv2_raemd.lesions.lesion_list import save_scan
from nnunetv2_raemd.lesions.scan_files import ScanFiles
from nnunetv2_raemd.lesions.scan_measurement import measure_scan
from nnunetv2_raemd.nnunet_files.label_set import LabelSet, Target
from nnunetv2_raemd.prediction.scan_objects import ObjectWriter
from nnunetv2_raemd.scans.series_choice import Wanted
from nnunetv2_raemd.scans.staging import StagedScan, Staging, stage

LABELS = LabelSet((Target("nodule", (1,)),))
KINDS = frozenset({ObjectKind.SEG, ObjectKind.RTSTRUCT, ObjectKind.SR})


@pytest.fixture
def scan(tmp_path: Path) -> StagedScan:
    DicomPatient(tmp_path / "in").write_ct()
    (tmp_path / "work").mkdir()
    staging = Staging(tmp_path / "work", ".nii.gz", Wanted(), lambda _: False)
    (staged,) = stage(tmp_path / "in", staging).scans
    return staged


def predicted(scan: StagedScan, output: Path, *, n_voxels: int, listed: bool = True) -> None:
    """A segmentation with one lesion or none, and its list."""
    output.mkdir()
    image = sitk.ReadImage(str(scan.image))
    labels = np.zeros(sitk.GetArrayViewFromImage(image).shape, np.uint8)
    labels[3, 4, 5 : 5 + n_voxels] = 1
    segmentation = sitk.GetImageFromArray(labels)
    segmentation.CopyInformation(image)
    file = output / f"{scan.case_id}.nii.gz"
    sitk.WriteImage(segmentation, str(file))
    found = measure_scan(ScanFiles(scan.case_id, file, scan.image, output / "none.npz"), LABELS)
    lesions = tuple(replace(lesion, listed=listed) for lesion in found.lesions)
    save_scan(replace(found, lesions=lesions), output / f"{scan.case_id}.lesions.json")


@pytest.mark.parametrize(("n_voxels", "listed"), [(0, True), (2, False)])
def test_of_a_scan_without_listed_lesions_there_are_valid_objects_of_all_kinds(
    scan: StagedScan, tmp_path: Path, n_voxels: int, listed: bool
) -> None:
    """Otherwise it never counts as done: Orthanc, which calls at each new object, would call for ever."""
    output = tmp_path / "out"
    predicted(scan, output, n_voxels=n_voxels, listed=listed)
    writer = ObjectWriter(output, ".nii.gz", LABELS, Algorithm("network", "1"), KINDS)
    written, remarks = writer.write(scan)
    assert set(written) == set(object_files(output, scan.case_id, KINDS))
    assert all(file.is_file() for file in written)
    assert {file.name: errors(file) for file in written} == {file.name: [] for file in written}
    assert any("below the operating point" in remark for remark in remarks) is not listed
    seg = pydicom.dcmread(output / f"{scan.case_id}.seg.dcm")
    assert not seg.pixel_array.any() and [one.SegmentLabel for one in seg.SegmentSequence] == ["nodule"]
    structures = pydicom.dcmread(output / f"{scan.case_id}.rtstruct.dcm")
    assert [roi.ROIName for roi in structures.StructureSetROISequence] == ["nodule"]
    assert "ContourSequence" not in structures.ROIContourSequence[0]


def test_a_listed_lesion_is_in_all_of_them(scan: StagedScan, tmp_path: Path) -> None:
    output = tmp_path / "out"
    predicted(scan, output, n_voxels=2)
    writer = ObjectWriter(output, ".nii.gz", LABELS, Algorithm("network", "1"), KINDS)
    writer.write(scan)
    seg = pydicom.dcmread(output / f"{scan.case_id}.seg.dcm")
    assert seg.pixel_array.sum() == 2 and [one.SegmentLabel for one in seg.SegmentSequence] == ["nodule 1"]
