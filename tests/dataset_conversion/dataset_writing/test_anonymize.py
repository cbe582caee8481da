"""Cases under new names: stable, and nothing of the old ones in the dataset, the log or on the screen."""

from __future__ import annotations

import csv
import gzip
import json
import pickle
import sys
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pytest
import SimpleITK as sitk
from dicom_patient import MakePatient, SaveDicom
from luna_folder import LunaFolder

from nnunetv2_raemd.cli import main
from nnunetv2_raemd.dataset_conversion.case import (
    Case,
    CaseExcludedError,
    FoundCases,
    LoadedCase,
    Outcome,
    Status,
)
from nnunetv2_raemd.dataset_conversion.dataset_folder import DatasetFolder
from nnunetv2_raemd.dataset_conversion.dataset_writing import conversion_batch
from nnunetv2_raemd.dataset_conversion.dataset_writing.anonymize import AnonymousCases, anonymized
from nnunetv2_raemd.dataset_conversion.dataset_writing.case_mapping import CaseMapping, read_mapping
from nnunetv2_raemd.errors import UserError

PATIENT = "MRN-4711"
WORDS = ("Secret", "19000101", "Clinic", PATIENT)


@dataclass(frozen=True)
class NamedCase:
    """A case whose every word names somebody; `error` is what loading ends in,
    `unreadable` what a look at the files ends in.
    """

    case_id: str
    patient_id: str = PATIENT
    error: Exception | None = None
    unreadable: Exception | None = None
    details: dict[str, Any] = field(default_factory=dict)

    def summary(self) -> str:
        return f"scan of {self.patient_id}"

    def sources(self) -> Sequence[Path]:
        return ()

    def fingerprint(self) -> str:
        if self.unreadable:
            raise self.unreadable
        return "1"

    def load(self) -> LoadedCase:
        if self.error:
            raise self.error
        image = sitk.Image([4, 4, 4], sitk.sitkInt16)
        return LoadedCase(image, sitk.Image([4, 4, 4], sitk.sitkUInt8), self.details)


def found_of(*cases: Case, rejected: Sequence[Outcome] = ()) -> FoundCases:
    subsets = {case.case_id: 3 for case in cases}
    return FoundCases(cases, tuple(rejected), (f"{PATIENT} was here",), subsets)


def renamed(found: FoundCases, file: Path) -> AnonymousCases:
    mapping = read_mapping(file, DatasetFolder(file.parent / "Dataset001_X"), overwrite=False)
    return anonymized(found, mapping, name="X")


def names(found: AnonymousCases) -> list[tuple[str, str]]:
    return [(case.case_id, case.patient_id) for case in found.found.cases]


def test_cases_and_patients_are_numbered(tmp_path: Path) -> None:
    made = renamed(
        found_of(NamedCase("b", "q"), NamedCase("c", "p"), NamedCase("d", "q")), tmp_path / "m.csv"
    )
    assert names(made) == [("X_001", "X_P001"), ("X_002", "X_P002"), ("X_003", "X_P001")]
    assert made.found.subsets == {"X_001": 3, "X_002": 3, "X_003": 3}


def test_names_stay_when_cases_are_added_or_missing(tmp_path: Path) -> None:
    file = tmp_path / "m.csv"
    renamed(found_of(NamedCase("b", "q"), NamedCase("c", "p")), file).write_private()
    added = renamed(found_of(NamedCase("a", "p"), NamedCase("c", "p"), NamedCase("z", "r")), file)
    assert names(added) == [("X_003", "X_P002"), ("X_002", "X_P002"), ("X_004", "X_P003")]
    added.write_private()
    with file.open(newline="") as stream:
        rows = {
            row["case"]: (row["original_case"], row["original_patient"]) for row in csv.DictReader(stream)
        }
    assert rows == {"X_001": ("b", "q"), "X_002": ("c", "p"), "X_003": ("a", "p"), "X_004": ("z", "r")}


def test_more_than_999_cases(tmp_path: Path) -> None:
    made = renamed(found_of(*(NamedCase(f"c{i:04d}") for i in range(1001))), tmp_path / "m.csv")
    assert names(made)[998][0] == "X_999" and names(made)[-1][0] == "X_1001"
    made.write_private()
    again = renamed(found_of(NamedCase("c1000"), NamedCase("new")), tmp_path / "m.csv")
    assert [case for case, _ in names(again)] == ["X_1001", "X_1002"]


