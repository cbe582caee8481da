"""Parametric maps: the same numbers at the same places, by highdicom, by pydicom and by SimpleITK."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import highdicom
import numpy as np
import pydicom

from nnunetv2_raemd.dicom_objects.object_kinds import ObjectKind
from nnunetv2_raemd.dicom_objects.parametric_map import PixelMap
from nnunetv2_raemd.dicom_objects.segmented_series import SegmentedSeries
from nnunetv2_raemd.dicom_objects.written_objects import object_files, write_objects


def two_maps(series: SegmentedSeries) -> list[PixelMap]:
    rng = np.random.default_rng(0)
    entropy, mutual = rng.random((2, *series.numbers.shape)).astype(np.float32)
    return [
        PixelMap("entropy", "Entropy, in nats", entropy),
        PixelMap("mutual information", "Disagreement, in nats", mutual * 0.1),
    ]


def written(series: SegmentedSeries, folder: Path, maps: list[PixelMap]) -> list[Path]:
    return write_objects(series, [ObjectKind.UNCERTAINTY], folder, "case", maps=iter(maps))


def test_the_numbers_come_back_at_their_places(segmented: SegmentedSeries, tmp_path: Path) -> None:
    """In all positions of a series, oblique, tilted and uneven ones too."""
    maps = two_maps(segmented)
    files = written(segmented, tmp_path / "out", maps)
    assert [f.name for f in files] == ["case.uncertainty.dcm", "case.uncertainty-mutual-information.dcm"]
    assert files[0] == object_files(tmp_path / "out", "case", [ObjectKind.UNCERTAINTY])[0]
    for number, (file, pixels) in enumerate(zip(files, maps, strict=True), start=1):
        raw = pydicom.dcmread(file)
        assert raw.SeriesInstanceUID == segmented.series_uid("uncertainty")
        assert raw.InstanceNumber == number
        frames = np.frombuffer(raw.FloatPixelData, "<f4").reshape(segmented.numbers.shape)
        places = {}
        for frame, group in zip(frames, raw.PerFrameFunctionalGroupsSequence, strict=True):
            places[tuple(map(float, group.PlanePositionSequence[0].ImagePositionPatient))] = frame
        for own, header in zip(pixels.values, segmented.source.headers, strict=True):
            assert np.array_equal(places[tuple(map(float, header.ImagePositionPatient))], own)


def test_highdicom_reads_it_in_its_unit(
    make_ct: Callable[..., object], segmented: SegmentedSeries, tmp_path: Path
) -> None:
    pixels = two_maps(segmented)[1]
    (file,) = written(segmented, tmp_path / "out", [pixels])
    read = highdicom.pm.ParametricMap.from_dataset(pydicom.dcmread(file))
    found = read.get_frames(apply_real_world_transform=True)
    order = [
        tuple(map(float, group.PlanePositionSequence[0].ImagePositionPatient))
        for group in read.PerFrameFunctionalGroupsSequence
    ]
    own = {
        tuple(map(float, header.ImagePositionPatient)): values
        for header, values in zip(segmented.source.headers, pixels.values, strict=True)
    }
    for place, frame in zip(order, found, strict=True):
        assert np.allclose(frame, own[place])
    mapping = read.SharedFunctionalGroupsSequence[0].RealWorldValueMappingSequence[0]
    assert mapping.MeasurementUnitsCodeSequence[0].CodeMeaning == "no units"
    assert mapping.LUTExplanation == pixels.explanation
    assert (mapping.RealWorldValueSlope, mapping.RealWorldValueIntercept) == (1, 0)


def test_the_same_map_has_the_same_uids_and_a_second_run_leaves_no_old_one(
    segmented: SegmentedSeries, tmp_path: Path
) -> None:
    maps = two_maps(segmented)
    first = [pydicom.dcmread(file).SOPInstanceUID for file in written(segmented, tmp_path / "a", maps)]
    again = [pydicom.dcmread(file).SOPInstanceUID for file in written(segmented, tmp_path / "b", maps)]
    assert first == again
    assert len(set(first)) == 2
    written(segmented, tmp_path / "a", maps[:1])
    assert [file.name for file in (tmp_path / "a").iterdir()] == ["case.uncertainty.dcm"]


def test_a_map_of_nothing_is_one(segmented: SegmentedSeries, tmp_path: Path) -> None:
    nothing = replace(two_maps(segmented)[0], values=np.zeros(segmented.numbers.shape, np.float32))
    (file,) = written(segmented, tmp_path, [nothing])
    assert not any(pydicom.dcmread(file).FloatPixelData)
