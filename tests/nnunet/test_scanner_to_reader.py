"""The whole way of a user: train, calibrate, predict DICOM, and read what comes out, file by file."""

from __future__ import annotations

import csv
import json
import shutil
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pydicom
import pytest
import SimpleITK as sitk
from dicom_patient import DicomPatient
from nnunet_models import PREDICT, RAEMD
from nnunet_workspace import Workspace, noisy_spheres, write_volume

from nnunetv2_raemd.confidence.calibration_file import FILE_NAME

MODEL = ("-d", 501, *PREDICT, "-npp", 0, "-nps", 0, "--disable_tta")


@dataclass(frozen=True)
class Calibrated:
    """A workspace whose model was calibrated; `results` is a copy, that other tests see none of it."""

    workspace: Workspace
    results: Path

    @property
    def model(self) -> Path:
        return self.results / "Dataset501_Spheres" / f"{RAEMD}__nnUNetPlans__2d"

    def run(self, *arguments: object) -> str:
        finished = self.workspace.raemd(*arguments, nnUNet_results=str(self.results))
        assert finished.returncode == 0, finished.stdout[-6000:]
        return finished.stdout


@pytest.fixture(scope="module")
def calibrated(
    workspace: Workspace, raemd_model: Path, tmp_path_factory: pytest.TempPathFactory
) -> Calibrated:
    results = tmp_path_factory.mktemp("calibrated") / "results"
    model = results / raemd_model.parent.name / raemd_model.name
    shutil.copytree(raemd_model, model)
    made = Calibrated(workspace, results)
    said = made.run("calibrate", "-d", 501, "-c", "2d", "-tr", RAEMD, "-np", 1)
    assert "ECE" in said and (model / FILE_NAME).is_file()
    change_label(model, rate_by_probability_and_size)  # from two cases comes one confidence for all
    return made


def change_label(model: Path, change: Callable[[dict[str, Any]], None]) -> None:
    """Change what a calibration says of its only label."""
    content = json.loads((model / FILE_NAME).read_text(encoding="utf-8"))
    change(content["labels"][0])
    (model / FILE_NAME).write_text(json.dumps(content), encoding="utf-8")


def rate_by_probability_and_size(label: dict[str, Any]) -> None:
    """No two lesions of other voxels are rated the same, even if a network takes all of each scan for one."""
    label["confidence_model"]["coefficients"] = [0.0, 1.0, 1.0, 0.0]
    label["confidence_model"]["intercept"] = -1.0