def test_only_figures_are_public_and_the_rest_is_kept(tmp_path: Path) -> None:
    details = {
        "series_uid": "1.2.3",
        "sources": ["Doe.dcm"],
        "rois_found": ["GTV of Doe"],
        "mask_source": "contours",
        "annotated_diameters_mm": [3.5, 4.5],
        "subset": 3,
        "checks": ["Doe", "Doe again"],
        "nested": [["Doe"]],
    }
    made = renamed(found_of(NamedCase("b", details=details)), tmp_path / "m.csv")
    assert made.found.cases[0].load().details == {
        "mask_source": "contours",
        "annotated_diameters_mm": [3.5, 4.5],
        "subset": 3,
        "checks": ["remarks (2), kept beside the mapping file"],
    }
    kept = json.loads((tmp_path / "m_cases" / "X_001.json").read_text())
    assert kept == {"original_case": "b", "original_patient": PATIENT, **details}


@pytest.mark.parametrize(
    ("error", "kind"),
    [
        (UserError("/data/Doe/x is broken"), UserError),
        (CaseExcludedError("Doe is left out"), CaseExcludedError),
        (ZeroDivisionError("Doe"), UserError),
    ],
)
def test_errors_say_where_to_look_and_keep_their_meaning(
    tmp_path: Path, error: Exception, kind: type[Exception]
) -> None:
    made = renamed(found_of(NamedCase("b", error=error)), tmp_path / "m.csv")
    with pytest.raises(kind, match=r"see m_cases/X_001\.json beside the mapping file") as raised:
        made.found.cases[0].load()
    assert "Doe" not in str(raised.value) and raised.value.__suppress_context__
    assert "Doe" in (tmp_path / "m_cases" / "X_001.json").read_text()
    made = renamed(found_of(NamedCase("c", unreadable=error)), tmp_path / "n.csv")
    with pytest.raises(kind, match=r"see n_cases/X_001\.json beside the mapping file"):
        made.found.cases[0].fingerprint()


def test_interrupted_overwriting_leaves_no_old_name(
    luna_of_three: LunaFolder,
    convert: Callable[..., tuple[int, str]],
    nnunet_folders: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    def interrupted(*_: object, **__: object) -> None:
        raise KeyboardInterrupt

    options = as_spheres(luna_of_three)
    dataset = nnunet_folders / "Dataset501_LUNA16"
    assert convert(*options, "--qc")[0] == 0 and list(dataset.glob("qc/1.3.6.777.21*"))
    monkeypatch.setattr(conversion_batch, "convert_case", interrupted)
    assert convert(*options, "--anonymize", "--overwrite")[0] == 130
    assert "1.3.6.777" not in everything_in(dataset)


def test_cases_can_be_sent_to_workers(tmp_path: Path) -> None:
    made = renamed(found_of(NamedCase("b", details={"subset": 3})), tmp_path / "m.csv")
    sent = pickle.loads(pickle.dumps(made.found.cases[0]))
    assert sent == made.found.cases[0] and sent.load().details["subset"] == 3


def test_rejected_cases_and_remarks_name_nobody(tmp_path: Path) -> None:
    rejected = [
        Outcome("b", Status.FAILED, f"{PATIENT} has two sets", PATIENT),
        Outcome("Doe.dcm", Status.FAILED, "/data/Doe.dcm cannot be read"),
    ]
    made = renamed(found_of(NamedCase("c"), rejected=rejected), tmp_path / "m.csv")
    assert [(o.case_id, o.patient_id) for o in made.found.rejected] == [
        ("X_001", "X_P001"),
        ("X_file002", ""),
    ]
    assert "Doe" not in str(made.found.rejected) and PATIENT not in str(
        (made.found.rejected, made.found.remarks)
    )
    assert not list(tmp_path.iterdir())  # a dry run writes nothing
    made.write_private()
    assert "has two sets" in (tmp_path / "m_cases" / "X_001.json").read_text()
    assert "Doe" in (tmp_path / "m_cases" / "X_file002.json").read_text()
    assert "was here" in (tmp_path / "m_cases" / "remarks.json").read_text()


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("case,original_case\nX_001,b\n", "lacks the column"),
        ("", None),
        ("case,patient,original_case,original_patient\nX_001,X_P001,b,p\nX_001,X_P001,c,p\n", "one name to"),
        (
            "case,patient,original_case,original_patient\nX_001,X_P001,b,p\nX_002,X_P001,b,p\n",
            "names one twice",
        ),
        ("case,patient,original_case,original_patient\nX_001,P,b,p\nX_002,P,c,q\n", "one name to several"),
        ("case,patient,original_case,original_patient\nX_001,X_P001,b\n", "cut off"),
        (
            "case,patient,original_case,original_patient,case\nX_001,X_P001,b,c,X_002\n",
            "column case twice",
        ),
        ("case,patient,original_case,original_patient\nX_001,X_P001,b,p,q\n", "more cells than there are"),
        *(
            (f"case,patient,original_case,original_patient\n{name},X_P001,b,p\n", "cannot name a file")
            for name in ("../../../ESC", "/tmp/ESC", "..", "a/b", ".hidden")
        ),
    ],
)
def test_damaged_mapping_is_refused(tmp_path: Path, text: str, message: str | None) -> None:
    file = tmp_path / "m.csv"
    file.write_text(text)
    folder = DatasetFolder(tmp_path / "Dataset001_X")
    if message is None:
        assert read_mapping(file, folder, overwrite=False) == CaseMapping(file)
        return
    with pytest.raises(UserError, match=message) as error:
        read_mapping(file, folder, overwrite=False)
    assert "m.csv" in str(error.value)


