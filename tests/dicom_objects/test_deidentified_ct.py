"""CT that others have de-identified: values taken out, hashed, or put in the place of others."""

from __future__ import annotations

import hashlib
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pydicom
import pytest
from dicom_patient import item
from dicom_validator import errors
from object_series import with_segments

from nnunetv2_raemd.dicom_objects.object_kinds import ObjectKind
from nnunetv2_raemd.dicom_objects.source_series import SourceSeries, source_of_files
from nnunetv2_raemd.dicom_objects.written_objects import write_objects

KINDS = [ObjectKind.SEG, ObjectKind.RTSTRUCT, ObjectKind.SR]
HASH = hashlib.sha256(b"someone").hexdigest()
MakeCt = Callable[..., SourceSeries]


def code(**values: str) -> pydicom.Dataset:
    return item(**{"CodeValue": "113100", "CodingSchemeDesignator": "DCM", "CodeMeaning": "Basic", **values})


def remarks(source: SourceSeries) -> list[str]:
    return [remark for remark in source.remarks if "SliceThickness" not in remark]


PROFILE: dict[str, Any] = {
    "PatientName": "",
    "PatientID": "ANON1",
    "PatientBirthDate": None,
    "PatientIdentityRemoved": "YES",
    "DeidentificationMethodCodeSequence": [code()],
    "LongitudinalTemporalInformationModified": "REMOVED",
    "StudyDate": "",
    "StudyInstanceUID": "2.25.123456789012345678901234567890123456",
    "FrameOfReferenceUID": "2.25.3",
}
NOBODY = {"PatientName": None, "PatientID": None, "PatientBirthDate": None}


@pytest.mark.parametrize("changes", [PROFILE, NOBODY], ids=["basic profile of PS3.15", "no patient at all"])
def test_what_is_taken_out_as_the_standard_has_it_needs_no_remark(
    make_ct: MakeCt, tmp_path: Path, changes: dict[str, Any]
) -> None:
    source = make_ct(changes=changes)
    assert remarks(source) == []
    files = write_objects(with_segments(source), KINDS, tmp_path / "out", "case")
    assert {file.name: errors(file) for file in files} == {file.name: [] for file in files}
    assert {pydicom.dcmread(file).get("PatientIdentityRemoved") for file in files} == {
        changes.get("PatientIdentityRemoved")
    }


@pytest.mark.parametrize(
    ("keyword", "value", "instead"),
    [
        ("StudyDate", "ANONYMIZED", ""),
        ("PatientBirthDate", "00000000", ""),
        ("StudyDate", "00010101", ""),
        ("StudyTime", "12:30", ""),
        ("PatientSex", "unknown", ""),
        ("PatientIdentityRemoved", "TRUE", None),
        ("LongitudinalTemporalInformationModified", "MOD", None),
        ("DeidentificationMethod", "x" * 65, None),
        ("DeidentificationMethodCodeSequence", [code(CodeMeaning="")], None),
    ],
)
def test_what_no_object_may_hold_is_left_out_and_named(
    make_ct: MakeCt, tmp_path: Path, keyword: str, value: Any, instead: str | None
) -> None:
    source = make_ct(changes={keyword: value})
    (remark,) = remarks(source)
    assert remark.startswith(f"{keyword} is not as DICOM has it") and str(value) not in remark
    assert source.first.get(keyword) == instead
    (file,) = write_objects(with_segments(source), [ObjectKind.RTSTRUCT], tmp_path / "out", "case")
    assert errors(file) == []


def test_without_a_valid_method_removed_identities_stay_known(make_ct: MakeCt) -> None:
    changes = {"PatientIdentityRemoved": "YES", "DeidentificationMethodCodeSequence": [code(CodeValue="")]}
    first = make_ct(changes=changes).first
    assert (first.PatientIdentityRemoved, first.DeidentificationMethod) == ("YES", "not stated by the source")


@pytest.mark.filterwarnings("ignore::UserWarning:pydicom")
@pytest.mark.parametrize(
    ("keyword", "value"),
    [
        ("AccessionNumber", HASH),
        ("StudyID", HASH),
        ("PatientID", 2 * HASH),
        ("PatientName", 2 * HASH),
        ("PatientID", "a\x07b"),
        ("PatientID", ["one", "two"]),
        ("StudyInstanceUID", "1.2.03.4"),
        ("StudyInstanceUID", "1." + "2" * 70),
        ("FrameOfReferenceUID", "anonymous"),
    ],
)
def test_what_ties_objects_to_their_study_is_kept_as_the_images_have_it(
    make_ct: MakeCt, tmp_path: Path, keyword: str, value: Any
) -> None:
    """Emptied, an archive would file the objects under another patient or study than the images."""
    source = make_ct(changes={keyword: value})
    (remark,) = remarks(source)
    assert remark.startswith(f"{keyword} is not as DICOM has it and was kept") and HASH not in remark
    written = map(pydicom.dcmread, write_objects(with_segments(source), KINDS, tmp_path / "out", "case"))
    values = [dataset[keyword].value for dataset in written if keyword in dataset]
    assert values == [value] * len(values) and len(values) >= 2  # an SR has no frame of reference


def test_private_attributes_of_whoever_removed_the_identity_stay_behind(
    make_ct: MakeCt, tmp_path: Path
) -> None:
    stack = make_ct().stack
    files = [tmp_path / "ct" / f"{index}.dcm" for index in range(8)]
    for file in files:
        image = pydicom.dcmread(file)
        for group, creator in ((0x13, "CTP"), (0x9, "A SCANNER")):
            image.private_block(group, creator, create=True).add_new(0x10, "LO", "PrivateProject")
        image.save_as(file)
    source = source_of_files(files, stack)
    for file in write_objects(with_segments(source), KINDS, tmp_path / "out", "case"):
        assert not any(told in file.read_bytes() for told in (b"PrivateProject", b"CTP", b"A SCANNER"))
