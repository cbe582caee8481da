"""Datasets in every layout: nnU-Net's own check, test cases apart, changes of mind between runs."""

from __future__ import annotations

import gzip
import json
import sys
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import SimpleITK as sitk
from dicom_patient import MakePatient
from luna_folder import LunaFolder
from nnunetv2.experiment_planning.verify_dataset_integrity import verify_dataset_integrity
from nnunetv2.preprocessing.normalization.map_channel_name_to_normalization import get_normalization_scheme

from nnunetv2_raemd.cli import main
from nnunetv2_raemd.dataset_conversion.archives.luna16.luna16_choices import LungUse
from nnunetv2_raemd.dataset_conversion.archives.luna16.luna16_scans import DESCRIPTION, find_luna16_cases
from nnunetv2_raemd.dataset_conversion.archives.luna16.lung_masks import (
    LungChoice,
    describe_lung_class,
    find_lung_masks,
    with_lungs,
)
from nnunetv2_raemd.dataset_conversion.archives.luna16.mask_sources import Spheres
from nnunetv2_raemd.dataset_conversion.case import Case, FoundCases, LoadedCase, Status
from nnunetv2_raemd.dataset_conversion.dataset_description import DatasetDescription
from nnunetv2_raemd.dataset_conversion.dataset_folder import dataset_folder
from nnunetv2_raemd.dataset_conversion.dataset_writing.conversion import ConversionResult, RunOptions, convert
from nnunetv2_raemd.dataset_conversion.dataset_writing.splits import ArchiveSubsets, GroupedFolds, Holdout
from nnunetv2_raemd.errors import UserError

UIDS = [f"1.{number}" for number in range(10)]
# by the pinned order of test_splits.py: ten patients, two to test and two to validate
TEST, VALIDATION = ["1.0", "1.7"], 2


@pytest.fixture
def luna_of_ten(luna: LunaFolder) -> LunaFolder:
    """Scans 1.0 to 1.9 with a nodule and a lung mask each, in subsets 3 to 9 and 0 to 2."""
    for uid in UIDS:
        scan = luna.add_scan(uid, turned=uid == "1.3", nodule=(10.25, 9.5, 7.75))
        lungs = np.zeros((16, 20, 24), dtype=np.int16)
        lungs[3:12, 5:15, 4:9], lungs[3:12, 5:15, 9:20] = 3, 4
        mask = sitk.GetImageFromArray(lungs)
        mask.CopyInformation(scan)
        (luna.path / "seg-lungs-LUNA16").mkdir(exist_ok=True)
        sitk.WriteImage(mask, str(luna.path / "seg-lungs-LUNA16" / f"{uid}.mhd"))
    luna.write_annotations()
    return luna


def run(
    found: FoundCases, about: DatasetDescription = DESCRIPTION, settings: Any = None, **options: Any
) -> ConversionResult:
    folder = dataset_folder(501, "Test")
    return convert(found, folder, about, settings=settings or {}, options=RunOptions(**options))


def files(folder: Path) -> dict[str, list[str]]:
    """Names of cases by folder."""
    parts = ("imagesTr", "labelsTr", "imagesTs", "labelsTs")
    return {p: sorted(f.name.replace("_0000", "")[:-7] for f in (folder / p).iterdir()) for p in parts}


def about_json(folder: Path) -> dict[str, Any]:
    return dict(json.loads((folder / "dataset.json").read_text()))


@dataclass(frozen=True)
class PartlyIgnored:
    """A case of which the first slice is to be ignored."""

    case: Case

    def __getattr__(self, name: str) -> Any:
        if name.startswith("__"):
            raise AttributeError(name)
        return getattr(self.case, name)

    def load(self) -> LoadedCase:
        loaded = self.case.load()
        loaded.label[:, :, 0] = 2
        return loaded


def test_holdout_goes_to_the_test_folders(
    luna_of_ten: LunaFolder, nnunet_folders: Path, nnunet_in_threads: None
) -> None:
    folder = run(find_luna16_cases(luna_of_ten.path, Spheres()), split=Holdout()).folder
    training = sorted(set(UIDS).difference(TEST))
    assert files(folder) == {
        "imagesTr": training,
        "labelsTr": training,
        "imagesTs": TEST,
        "labelsTs": TEST,
    }
    (fold,) = json.loads((folder / "splits_final.json").read_text())
    assert sorted(fold["train"] + fold["val"]) == training and len(fold["val"]) == VALIDATION
    assert about_json(folder)["numTraining"] == 8
    report = json.loads((folder / "conversion_report.json").read_text())
    assert [c["case"] for c in report["cases"] if c["part"] == "test"] == TEST
    assert report["settings"]["split"] == {"kind": "holdout", "seed": 12345}
    verify_dataset_integrity(str(folder), num_processes=1)


