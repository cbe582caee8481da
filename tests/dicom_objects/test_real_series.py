"""Real series: what objects hold of them, the converter reads back voxel by voxel."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from object_series import ALGORITHM

from nnunetv2_raemd.dicom.ct_series import CtSeries, order_series, read_hu
from nnunetv2_raemd.dicom.dicom_index import DicomIndex, index_folder
from nnunetv2_raemd.dicom.dicom_seg import CtSlices, draw_segments
from nnunetv2_raemd.dicom.mask_source import MaskSource
from nnunetv2_raemd.dicom.rtstruct import draw_rois
from nnunetv2_raemd.dicom.series_matching import match_series
from nnunetv2_raemd.dicom_objects.coded_terms import finding_of
from nnunetv2_raemd.dicom_objects.object_kinds import ObjectKind
from nnunetv2_raemd.dicom_objects.segmented_series import Segment, SegmentedSeries
from nnunetv2_raemd.dicom_objects.source_series import read_source
from nnunetv2_raemd.dicom_objects.written_objects import write_objects


def assert_read_back(series: CtSeries, numbers: np.ndarray, index: DicomIndex, folder: Path) -> None:
    """Write SEG and RTSTRUCT, match them to the series as the converter does, and draw them."""
    values = [int(value) for value in np.unique(numbers) if value]
    segments = tuple(Segment(f"tumour {v}", finding_of("tumour"), (v,), f"1.2.{v}") for v in values)
    segmented = SegmentedSeries(read_source(series), numbers, segments, ALGORITHM)
    write_objects(segmented, [ObjectKind.SEG, ObjectKind.RTSTRUCT], folder, "case")
    found = index_folder(folder).delineations
    assert {one.source for one in found} == {MaskSource.SEG, MaskSource.RTSTRUCT}
    uids = segmented.source.image_uids
    for one in found:
        match = match_series(one, one.rois, index)
        assert {image.sop_uid for image in match.images} == set(uids)
        assert not match.absent and not match.notes
        for roi, value in zip(one.rois, values, strict=True):
            if one.source is MaskSource.SEG:
                drawn = draw_segments(one.path, [roi], CtSlices(series.stack, uids))
            else:
                drawn = draw_rois(one.path, [roi], series.stack)
            assert np.count_nonzero(drawn.mask != (numbers == value)) == 0
            assert not drawn.problems


def test_lung1_002(real_data: Path, tmp_path: Path) -> None:
    """The tumour as the radiologist drew it, and dense tissue beside it with many holes."""
    index = index_folder(real_data / "nsclc-radiomics")
    (structure_set,) = (one for one in index.delineations if one.source is MaskSource.RTSTRUCT)
    rois = [roi for roi in structure_set.rois if roi.names[0] == "GTV-1"]
    (images,) = index.ct.values()
    series = order_series(images)
    numbers = draw_rois(structure_set.path, rois, series.stack).mask.astype(np.uint16)
    hu = read_hu(series)[60:62, 180:240, 280:380]
    part = numbers[60:62, 180:240, 280:380]
    part[(hu > -50) & (part == 0)] = 2
    assert (numbers == 1).sum() > 100_000 and (numbers == 2).sum() > 500
    assert_read_back(series, numbers, index, tmp_path)


@pytest.mark.parametrize("number", [0, 1])
def test_lung_pet_ct_dx(real_data: Path, tmp_path: Path, number: int) -> None:
    """Both series of one scan: each object goes to its own."""
    index = index_folder(real_data / "lung-pet-ct-dx")
    series = order_series(index.ct[sorted(index.ct)[number]])
    numbers = np.zeros((len(series.slices), *series.stack.shape), np.uint16)
    window = np.s_[12:18, 200:300, 120:220]
    numbers[window] = read_hu(series)[window] > -300
    assert numbers.sum() > 1000
    assert_read_back(series, numbers, index, tmp_path)