def test_mapping_inside_the_dataset_is_refused(tmp_path: Path) -> None:
    folder = DatasetFolder(tmp_path / "Dataset001_X")
    with pytest.raises(UserError, match="be shared with it"):
        read_mapping(folder.path / "m.csv", folder, overwrite=True)


# --- by the command, every byte of output searched ---


@pytest.fixture
def convert(
    monkeypatch: pytest.MonkeyPatch, nnunet_folders: Path, capfd: pytest.CaptureFixture[str]
) -> Callable[..., tuple[int, str]]:
    """Runs `raemd convert`; returns its exit status and all that it and its workers printed."""

    def run(*arguments: object) -> tuple[int, str]:
        monkeypatch.setattr(sys, "argv", ["raemd", "convert", *map(str, arguments)])
        with pytest.raises(SystemExit) as exit_:
            main()
        captured = capfd.readouterr()
        return int(exit_.value.code or 0), captured.out + captured.err

    return run


def everything_in(folder: Path) -> str:
    """Names and contents of all files, decompressed."""
    text = ""
    for file in sorted(folder.rglob("*")):
        text += f"{file.relative_to(folder)}\n"
        if file.is_file():
            content = file.read_bytes()
            text += (gzip.decompress(content) if file.suffix == ".gz" else content).decode("latin-1") + "\n"
    return text


def write_hospital_patient(make_patient: MakePatient, save_dicom: SaveDicom) -> tuple[Any, list[str]]:
    """A patient whose name is in headers, file names and ROI names; returns it with all that names it."""
    patient = make_patient(PATIENT)
    words = {
        "PatientName": "Secret^Name",
        "PatientBirthDate": "19000101",
        "OtherPatientIDs": "Secret-ID",
        "PatientAddress": "Secret Street",
        "InstitutionName": "Clinic",
        "ReferringPhysicianName": "Secret^Doctor",
        "StudyDescription": "Secret study",
        "AccessionNumber": "Secret-4",
    }
    for index in range(len(patient.heights_mm)):
        save_dicom(patient.ct_slice(index, **words), patient.folder / f"Secret Name {index}.dcm")
    box = patient.box([2, 3], rows=(3, 5), columns=(4, 9))
    point = [("POINT", patient.to_world([(1, 1)], 0.0))]
    patient.write_rtstruct({"GTV-1": box + point, "Secret Name heart": box}, name="Secret Name RT.dcm")
    return patient, [*WORDS, *patient.uids.values()]


def test_no_name_in_any_output(
    make_patient: MakePatient,
    save_dicom: SaveDicom,
    convert: Callable[..., tuple[int, str]],
    nnunet_folders: Path,
    tmp_path: Path,
) -> None:
    _, words = write_hospital_patient(make_patient, save_dicom)
    broken = tmp_path / "dicom" / "Secret Name broken.dcm"
    broken.write_bytes(b"Secret Name, cut off")
    options = ("nsclc-radiomics", "-i", tmp_path / "dicom", "-d", 502, "--workers", 2, "--anonymize", "--qc")
    _, dry = convert(*options, "--dry-run")
    status, printed = convert(*options)
    assert status == 1  # the broken file
    output = dry + printed + everything_in(nnunet_folders / "Dataset502_NSCLCRadiomics")
    assert "NSCLCRadiomics_001" in output
    assert [word for word in words if word in output] == []
    private = everything_in(nnunet_folders / "mapping_Dataset502_NSCLCRadiomics_cases")
    assert "Secret Name heart" in private and "Secret Name broken.dcm" in private
    assert PATIENT in (nnunet_folders / "mapping_Dataset502_NSCLCRadiomics.csv").read_text()