def test_folders_of_test_cases_are_there_whatever_the_split(
    luna_of_ten: LunaFolder, nnunet_folders: Path
) -> None:
    assert files(run(find_luna16_cases(luna_of_ten.path, Spheres())).folder)["imagesTs"] == []


@pytest.mark.parametrize("ignored", [False, True])
def test_lung_and_nodule_regions(
    luna_of_ten: LunaFolder, nnunet_folders: Path, nnunet_in_threads: None, ignored: bool
) -> None:
    found = find_luna16_cases(luna_of_ten.path, Spheres())
    about = DESCRIPTION
    if ignored:
        found = replace(found, cases=tuple(PartlyIgnored(case) for case in found.cases))
        about = replace(about, labels={**about.labels, "ignore": 2})
    found = with_lungs(found, find_lung_masks(luna_of_ten.path), LungChoice(LungUse.CLASS))
    result = run(found, describe_lung_class(about), split=Holdout())
    labels = {"background": 0, "lung": [1, 2], "nodule": 1, **({"ignore": 3} if ignored else {})}
    made = about_json(result.folder)
    assert not result.failed
    assert made["labels"] == labels and made["regions_class_order"] == [2, 1]
    written = sitk.GetArrayFromImage(sitk.ReadImage(str(result.folder / "labelsTs" / "1.0.nii.gz")))
    assert np.unique(written).tolist() == ([0, 1, 2, 3] if ignored else [0, 1, 2])
    assert result.outcomes[0].record["lesions"] == 1
    verify_dataset_integrity(str(result.folder), num_processes=1)


def test_cropped_images_in_subsets(
    luna_of_ten: LunaFolder, nnunet_folders: Path, nnunet_in_threads: None
) -> None:
    choice = LungChoice(LungUse.CROP, margin_mm=1.0)
    found = with_lungs(
        find_luna16_cases(luna_of_ten.path, Spheres()), find_lung_masks(luna_of_ten.path), choice
    )
    result = run(found, settings=choice.settings(), split=ArchiveSubsets())
    assert {tuple(o.record["size_xyz"]) for o in result.outcomes} == {(20, 14, 11)}
    folds = json.loads((result.folder / "splits_final.json").read_text())
    assert [fold["val"] for fold in folds] == [[f"1.{(n + 7) % 10}"] for n in range(10)]
    verify_dataset_integrity(str(result.folder), num_processes=1)


def test_channel_name_decides_nnunets_normalisation(luna_of_ten: LunaFolder, nnunet_folders: Path) -> None:
    found = find_luna16_cases(luna_of_ten.path, Spheres())
    schemes = {}
    for name in ("CT", "rescale_to_0_1"):
        folder = run(found, replace(DESCRIPTION, channel_name=name), limit=3).folder
        schemes[name] = get_normalization_scheme(about_json(folder)["channel_names"]["0"])
    assert schemes["CT"].__name__ == "CTNormalization"
    image = schemes["rescale_to_0_1"](intensityproperties={}).run(np.array([-1000.0, 0.0, 3000.0]))
    assert image.tolist() == [0.0, 0.25, 1.0]


def test_dataset_json_tells_where_it_comes_from(luna_of_ten: LunaFolder, nnunet_folders: Path) -> None:
    made = about_json(run(find_luna16_cases(luna_of_ten.path, Spheres()), limit=3).folder)
    assert made["licence"] == "CC BY 4.0" and "luna16.grand-challenge.org" in made["source"]
    assert "10.1016/j.media.2017.06.015" in made["reference"]
    assert made["converted_by"].startswith("nnunetv2-raemd ")


def test_other_split_moves_cases_and_says_so(luna_of_ten: LunaFolder, nnunet_folders: Path) -> None:
    found = find_luna16_cases(luna_of_ten.path, Spheres())
    run(found, split=GroupedFolds())
    bytes_before = {f.name: f.read_bytes() for f in nnunet_folders.rglob("imagesT*/*")}
    there = run(found, split=Holdout())
    assert {o.status for o in there.outcomes} == {Status.KEPT}
    assert files(there.folder)["labelsTs"] == files(there.folder)["imagesTs"] == TEST
    assert any("2 cases moved between training and test" in remark for remark in there.remarks)
    back = run(found, split=GroupedFolds())
    assert files(back.folder)["imagesTs"] == [] and about_json(back.folder)["numTraining"] == 10
    assert {f.name: f.read_bytes() for f in nnunet_folders.rglob("imagesT*/*")} == bytes_before
    assert not any("moved" in remark for remark in run(found).remarks)


