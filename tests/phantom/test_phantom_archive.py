"""Resuming, refusing and replacing a phantom folder, and the command."""

from __future__ import annotations

import json
import shlex
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import SimpleITK as sitk
from typer.testing import CliRunner

from nnunetv2_raemd import cli
from nnunetv2_raemd.errors import UserError
from nnunetv2_raemd.phantom import phantom_archive, thorax
from nnunetv2_raemd.phantom.configuration import LUNA16, PhantomConfiguration
from nnunetv2_raemd.phantom.grid import Grid
from nnunetv2_raemd.phantom.lesion_places import NoRoomError
from nnunetv2_raemd.phantom.luna16_writer import Luna16Layout
from nnunetv2_raemd.phantom.lungs import sample_chest
from nnunetv2_raemd.phantom.phantom_archive import remove_archive, write_archive
from nnunetv2_raemd.phantom.thorax import Thorax

SMALL = ("--shape", "32", "80", "80", "--spacing", "4", "2.2", "2.2", "--diameter", "10", "16")


def _files(folder: Path) -> dict[str, tuple[int, bytes]]:
    return {
        str(path.relative_to(folder)): (path.stat().st_mtime_ns, path.read_bytes())
        for path in folder.rglob("*")
        if path.is_file()
    }


class _Interrupted(Luna16Layout):
    """Stops in the middle of a case, after its first file."""

    def write_case(self, folder: Path, thorax: Thorax, seed: int, case: int) -> phantom_archive.CaseRecord:
        if case == 1:
            (folder / "subset1").mkdir()
            (folder / "subset1" / "half.mhd").write_text("half")
            raise KeyboardInterrupt
        return super().write_case(folder, thorax, seed, case)


def test_interrupted_run_leaves_whole_cases_and_is_continued(
    tmp_path: Path, small: PhantomConfiguration
) -> None:
    folder, unbroken = tmp_path / "broken", tmp_path / "unbroken"
    with pytest.raises(KeyboardInterrupt):
        write_archive(folder, _Interrupted(), small, 3)
    assert not (folder / "annotations.csv").exists()
    assert not (folder / "subset1").exists()
    finished = _files(folder / "subset0")
    write_archive(folder, Luna16Layout(), small, 3)
    write_archive(unbroken, Luna16Layout(), small, 3)
    assert _files(folder / "subset0") == finished  # not written again
    continued = {name: content for name, (_, content) in _files(folder).items()}
    assert continued == {name: content for name, (_, content) in _files(unbroken).items()}


def test_finished_cases_are_not_made_again(
    tmp_path: Path, small: PhantomConfiguration, monkeypatch: pytest.MonkeyPatch
) -> None:
    first = write_archive(tmp_path / "p", Luna16Layout(), small, 2)

    def fail(*_: object) -> Thorax:
        raise AssertionError("a finished case was made again")

    monkeypatch.setattr(phantom_archive, "make_thorax", fail)
    done: list[str] = []
    assert write_archive(tmp_path / "p", Luna16Layout(), small, 2, on_case=done.append) == first
    assert done == [record["id"] for record in first]


@pytest.mark.parametrize("change", [{"seed": 5}, {"noise_hu": 3.0}, {"shape": (40, 80, 80)}])
def test_other_settings_are_refused(
    tmp_path: Path, small: PhantomConfiguration, change: dict[str, Any]
) -> None:
    write_archive(tmp_path / "p", Luna16Layout(), small, 1)
    before = _files(tmp_path / "p")
    with pytest.raises(UserError, match=f"other settings.*{next(iter(change))}"):
        write_archive(tmp_path / "p", Luna16Layout(), replace(small, **change), 1)
    assert _files(tmp_path / "p") == before


def test_phantom_of_another_version_is_not_continued(
    tmp_path: Path, small: PhantomConfiguration, monkeypatch: pytest.MonkeyPatch
) -> None:
    write_archive(tmp_path / "p", Luna16Layout(), small, 1)
    monkeypatch.setattr(phantom_archive, "__version__", "99.0")
    with pytest.raises(UserError, match="version"):
        write_archive(tmp_path / "p", Luna16Layout(), small, 1)


def test_foreign_folder_is_neither_written_nor_removed(tmp_path: Path, small: PhantomConfiguration) -> None:
    (tmp_path / "thesis.txt").write_text("precious")
    with pytest.raises(UserError, match="not empty"):
        write_archive(tmp_path, Luna16Layout(), small, 1)
    with pytest.raises(UserError, match="not overwritten"):
        remove_archive(tmp_path)
    assert [path.name for path in tmp_path.iterdir()] == ["thesis.txt"]


