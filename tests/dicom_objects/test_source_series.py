"""What objects take over of a source: what they must, and nothing beyond."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pydicom
import pytest
from object_series import with_segments

from nnunetv2_raemd.dicom_objects.object_kinds import ObjectKind
from nnunetv2_raemd.dicom_objects.source_series import SourceSeries, source_of_files
from nnunetv2_raemd.dicom_objects.written_objects import write_objects
from nnunetv2_raemd.errors import UserError

KINDS = [ObjectKind.SEG, ObjectKind.RTSTRUCT, ObjectKind.SR]
PRIVATE = {
    "InstitutionName": "Secret Hospital",
    "PatientAddress": "Secret Street",
    "OtherPatientIDs": "SecretOther",
    "PatientComments": "SecretComment",
    "OperatorsName": "Secret^Operator",
    "PerformingPhysicianName": "Secret^Performing",
    "StationName": "SecretStation",
    "DeviceSerialNumber": "SecretSerial",
    "StudyDescription": "SecretStudy",
    "SeriesDescription": "SecretSeries",
    "ProtocolName": "SecretProtocol",
    "PatientWeight": "71.2345",
}


@pytest.mark.parametrize("kind", KINDS)
def test_nothing_beyond_what_an_object_must_carry(
    make_ct: Callable[..., SourceSeries], tmp_path: Path, kind: ObjectKind
) -> None:
    source = make_ct(changes={**PRIVATE, "PatientName": "Known^Name", "PatientID": "P-17"})
    for file in write_objects(with_segments(source), [kind], tmp_path / "out", "case"):
        content = file.read_bytes()
        assert b"Secret" not in content and b"71.2345" not in content
        dataset = pydicom.dcmread(file)
        assert (dataset.PatientName, dataset.PatientID) == ("Known^Name", "P-17")
        assert "InstitutionName" not in dataset and "StudyDescription" not in dataset


@pytest.mark.parametrize(
    ("character_set", "name"),
    [
        ("ISO_IR 100", "Müller^Jürgen"),
        ("ISO_IR 144", "Люк^Иван"),
        ("GB18030", "Wang^XiaoDong=王^小东"),
        ("ISO_IR 192", "Ōta^Ken"),
        ("ISO_IR 192", "日本^語"),
    ],
)
@pytest.mark.parametrize("kind", KINDS)
def test_names_come_through_in_every_alphabet(
    make_ct: Callable[..., SourceSeries], tmp_path: Path, character_set: str, name: str, kind: ObjectKind
) -> None:
    source = make_ct(changes={"SpecificCharacterSet": character_set, "PatientName": name})
    assert not source.remarks or "SliceThickness" in source.remarks[0]
    for file in write_objects(with_segments(source), [kind], tmp_path / "out", "case"):
        assert str(pydicom.dcmread(file).PatientName) == name


def test_an_unknown_character_set_is_said(make_ct: Callable[..., SourceSeries], tmp_path: Path) -> None:
    source = make_ct()
    files = sorted((tmp_path / "ct").iterdir())
    for file in files:
        content = file.read_bytes()
        dataset = pydicom.dcmread(file)
        dataset.SpecificCharacterSet = "ISO_IR 100"
        dataset.PatientName = "Müller"
        dataset.save_as(file)
        content = file.read_bytes()
        file.write_bytes(content.replace(b"ISO_IR 100", b"ISO_IR 999"))
    source = source_of_files(files, source.stack)
    assert any("SpecificCharacterSet" in remark for remark in source.remarks)
    (file,) = write_objects(with_segments(source), [ObjectKind.RTSTRUCT], tmp_path / "out", "case")
    assert pydicom.dcmread(file).SpecificCharacterSet == "ISO_IR 192"


@pytest.mark.parametrize(
    ("written", "said", "remark"),
    [
        ("ISO_IR 192", "ISO_IR 100", "PatientName is in UTF-8"),
        ("ISO_IR 192", "ISO_IR 6  ", "PatientName is in UTF-8"),
        ("ISO_IR 100", "ISO_IR 6  ", "PatientName holds characters that"),
        ("ISO_IR 100", "ISO_IR 192", "PatientName holds characters that"),
    ],
)
def test_a_name_in_other_characters_than_the_header_says_comes_through_and_is_told(
    make_ct: Callable[..., SourceSeries], tmp_path: Path, written: str, said: str, remark: str
) -> None:
    name = "Müller^Jürgen"
    stack = make_ct(changes={"SpecificCharacterSet": written, "PatientName": name}).stack
    files = sorted((tmp_path / "ct").iterdir())
    for file in files:
        content = file.read_bytes()
        assert content.count(written.encode()) == 1
        file.write_bytes(content.replace(written.encode(), said.encode()))
    source = source_of_files(files, stack)
    assert [remark in found for found in source.remarks].count(True) == 1
    assert not any("ller" in found for found in source.remarks)  # no value is quoted
    (file,) = write_objects(with_segments(source), [ObjectKind.RTSTRUCT], tmp_path / "out", "case")
    assert str(pydicom.dcmread(file).PatientName) == name


@pytest.mark.parametrize("keyword", ["StudyInstanceUID", "FrameOfReferenceUID"])
def test_a_series_that_nothing_can_refer_to_is_refused(
    make_ct: Callable[..., SourceSeries], keyword: str
) -> None:
    with pytest.raises(UserError, match=rf"0\.dcm: it lacks {keyword}"):
        make_ct(changes={keyword: None})


def test_what_is_wrong_in_a_header_is_left_empty_and_said(make_ct: Callable[..., SourceSeries]) -> None:
    source = make_ct(changes={"PatientSex": "male", "PatientBirthDate": "1950"})
    told = [remark for remark in source.remarks if "left empty" in remark]
    assert len(told) == 2 and not any("male" in remark or "1950" in remark for remark in told)
    assert source.first.PatientSex == ""


def test_nothing_is_left_of_objects_that_cannot_be_written(
    make_ct: Callable[..., SourceSeries], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    series = with_segments(make_ct(), np.ones((8, 12, 16), np.uint16))
    written = pydicom.dcmwrite

    def fail_at_the_second(file: Path, dataset: pydicom.Dataset, **options: Any) -> None:
        if "seg" in file.name:
            raise OSError("no space left on device")
        written(file, dataset, **options)

    monkeypatch.setattr(pydicom, "dcmwrite", fail_at_the_second)
    with pytest.raises(UserError, match="no space left"):
        write_objects(series, KINDS, tmp_path / "out", "case")
    assert list((tmp_path / "out").iterdir()) == []