def test_move_cut_short_is_finished(luna_of_ten: LunaFolder, nnunet_folders: Path) -> None:
    found = find_luna16_cases(luna_of_ten.path, Spheres())
    folder = run(found, split=Holdout()).folder
    (folder / "labelsTs" / "1.0.nii.gz").replace(folder / "labelsTr" / "1.0.nii.gz")
    assert {o.status for o in run(found, split=Holdout()).outcomes} == {Status.KEPT}
    assert files(folder)["labelsTs"] == TEST and "1.0" not in files(folder)["labelsTr"]


def test_limit_grows_and_nobody_changes_sides(luna_of_ten: LunaFolder, nnunet_folders: Path) -> None:
    found = find_luna16_cases(luna_of_ten.path, Spheres())
    for limit in (1, 4, 8, None):
        result = run(found, split=Holdout(), limit=limit)
        asked = UIDS[:limit]
        assert files(result.folder)["imagesTs"] == [uid for uid in TEST if uid in asked]
        assert not any("moved" in remark for remark in result.remarks)
    assert len(files(result.folder)["imagesTr"]) == 8


def test_only_test_cases_are_no_dataset(luna_of_ten: LunaFolder, nnunet_folders: Path) -> None:
    result = run(find_luna16_cases(luna_of_ten.path, Spheres()), split=Holdout(), limit=1)
    assert files(result.folder)["imagesTs"] == ["1.0"]
    assert not (result.folder / "dataset.json").exists()
    assert any("no case to train on" in remark for remark in result.remarks)


def test_failed_test_case_leaves_nothing_and_moves_nobody(
    luna_of_ten: LunaFolder, nnunet_folders: Path, nnunet_in_threads: None
) -> None:
    whole = run(find_luna16_cases(luna_of_ten.path, Spheres()), split=Holdout()).folder
    before = files(whole), (whole / "splits_final.json").read_text()
    (raw,) = luna_of_ten.path.glob("subset*/1.7.raw")
    voxels = raw.read_bytes()
    raw.write_bytes(voxels[:-10])
    result = run(find_luna16_cases(luna_of_ten.path, Spheres()), split=Holdout())
    assert [o.case_id for o in result.failed] == ["1.7"]
    assert files(whole)["imagesTs"] == files(whole)["labelsTs"] == ["1.0"]
    assert (whole / "splits_final.json").read_text() == before[1]
    raw.write_bytes(voxels)
    run(find_luna16_cases(luna_of_ten.path, Spheres()), split=Holdout())
    assert (files(whole), (whole / "splits_final.json").read_text()) == before


def test_scan_that_cannot_be_planned_moves_nobody(luna_of_ten: LunaFolder, nnunet_folders: Path) -> None:
    copy = luna_of_ten.path / "copy"
    copy.mkdir()
    (copy / "1.4.mhd").write_bytes(next(luna_of_ten.path.glob("subset*/1.4.mhd")).read_bytes())
    result = run(find_luna16_cases(luna_of_ten.path, Spheres()), split=Holdout())
    assert [o.case_id for o in result.failed] == ["1.4"]
    assert files(result.folder)["imagesTs"] == TEST
    (copy / "1.4.mhd").unlink()
    mended = run(find_luna16_cases(luna_of_ten.path, Spheres()), split=Holdout())
    assert files(mended.folder)["imagesTs"] == TEST
    assert not any("moved" in remark for remark in mended.remarks)


def test_overwriting_forgets_who_was_there(luna_of_ten: LunaFolder, nnunet_folders: Path) -> None:
    found = find_luna16_cases(luna_of_ten.path, Spheres())
    few = replace(found, cases=found.cases[2:6])
    fresh = files(run(few, split=Holdout()).folder)
    run(found, split=Holdout())
    assert files(run(few, split=Holdout(), overwrite=True).folder) == fresh
    assert len(fresh["imagesTs"]) == 1


def test_overwrite_clears_both_parts(luna_of_ten: LunaFolder, nnunet_folders: Path) -> None:
    found = find_luna16_cases(luna_of_ten.path, Spheres())
    run(found, split=Holdout())
    result = run(found, split=GroupedFolds(), overwrite=True, limit=2)
    assert files(result.folder) == {
        "imagesTr": UIDS[:2],
        "labelsTr": UIDS[:2],
        "imagesTs": [],
        "labelsTs": [],
    }


def test_somebody_elses_test_images_are_not_touched(luna_of_ten: LunaFolder, nnunet_folders: Path) -> None:
    theirs = nnunet_folders / "Dataset501_Test" / "imagesTs" / "theirs_0000.nii.gz"
    theirs.parent.mkdir(parents=True)
    theirs.write_bytes(b"precious")
    with pytest.raises(UserError, match=r"theirs_0000\.nii\.gz"):
        run(find_luna16_cases(luna_of_ten.path, Spheres()), split=Holdout(), overwrite=True)
    assert theirs.read_bytes() == b"precious"


