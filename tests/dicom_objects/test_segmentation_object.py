"""SEGs: read back by the converter, highdicom and pydicom, and what they say of segments and algorithm."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import highdicom.seg
import numpy as np
import pydicom
import pytest
from object_series import ALGORITHM, awkward_numbers, with_segments
from pydicom.sr.codedict import codes

from nnunetv2_raemd.dicom.dicom_index import index_folder
from nnunetv2_raemd.dicom.dicom_seg import CtSlices, draw_segments
from nnunetv2_raemd.dicom_objects.coded_terms import finding_of
from nnunetv2_raemd.dicom_objects.object_kinds import ObjectKind
from nnunetv2_raemd.dicom_objects.segmented_series import Segment, SegmentedSeries
from nnunetv2_raemd.dicom_objects.source_series import SourceSeries
from nnunetv2_raemd.dicom_objects.written_objects import write_objects


def written(series: SegmentedSeries, folder: Path) -> list[Path]:
    return write_objects(series, [ObjectKind.SEG], folder / "out", "case")


def drawn(file: Path, name: str, source: SourceSeries) -> np.ndarray:
    """One segment as the converter reads it."""
    (seg,) = [entry for entry in index_folder(file.parent).delineations if entry.path == file]
    roi = next(roi for roi in seg.rois if roi.names[0] == name)
    return draw_segments(file, [roi], CtSlices(source.stack, source.image_uids)).mask


def test_the_converter_reads_the_very_same_voxels(segmented: SegmentedSeries, tmp_path: Path) -> None:
    (file,) = written(segmented, tmp_path)
    for segment in segmented.segments:
        expected = np.isin(segmented.numbers, segment.values)
        assert np.array_equal(drawn(file, segment.name, segmented.source), expected)


def test_highdicom_reads_the_very_same_voxels(segmented: SegmentedSeries, tmp_path: Path) -> None:
    (file,) = written(segmented, tmp_path)
    read = highdicom.seg.segread(file)
    labels = read.get_pixels_by_source_instance(
        list(segmented.source.image_uids),
        combine_segments=True,
        assert_missing_frames_are_empty=True,  # slices in which nothing is are left out
    )
    assert np.array_equal(labels, segmented.numbers)


def test_each_frame_lies_where_its_slice_does(segmented: SegmentedSeries, tmp_path: Path) -> None:
    (file,) = written(segmented, tmp_path)
    dataset = pydicom.dcmread(file)
    sources = {str(header.SOPInstanceUID): header for header in segmented.source.headers}
    frames = dataset.pixel_array
    assert len(frames) == len(dataset.PerFrameFunctionalGroupsSequence)
    for group, pixels in zip(dataset.PerFrameFunctionalGroupsSequence, frames, strict=True):
        image = group.DerivationImageSequence[0].SourceImageSequence[0]
        header = sources[image.ReferencedSOPInstanceUID]
        position = group.PlanePositionSequence[0].ImagePositionPatient
        assert np.allclose(position, header.ImagePositionPatient, atol=1e-5)
        number = group.SegmentIdentificationSequence[0].ReferencedSegmentNumber
        index = segmented.source.image_uids.index(image.ReferencedSOPInstanceUID)
        assert np.array_equal(pixels, segmented.numbers[index] == number)


def test_segments_say_what_they_are_and_what_made_them(
    make_ct: Callable[..., SourceSeries], tmp_path: Path
) -> None:
    (file,) = written(with_segments(make_ct()), tmp_path)
    dataset = pydicom.dcmread(file)
    assert (dataset.SegmentationType, dataset.Modality) == ("BINARY", "SEG")
    for number, segment in enumerate(dataset.SegmentSequence, start=1):
        assert segment.SegmentLabel == segment.TrackingID == f"nodule {number}"
        assert segment.TrackingUID == f"1.2.3.{number}"
        assert segment.SegmentAlgorithmType == "AUTOMATIC"
        assert segment.SegmentAlgorithmName == ALGORITHM.name
        algorithm = segment.SegmentationAlgorithmIdentificationSequence[0]
        assert (algorithm.AlgorithmName, algorithm.AlgorithmVersion) == (ALGORITHM.name, ALGORITHM.version)
        assert "folds=0 1" in algorithm.AlgorithmParameters
        assert segment.SegmentedPropertyTypeCodeSequence[0].CodeValue == codes.SCT.Nodule.value
        category = segment.SegmentedPropertyCategoryCodeSequence[0]
        assert category.CodeValue == codes.SCT.MorphologicallyAbnormalStructure.value
        assert segment.AnatomicRegionSequence[0].CodeValue == codes.SCT.Lung.value


@pytest.mark.parametrize(
    ("label", "code", "is_lesion"),
    [
        ("nodule", "27925004", True),
        ("lung_nodule", "27925004", True),
        ("tumour", "108369006", True),
        ("Lung Cancer", "108369006", True),
        ("GTV-1", "372087000", True),
        ("lung", "39607008", False),
        ("Lungs", "39607008", False),
        ("lymph node", "59441001", True),
        ("metastasis", "14799000", True),
        ("anything else", "52988006", True),
    ],
)
def test_terms_of_labels(label: str, code: str, is_lesion: bool) -> None:
    finding = finding_of(label)
    assert (finding.type.value, finding.is_lesion) == (code, is_lesion)


def test_the_codes_are_those_of_the_standard() -> None:
    """pydicom's dictionary is made of the standard's context groups."""
    assert finding_of("nodule").type == codes.SCT.Nodule
    assert finding_of("tumour").type == codes.SCT.Neoplasm
    assert finding_of("gtv").type == codes.SCT.NeoplasmPrimary
    assert finding_of("metastasis").type == codes.SCT.NeoplasmSecondary
    assert finding_of("lung").type == codes.SCT.Lung
    assert finding_of("lung").category == codes.SCT.AnatomicalStructure
    assert finding_of("x").type == codes.SCT.Lesion


def test_a_lung_and_the_nodule_in_it_are_both_whole(
    make_ct: Callable[..., SourceSeries], tmp_path: Path
) -> None:
    """Segments that overlap are in two SEGs of one series, the lesions in the first."""
    series = with_segments(make_ct())
    lung = Segment("lung", finding_of("lung"), (1, 2, 3), "1.2.3.9")
    first, second = written(replace(series, segments=(lung, *series.segments)), tmp_path)
    assert np.array_equal(drawn(second, "lung", series.source), series.numbers > 0)
    assert np.array_equal(drawn(first, "nodule 2", series.source), series.numbers == 2)
    one, other = pydicom.dcmread(first), pydicom.dcmread(second)
    assert one.SeriesInstanceUID == other.SeriesInstanceUID
    assert one.SOPInstanceUID != other.SOPInstanceUID


def test_nothing_found_is_one_empty_frame(make_ct: Callable[..., SourceSeries], tmp_path: Path) -> None:
    series = with_segments(make_ct(), np.zeros((8, 12, 16), np.uint16))
    (file,) = written(series, tmp_path)
    dataset = pydicom.dcmread(file)
    assert not dataset.pixel_array.any()
    assert len(dataset.SegmentSequence) == 3
    assert not drawn(file, "nodule 1", series.source).any()


def test_probabilities_come_back_in_steps_of_a_255th(
    make_ct: Callable[..., SourceSeries], tmp_path: Path
) -> None:
    series = with_segments(make_ct())
    probabilities = np.random.default_rng(0).random((2, 8, 12, 16)).astype(np.float16)
    probabilities[:, 5] = 0
    labels = tuple(Segment(name, finding_of(name), (1,), f"1.2.4.{len(name)}") for name in ("nodule", "lung"))
    kinds = [ObjectKind.PROBABILITY]
    (file,) = write_objects(series, kinds, tmp_path / "out", "case", (labels, probabilities))
    read = highdicom.seg.segread(file)
    assert read.SegmentationType == "FRACTIONAL" and read.SegmentationFractionalType == "PROBABILITY"
    values = read.get_pixels_by_source_instance(
        list(series.source.image_uids), assert_missing_frames_are_empty=True
    )
    assert np.abs(np.moveaxis(values, -1, 0) - probabilities).max() <= 0.5 / 255 + 1e-3  # float16 beside it
    assert np.array_equal(drawn(file, "nodule", series.source), np.rint(probabilities[0] * 255) >= 127.5)


def test_the_same_result_has_the_same_uids_and_another_has_others(
    make_ct: Callable[..., SourceSeries], tmp_path: Path
) -> None:
    source = make_ct()

    def uids(series: SegmentedSeries) -> tuple[str, str]:
        dataset = pydicom.dcmread(written(series, tmp_path)[0])
        return dataset.SeriesInstanceUID, dataset.SOPInstanceUID

    first = uids(with_segments(source))
    assert uids(with_segments(source)) == first
    changed = awkward_numbers()
    changed[0, 0, 0] ^= 1
    assert uids(with_segments(source, changed))[0] == first[0]
    assert uids(with_segments(source, changed))[1] != first[1]
    other_model = replace(with_segments(source), algorithm=replace(ALGORITHM, version="1.2.4"))
    assert uids(other_model)[0] != first[0]


def test_what_an_earlier_result_left_does_not_stay(
    make_ct: Callable[..., SourceSeries], tmp_path: Path
) -> None:
    series = with_segments(make_ct())
    lung = Segment("lung", finding_of("lung"), (1, 2, 3), "1.2.3.9")
    written(replace(series, segments=(lung, *series.segments)), tmp_path)
    (tmp_path / "out" / "case-2.seg.dcm").write_text("of another case")
    written(series, tmp_path)
    assert {file.name for file in (tmp_path / "out").iterdir()} == {"case.seg.dcm", "case-2.seg.dcm"}