@pytest.fixture(scope="module")
def source(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Two patients, a folder each, with files that are no CT beside them."""
    folder = tmp_path_factory.mktemp("dicom")
    for number, name in enumerate(("MEIER-81", "MEIER-82")):
        patient = DicomPatient(folder / name, name, heights_mm=[2.5 * i for i in range(10)])
        image, _ = noisy_spheres(100 + number, (10, 40, 40))
        patient.stored = (np.clip(image, -1000, 2000) + 1024).astype(np.uint16)
        patient.write_ct()
    (folder / "README.txt").write_text("for the doctor", encoding="utf-8")
    return folder


@pytest.fixture(scope="module")
def output(calibrated: Calibrated, source: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """One command, everything that it can write."""
    folder = tmp_path_factory.mktemp("predicted") / "out"
    objects = ("--dicom", "seg", "rtstruct", "sr", "--uncertainty")
    calibrated.run("predict", "-i", source, "-o", folder, *MODEL, *objects)
    return folder


def cases_of(output: Path) -> dict[str, list[dict[str, Any]]]:
    """The lesions of each scan by lesions.json."""
    content = json.loads((output / "lesions.json").read_text(encoding="utf-8"))
    return {scan["case_id"]: scan["lesions"] for scan in content["scans"]}


def test_every_file_is_there_and_none_is_left_over(output: Path) -> None:
    cases = cases_of(output)
    assert len(cases) == 2
    endings = ["nii.gz", "lesions.json", "seg.dcm", "rtstruct.dcm", "sr.dcm"]
    endings += ["uncertainty.dcm", "uncertainty-mutual-information.dcm"]
    expected = {f"{case}.{ending}" for case in cases for ending in endings}
    expected |= {"lesions.csv", "lesions.json", "scans.json", "dataset.json", "plans.json"}
    expected |= {"predict_from_raw_data_args.json", "uncertainty"}
    assert {file.name for file in output.iterdir()} == expected
    maps = {f"{case}_{kind}.nii.gz" for case in cases for kind in ("entropy", "mutual_information")}
    assert {file.name for file in (output / "uncertainty").iterdir()} == maps


def test_lists_hold_a_confidence_for_each_lesion_and_agree(output: Path) -> None:
    cases = cases_of(output)
    with (output / "lesions.csv").open(encoding="utf-8", newline="") as file:
        rows = list(csv.DictReader(file))
    assert len(rows) == sum(map(len, cases.values())) > 0
    by_number = {(case, str(one["number"])): one for case, lesions in cases.items() for one in lesions}
    for row in rows:
        lesion = by_number[row["case"], row["number"]]
        assert 0 < lesion["confidence"] < 1
        assert float(row["confidence"]) == lesion["confidence"]
        assert float(row["volume_mm3"]) == lesion["volume_mm3"]


def test_what_is_named_is_still_there(output: Path, source: Path) -> None:
    """Images lay in a temporary folder while they were predicted; lists name the folders of the series."""
    content = json.loads((output / "lesions.json").read_text(encoding="utf-8"))
    for scan in content["scans"]:
        assert Path(scan["segmentation"]).is_file()
        image = Path(scan["image"])
        assert image.is_relative_to(source) and image.name == "ct"
        uids = {pydicom.dcmread(file, stop_before_pixels=True).SeriesInstanceUID for file in image.iterdir()}
        assert uids == {scan["case_id"]}
    arguments = json.loads((output / "predict_from_raw_data_args.json").read_text(encoding="utf-8"))
    assert arguments["list_of_lists_or_source_folder"] == str(source)


def sr_measurements(file: Path) -> dict[str, dict[str, float]]:
    """Numbers of an SR by lesion and meaning, read by hand."""
    found: dict[str, dict[str, float]] = {}

    def groups(item: Any) -> Any:
        for child in item.get("ContentSequence", ()):
            if child.get("ConceptNameCodeSequence") and meaning(child) == "Measurement Group":
                yield child
            yield from groups(child)

    def meaning(item: Any) -> str:
        return str(item.ConceptNameCodeSequence[0].CodeMeaning)

    for group in groups(pydicom.dcmread(file)):
        (name,) = [c.TextValue for c in group.ContentSequence if meaning(c) == "Tracking Identifier"]
        found[name] = {
            meaning(child): float(child.MeasuredValueSequence[0].NumericValue)
            for child in group.ContentSequence
            if child.ValueType == "NUM"
        }
    return found


def test_the_report_says_what_the_list_says(output: Path) -> None:
    for case, lesions in cases_of(output).items():
        measured = sr_measurements(output / f"{case}.sr.dcm")
        assert len(measured) == len(lesions)
        for lesion in lesions:
            numbers = measured[f"nodule {lesion['number']}"]
            assert numbers["Certainty of Finding"] == round(100 * lesion["confidence"], 2)
            assert numbers["Volume"] == lesion["volume_mm3"]
            assert numbers["Long axis"] == lesion["long_axis_mm"]
            assert numbers["Short axis"] == lesion["short_axis_mm"]
            assert numbers["Equivalent spherical diameter"] == lesion["equivalent_diameter_mm"]
            assert numbers["Attenuation Coefficient"] == lesion["mean_hu"]
        seg = pydicom.dcmread(output / f"{case}.seg.dcm")
        assert {s.TrackingID for s in seg.SegmentSequence} == set(measured)


def test_maps_of_uncertainty_are_the_same_in_both_formats(output: Path) -> None:
    for case in cases_of(output):
        for kind, name in (("entropy", ""), ("mutual_information", "-mutual-information")):
            image = sitk.ReadImage(str(output / "uncertainty" / f"{case}_{kind}.nii.gz"))
            values = sitk.GetArrayFromImage(image)
            made = pydicom.dcmread(output / f"{case}.uncertainty{name}.dcm")
            frames = np.frombuffer(made.FloatPixelData, "<f4").reshape(values.shape)
            for frame, group in zip(frames, made.PerFrameFunctionalGroupsSequence, strict=True):
                place = [float(x) for x in group.PlanePositionSequence[0].ImagePositionPatient]
                index = image.TransformPhysicalPointToIndex(place)
                assert index[:2] == (0, 0)
                assert np.array_equal(frame, values[index[2]])


def test_an_exported_model_gives_the_same_confidences(
    calibrated: Calibrated, source: Path, output: Path, tmp_path: Path
) -> None:
    names = ("-d", 501, "-c", "2d", "-tr", RAEMD, "-f", 0)
    calibrated.run("export", *names, "-o", tmp_path / "model", "--format", "safetensors")
    content = json.loads((tmp_path / "model" / FILE_NAME).read_text(encoding="utf-8"))
    assert content["cases"] == [str(n + 1) for n in range(len(content["cases"]))]
    arguments = ("-m", tmp_path / "model", "-npp", 0, "-nps", 0, "--disable_tta")
    calibrated.run("predict", "-i", source, "-o", tmp_path / "out", *arguments)
    expected = cases_of(output)
    for case, lesions in cases_of(tmp_path / "out").items():
        ours = [(one["n_voxels"], one["confidence"]) for one in lesions]
        assert ours == [(one["n_voxels"], one["confidence"]) for one in expected[case]]


def test_objects_hold_what_reaches_the_operating_point(
    calibrated: Calibrated, source: Path, output: Path, tmp_path: Path
) -> None:
    confidences = sorted({one["confidence"] for lesions in cases_of(output).values() for one in lesions})
    half = len(confidences) // 2
    middle = sum(confidences[half - 1 : half + 1]) / 2  # of two lesions
    copied = Calibrated(calibrated.workspace, tmp_path / "results")
    shutil.copytree(calibrated.results, copied.results)
    # thirty scans with a false lesion each of that confidence: what is not above it is left out
    cases = [{"confidences": [middle], "touched": [[]], "n_lesions": 0}] * 30
    change_label(copied.model, lambda label: label.update(cases=cases))
    objects = ("--dicom", "seg", "sr", "--false-positives", 0.5)
    copied.run("predict", "-i", source, "-o", tmp_path / "out", *MODEL, *objects)
    report = json.loads((tmp_path / "out" / "scans.json").read_text(encoding="utf-8"))
    remarks = {scan["case_id"]: " ".join(scan["remarks"]) for scan in report["scans"]}
    found = cases_of(tmp_path / "out")
    assert {one["listed"] for lesions in found.values() for one in lesions} == {True, False}
    for case, lesions in found.items():
        listed = {f"nodule {one['number']}" for one in lesions if one["listed"]}
        assert listed == {f"nodule {one['number']}" for one in lesions if one["confidence"] > middle}
        left_out = len(lesions) - len(listed)
        if left_out:
            assert f"not in the DICOM objects: {left_out}" in remarks[case]
        if not listed:
            continue
        seg = pydicom.dcmread(tmp_path / "out" / f"{case}.seg.dcm")
        assert {segment.TrackingID for segment in seg.SegmentSequence} == listed
        assert set(sr_measurements(tmp_path / "out" / f"{case}.sr.dcm")) == listed
        own = pydicom.dcmread(output / f"{case}.seg.dcm")
        assert own.SeriesInstanceUID != seg.SeriesInstanceUID  # another operating point, another result


def test_anonymized_output_tells_nobody_whose_scans_they_are(
    calibrated: Calibrated, source: Path, output: Path, tmp_path: Path, capfd: pytest.CaptureFixture[str]
) -> None:
    """No name, number, date of birth, UID or path of the source is in any file; the private file has them."""
    objects = ("--dicom", "seg", "rtstruct", "sr", "--uncertainty", "--anonymize")
    folder = tmp_path / "out"
    said = calibrated.run("predict", "-i", source, "-o", folder, *MODEL, *objects)
    said += "".join(capfd.readouterr())  # what libraries print by other ways than Python's
    assert cases_of(folder).keys() == {"scan_001", "scan_002"}
    private_file = tmp_path / "out_private.json"
    private = json.loads(private_file.read_text(encoding="utf-8"))
    headers = [pydicom.dcmread(file, stop_before_pixels=True) for file in source.rglob("*.dcm")]
    secrets = {"MEIER", "Secret", "19000101", str(source)}
    for header in headers:
        uids = (header.StudyInstanceUID, header.SeriesInstanceUID, header.SOPInstanceUID)
        secrets |= {*map(str, uids), str(header.FrameOfReferenceUID)}
    contents = [file.read_bytes() for file in folder.rglob("*") if file.is_file()]
    for secret in secrets:
        assert secret not in said
        assert not any(secret.encode() in content for content in contents)
    assert private_file.stat().st_mode & 0o077 == 0
    assert set(private["scans"]) == {str(header.SeriesInstanceUID) for header in headers}
    assert private["patients"] == {"MEIER-81": "patient_001", "MEIER-82": "patient_002"} or set(
        private["patients"].values()
    ) == {"patient_001", "patient_002"}
    seg = pydicom.dcmread(folder / "scan_001.seg.dcm")
    assert (seg.PatientIdentityRemoved, seg.PatientBirthDate) == ("YES", "")
    assert seg.StudyInstanceUID in private["uids"].values()
    by_number = {new: old for old, new in private["scans"].items()}
    for case, lesions in cases_of(folder).items():  # and it is the same result
        original = cases_of(output)[by_number[case]]
        assert [one["confidence"] for one in lesions] == [one["confidence"] for one in original]
    again = calibrated.run("predict", "-i", source, "-o", folder, *MODEL, *objects, "--continue_prediction")
    assert "Done already: 2" in again


def listed_by_case(output: Path) -> Mapping[str, int]:
    return {case: len(lesions) for case, lesions in cases_of(output).items()}


def test_a_zip_and_a_folder_of_nifti_give_the_same_lists(
    calibrated: Calibrated, source: Path, output: Path, tmp_path: Path
) -> None:
    archive = Path(shutil.make_archive(str(tmp_path / "both"), "zip", source))
    calibrated.run("predict", "-i", archive, "-o", tmp_path / "zip", *MODEL, "--dicom", "sr")
    assert listed_by_case(tmp_path / "zip") == listed_by_case(output)
    scans = json.loads((tmp_path / "zip" / "lesions.json").read_text(encoding="utf-8"))["scans"]
    assert {scan["image"] for scan in scans} == {str(archive)}
    write_volume(noisy_spheres(100, (10, 40, 40))[0], tmp_path / "nifti" / "one_0000.nii.gz")
    options = ("--uncertainty", "--explain")
    calibrated.run("predict", "-i", tmp_path / "nifti", "-o", tmp_path / "of_nifti", *MODEL, *options)
    (lesions,) = cases_of(tmp_path / "of_nifti").values()
    assert all(lesion["confidence"] is not None for lesion in lesions)
    (scan,) = json.loads((tmp_path / "of_nifti" / "lesions.json").read_text(encoding="utf-8"))["scans"]
    assert scan["image"] == str(tmp_path / "nifti" / "one_0000.nii.gz")
    html = (tmp_path / "of_nifti" / "one.lesions.html").read_text(encoding="utf-8")
    assert html.count("<article") == min(len(lesions), 20)
    most_confident = max(lesion["confidence"] for lesion in lesions)
    assert f"{most_confident:.2f}" in html