def test_scans_outside_subsets_are_refused_before_anything_is_written(
    luna_of_ten: LunaFolder, nnunet_folders: Path
) -> None:
    for file in list(luna_of_ten.path.glob("subset*/1.5.*")):
        file.rename(luna_of_ten.path / file.name)
    with pytest.raises(UserError, match=r"1 of 10 are not, as 1\.5"):
        run(find_luna16_cases(luna_of_ten.path, Spheres()), split=ArchiveSubsets())
    assert not list(nnunet_folders.iterdir())


def test_subsets_of_an_earlier_run_count(luna_of_ten: LunaFolder, nnunet_folders: Path) -> None:
    """The archive is large: some subsets are converted, removed, and others follow."""
    found = find_luna16_cases(luna_of_ten.path, Spheres())
    for cases in (found.cases[:5], found.cases[5:]):
        own = {case.case_id: found.subsets[case.case_id] for case in cases}
        folder = run(replace(found, cases=cases, subsets=own), split=ArchiveSubsets()).folder
    assert len(json.loads((folder / "splits_final.json").read_text())) == 10


def test_words_in_a_scans_header_do_not_reach_the_dataset(luna: LunaFolder, nnunet_folders: Path) -> None:
    luna.add_scan("1.0", nodule=(10, 9, 8))
    header = next(luna.path.rglob("1.0.mhd"))
    words = "Comment = Secret^Name\nPatientName = Secret^Name\nITK_FileNotes = Secret^Name\n"
    header.write_text(words + header.read_text())
    luna.write_annotations()
    found = find_luna16_cases(luna.path, Spheres())
    assert "Secret^Name" in str([found.cases[0].load().image.GetMetaData("PatientName")])
    folder = run(found).folder
    assert all(b"Secret" not in gzip.decompress(file.read_bytes()) for file in folder.rglob("*.nii.gz"))


def raemd_convert(monkeypatch: pytest.MonkeyPatch, *arguments: object) -> int:
    monkeypatch.setattr(sys, "argv", ["raemd", "convert", *map(str, arguments), "--workers", "1"])
    with pytest.raises(SystemExit) as exit_:
        main()
    return int(exit_.value.code or 0)


def test_luna16_by_the_command(
    luna_of_ten: LunaFolder,
    nnunet_folders: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    options = ["luna16", "-i", luna_of_ten.path, "-d", 501, "--masks", "sphere", "--split", "holdout"]
    options += ["--lungs", "class", "--channel-name", "rescale_to_0_1"]
    assert raemd_convert(monkeypatch, *options, "--dry-run") == 0
    assert "(0 there already, 2 to test)" in capsys.readouterr().out
    assert raemd_convert(monkeypatch, *options) == 0
    made = about_json(nnunet_folders / "Dataset501_LUNA16")
    assert made["channel_names"] == {"0": "rescale_to_0_1"} and made["labels"]["lung"] == [1, 2]
    assert len(files(nnunet_folders / "Dataset501_LUNA16")["imagesTs"]) == 2
    assert raemd_convert(monkeypatch, *options[:-3], "crop") == 1
    assert "other settings" in capsys.readouterr().err


def test_luna16_without_its_lungs(
    luna_of_ten: LunaFolder,
    nnunet_folders: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    options = ["luna16", "-i", luna_of_ten.path, "-d", 501, "--masks", "sphere", "--lungs", "crop"]
    (luna_of_ten.path / "seg-lungs-LUNA16" / "1.4.mhd").unlink()
    assert raemd_convert(monkeypatch, *options) == 1
    assert "1.4: failed: expected one lung mask 1.4.mhd, found none" in capsys.readouterr().out
    assert "1.4" not in files(nnunet_folders / "Dataset501_LUNA16")["imagesTr"]


def test_nsclc_radiomics_by_the_command(
    make_patient: MakePatient,
    tmp_path: Path,
    nnunet_folders: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
    nnunet_in_threads: None,
) -> None:
    for number in range(4):
        patient = make_patient(f"LUNG1-90{number}")
        patient.write_ct()
        patient.write_rtstruct({"GTV-1": patient.box([2], rows=(3, 5), columns=(4, 9))})
    options = ["nsclc-radiomics", "-i", tmp_path / "dicom", "-d", 502, "--split"]
    assert raemd_convert(monkeypatch, *options, "subsets") == 2
    assert "'subsets' is not one of 'folds', 'holdout'" in capsys.readouterr().err
    assert raemd_convert(monkeypatch, *options, "holdout", "--channel-name", "rescale_to_0_1") == 0
    folder = nnunet_folders / "Dataset502_NSCLCRadiomics"
    assert [len(names) for names in files(folder).values()] == [3, 3, 1, 1]
    assert about_json(folder)["channel_names"] == {"0": "rescale_to_0_1"}
    verify_dataset_integrity(str(folder), num_processes=1)