def test_file_in_place_of_the_folder(tmp_path: Path, small: PhantomConfiguration) -> None:
    (tmp_path / "file").write_text("x")
    with pytest.raises(UserError, match="not a folder"):
        write_archive(tmp_path / "file", Luna16Layout(), small, 1)
    with pytest.raises(UserError, match="not overwritten"):
        remove_archive(tmp_path / "file")


def test_damaged_settings_are_named(tmp_path: Path, small: PhantomConfiguration) -> None:
    (tmp_path / "phantom.json").write_text("{")
    with pytest.raises(UserError, match=r"phantom\.json is not valid JSON.*--overwrite"):
        write_archive(tmp_path, Luna16Layout(), small, 1)


def test_no_cases_is_an_error(tmp_path: Path, small: PhantomConfiguration) -> None:
    with pytest.raises(UserError, match="at least 1 case"):
        write_archive(tmp_path / "p", Luna16Layout(), small, 0)


def test_command_writes_and_overwrites(tmp_path: Path) -> None:
    folder = tmp_path / "p"
    command = ["phantom", "luna16", "--output", str(folder), "--cases", "1", *SMALL]
    result = CliRunner().invoke(cli.app, command)
    assert result.exit_code == 0, result.output
    assert "1 case with" in result.output
    again = CliRunner().invoke(cli.app, [*command, "--seed", "4"])
    assert isinstance(again.exception, UserError)
    replaced = CliRunner().invoke(cli.app, [*command, "--seed", "4", "--overwrite"])
    assert replaced.exit_code == 0, replaced.output
    assert json.loads((folder / "phantom.json").read_text())["seed"] == 4
    assert len(list(folder.glob("subset*/*.mhd"))) == 1


def test_command_writes_dicom(tmp_path: Path) -> None:
    command = ["phantom", "nsclc-radiomics", "-o", str(tmp_path / "p"), "-n", "1", *SMALL]
    result = CliRunner().invoke(cli.app, command)
    assert result.exit_code == 0, result.output
    assert len(list((tmp_path / "p" / "NSCLC-Radiomics" / "LUNG1-001").rglob("*.dcm"))) == 33


def test_a_scan_without_room_is_named_before_anything_is_written(
    tmp_path: Path, small: PhantomConfiguration
) -> None:
    crowded = replace(small, lesion_count=(9, 9), lesion_diameter_mm=(40.0, 40.0))
    with pytest.raises(UserError, match=r"scan 1: .*have no room for .*Nothing was written"):
        write_archive(tmp_path / "p", Luna16Layout(), crowded, 2)
    assert not (tmp_path / "p").exists()


def test_a_scan_whose_first_arrangement_fails_is_arranged_again() -> None:
    """Scan 7 of `-n 10 --shape 24 96 96` had no place for a vessel-attached lesion at the first try."""
    configuration = replace(LUNA16, shape=(24, 96, 96))
    generators = thorax._generators(configuration, 7)
    grid = Grid(configuration.shape, configuration.spacing_mm)
    chest = sample_chest(generators[0], scale=thorax._scale(grid))
    with pytest.raises(NoRoomError):
        thorax._plan_lungs(chest, configuration, grid, generators[1], generators[2])
    _, lesions, _ = thorax.arrange(configuration, 7)
    assert 1 <= len(lesions) <= 3


def test_the_command_ends_with_the_next_one_which_works(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """As a newcomer types it: what the phantom names as next converts all of its scans."""
    for variable in ("nnUNet_raw", "nnUNet_preprocessed", "nnUNet_results"):
        monkeypatch.setenv(variable, str(tmp_path / variable))
    (tmp_path / "nnUNet_raw").mkdir()
    made = CliRunner().invoke(cli.app, ["phantom", "luna16", "-o", str(tmp_path / "LUNA"), "-n", "2", *SMALL])
    *_, last = made.stdout.splitlines()
    assert last == f"Next: raemd convert luna16 -i {tmp_path / 'LUNA'} -d 501"
    converted = CliRunner().invoke(cli.app, shlex.split(last.partition("raemd ")[2]))
    assert converted.exit_code == 0, converted.stdout
    assert "\n2 in dataset, 0 failed" in converted.stdout
    assert f"the contours come from the XML files in {tmp_path / 'LUNA' / 'lidc-xml'}" in converted.stdout
    for oracle in (tmp_path / "LUNA" / "oracle").glob("*.nii.gz"):
        labels = tmp_path / "nnUNet_raw" / "Dataset501_LUNA16" / "labelsTr" / oracle.name
        exact, written = (sitk.GetArrayFromImage(sitk.ReadImage(str(f))) for f in (oracle, labels))
        assert np.array_equal(exact, written)