def test_without_the_option_the_patient_id_is_all_there_is(
    make_patient: MakePatient,
    save_dicom: SaveDicom,
    convert: Callable[..., tuple[int, str]],
    nnunet_folders: Path,
    tmp_path: Path,
) -> None:
    """File and ROI names are in the report, as they are meant to be: only what is in headers must not be."""
    patient = make_patient(PATIENT)
    secret = {"PatientName": "Secret^Name", "PatientBirthDate": "19000101", "InstitutionName": "Clinic"}
    for index in range(len(patient.heights_mm)):
        save_dicom(patient.ct_slice(index, **secret), patient.folder / f"{index}.dcm")
    patient.write_rtstruct({"GTV-1": patient.box([2], rows=(3, 5), columns=(4, 9))})
    status, printed = convert("nsclc-radiomics", "-i", tmp_path / "dicom", "-d", 502, "--workers", 1)
    output = printed + everything_in(nnunet_folders)
    assert status == 0 and [word for word in WORDS if word in output] == [PATIENT]


@pytest.fixture
def luna_of_three(luna: LunaFolder) -> LunaFolder:
    for number in (21, 22, 23):
        luna.add_scan(f"1.3.6.777.{number}", nodule=(10, 9, 8))
    luna.write_annotations()
    return luna


def as_spheres(luna: LunaFolder) -> tuple[object, ...]:
    """The arguments that convert the folder into dataset 501."""
    return ("luna16", "-i", luna.path, "-d", 501, "--masks", "sphere", "--workers", 1)


def test_luna16_resumes_and_grows_under_the_same_names(
    luna_of_three: LunaFolder, convert: Callable[..., tuple[int, str]], nnunet_folders: Path
) -> None:
    options = (*as_spheres(luna_of_three), "--anonymize")
    assert convert(*options, "--limit", 2)[0] == 0
    dataset = nnunet_folders / "Dataset501_LUNA16"
    first = everything_in(dataset / "imagesTr")
    luna_of_three.add_scan("1.3.6.777.20", nodule=(10, 9, 8))
    luna_of_three.write_annotations()
    status, printed = convert(*options)
    assert status == 0 and "(2 from earlier runs)" in printed
    assert everything_in(dataset / "imagesTr").startswith(first)
    assert [f.name for f in sorted((dataset / "labelsTr").iterdir())] == [
        f"LUNA16_{n:03d}.nii.gz" for n in (1, 2, 3, 4)
    ]
    assert "1.3.6.777" not in printed + everything_in(dataset)


def test_anonymized_and_named_cases_do_not_mix(
    luna_of_three: LunaFolder, convert: Callable[..., tuple[int, str]], nnunet_folders: Path
) -> None:
    options = as_spheres(luna_of_three)
    dataset = nnunet_folders / "Dataset501_LUNA16"
    assert convert(*options)[0] == 0
    assert "1.3.6.777" in everything_in(dataset)
    status, printed = convert(*options, "--anonymize")
    assert status == 1 and "3 cases that" in printed and "1.3.6.777" not in printed
    assert convert(*options, "--anonymize", "--overwrite")[0] == 0
    assert "1.3.6.777" not in everything_in(dataset)
    status, printed = convert(*options)
    assert status == 1 and "other settings" in printed


def test_lost_mapping_is_noticed(
    luna_of_three: LunaFolder, convert: Callable[..., tuple[int, str]], nnunet_folders: Path
) -> None:
    options = (*as_spheres(luna_of_three), "--anonymize")
    file = nnunet_folders.parent / "private" / "names.csv"
    assert convert(*options, "--mapping", file)[0] == 0
    assert sorted(f.name for f in nnunet_folders.iterdir()) == ["Dataset501_LUNA16"]
    assert convert(*options, "--mapping", file)[0] == 0
    status, printed = convert(*options)
    assert status == 1 and "give the mapping file that they were made with" in printed


def test_options_that_need_others(luna_of_three: LunaFolder, convert: Callable[..., tuple[int, str]]) -> None:
    options = ("luna16", "-i", luna_of_three.path, "-d", 501)
    assert "--mapping is for --anonymize" in convert(*options, "--mapping", "x.csv")[1]
    assert "--lungs-dir says where" in convert(*options, "--lungs-dir", luna_of_three.path)[1]


def test_names_that_spreadsheets_run_are_quoted_and_found_again(tmp_path: Path) -> None:
    mapping = CaseMapping(tmp_path / "m.csv").extended({"=1+1": "@SUM(A1)", "b": "p"}, "X")
    mapping.write()
    assert "'=1+1" in mapping.path.read_text() and "'@SUM(A1)" in mapping.path.read_text()
    assert read_mapping(mapping.path, DatasetFolder(tmp_path / "D"), overwrite=False) == mapping


def test_nothing_is_left_in_the_making(
    luna_of_three: LunaFolder, convert: Callable[..., tuple[int, str]], nnunet_folders: Path
) -> None:
    assert convert(*as_spheres(luna_of_three))[0] == 0
    assert not (nnunet_folders / "Dataset501_LUNA16" / ".conversion" / "unfinished").exists()
