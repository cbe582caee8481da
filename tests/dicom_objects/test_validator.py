"""dciodvfy, of Debian's dicom3tools, on every kind of object: no error."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from dicom_validator import errors
from object_series import ALGORITHM, POSITIONS, with_segments

from nnunetv2_raemd.dicom_objects.coded_terms import finding_of
from nnunetv2_raemd.dicom_objects.object_kinds import ObjectKind
from nnunetv2_raemd.dicom_objects.parametric_map import PixelMap
from nnunetv2_raemd.dicom_objects.segmented_series import Segment, SegmentedSeries
from nnunetv2_raemd.dicom_objects.source_series import SourceSeries
from nnunetv2_raemd.dicom_objects.written_objects import write_objects

SOURCES: dict[str, dict[str, Any]] = {
    "usual": {},
    "no date of birth, no sex": {"changes": {"PatientBirthDate": None}},
    "identity removed": {"changes": {"PatientIdentityRemoved": "YES"}},
    "Chinese": {"changes": {"SpecificCharacterSet": "GB18030", "PatientName": "Wang^XiaoDong=王^小东"}},
    "Latin 1": {"changes": {"SpecificCharacterSet": "ISO_IR 100", "PatientName": "Müller^Jürgen"}},
    "wrong values": {
        "changes": {"PatientBirthDate": "01.02.1950", "PatientSex": "male", "StudyTime": "noon"}
    },
    **{name: POSITIONS[name] for name in ("oblique", "irregular", "tilted")},
}


def of_all_kinds(series: SegmentedSeries, folder: Path) -> list[Path]:
    probabilities = np.random.default_rng(0).random((1, *series.numbers.shape))
    label = (Segment("nodule", finding_of("nodule"), (1,), "1.2.3.8"),)
    values = np.random.default_rng(1).random(series.numbers.shape, np.float32)
    maps = [PixelMap(name, f"{name} in nats", values) for name in ("entropy", "mutual information")]
    return write_objects(series, list(ObjectKind), folder, "case", (label, probabilities), maps)


@pytest.mark.parametrize("source", list(SOURCES))
def test_objects_of_all_kinds_are_valid(
    make_ct: Callable[..., SourceSeries], tmp_path: Path, source: str
) -> None:
    series = with_segments(make_ct(**SOURCES[source]))
    lung = Segment("lung", finding_of("lung"), (1, 2, 3), "1.2.3.9")
    files = of_all_kinds(replace(series, segments=(*series.segments, lung)), tmp_path / "out")
    assert len(files) == 7
    assert {file.name: errors(file) for file in files} == {file.name: [] for file in files}


def test_objects_of_nothing_are_valid(make_ct: Callable[..., SourceSeries], tmp_path: Path) -> None:
    nothing = np.zeros((8, 12, 16), np.uint16)
    label = (Segment("nodule", finding_of("nodule"), (), "1.2.3.7"),)
    series = SegmentedSeries(make_ct(), nothing, label, ALGORITHM)
    kinds = [ObjectKind.SEG, ObjectKind.RTSTRUCT, ObjectKind.SR]
    files = write_objects(series, kinds, tmp_path / "out", "case")
    assert {file.name: errors(file) for file in files} == {file.name: [] for file in files}
    empty = replace(series, segments=())
    files = write_objects(empty, [ObjectKind.SR], tmp_path / "none", "case")
    assert [errors(file) for file in files] == [[]]


def test_all_uids_of_all_objects_are_the_same_in_every_run(
    make_ct: Callable[..., SourceSeries], tmp_path: Path
) -> None:
    import pydicom  # noqa: PLC0415

    series = with_segments(make_ct())

    def uids(folder: str) -> dict[str, list[str]]:
        files = of_all_kinds(series, tmp_path / folder)
        elements = {file.name: pydicom.dcmread(file).iterall() for file in files}
        return {name: [str(one.value) for one in all_ if one.VR == "UI"] for name, all_ in elements.items()}

    first = uids("a")
    assert len(first) == 6 and all(first.values())
    assert uids("b") == first


def test_the_validator_does_find_errors(make_ct: Callable[..., SourceSeries], tmp_path: Path) -> None:
    """Else the tests above could not fail."""
    import pydicom  # noqa: PLC0415

    file = of_all_kinds(with_segments(make_ct()), tmp_path / "out")[0]
    broken = pydicom.dcmread(file)
    del broken.StudyInstanceUID
    broken.save_as(file)
    assert errors(file)
