"""`raemd plan` as it is typed: the file beside nnU-Net's, what is printed, and what is refused."""

from __future__ import annotations

import json
import re
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from nnunetv2.utilities.plans_handling.plans_handler import PlansManager
from planned_datasets import Planned
from typer.testing import CliRunner

from nnunetv2_raemd.cli import app, main
from nnunetv2_raemd.errors import UserError
from nnunetv2_raemd.plans import load_preset, raemd_plan
from nnunetv2_raemd.plans.plan_files import write_plan
from nnunetv2_raemd.plans.preset import PRESET_FOLDER


@pytest.fixture
def dataset(planned: Planned, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The preprocessed folder of dataset 501, with nnU-Net's plan."""
    for variable in ("nnUNet_raw", "nnUNet_results"):
        monkeypatch.delenv(variable, raising=False)
    monkeypatch.setenv("nnUNet_preprocessed", str(tmp_path))
    monkeypatch.setenv("COLUMNS", "100")
    folder = tmp_path / "Dataset501_Planned"
    folder.mkdir()
    (folder / "nnUNetPlans.json").write_text(json.dumps(planned(), indent=4))
    return folder


@pytest.fixture
def failing(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> Callable[..., str]:
    """Runs `raemd plan`, which must fail as users see it; returns the message as one line."""

    def run(*arguments: str) -> str:
        monkeypatch.setattr(sys, "argv", ["raemd", "plan", *arguments])
        with pytest.raises(SystemExit) as exit_:
            main()
        message = capsys.readouterr().err
        assert exit_.value.code == 1
        assert message.startswith("Error: ") and "Traceback" not in message
        return " ".join(message.split())

    return run


def succeed(*arguments: str) -> str:
    result = CliRunner().invoke(app, ["plan", *arguments])
    assert result.exit_code == 0, result.output
    return result.stdout


def read(file: Path) -> dict[str, Any]:
    content: dict[str, Any] = json.loads(file.read_text(encoding="utf-8"))
    return content


def test_writes_a_plan_beside_nnunets(dataset: Path, planned: Planned) -> None:
    before = (dataset / "nnUNetPlans.json").read_bytes()
    succeed("-d", "501")
    assert sorted(file.name for file in dataset.iterdir()) == ["nnUNetPlans.json", "nnUNetRAEMDPlans.json"]
    assert (dataset / "nnUNetPlans.json").read_bytes() == before
    assert read(dataset / "nnUNetRAEMDPlans.json") == {
        **raemd_plan(planned()),
        "plans_name": "nnUNetRAEMDPlans",
    }


def test_nnunet_reads_it_and_finds_the_data_of_its_own_plan(dataset: Path) -> None:
    succeed("-d", "501", "-c", "2d")
    manager = PlansManager(str(dataset / "nnUNetRAEMDPlans.json"))
    assert (manager.plans_name, manager.dataset_name) == ("nnUNetRAEMDPlans", "Dataset501_Planned")
    configuration = manager.get_configuration("2d")
    assert configuration.data_identifier == "nnUNetPlans_2d"
    assert configuration.patch_size == [8, 64, 64]
    assert configuration.preprocessor_class.__name__ == "DefaultPreprocessor"


def test_prints_what_was_decided_and_how_to_train(dataset: Path) -> None:
    words = succeed("-d", "501", "-c", "2d").split()
    line = words[words.index("2d") :]
    # 20 mm in slices of 2.5 mm; 2 sequences; nnU-Net's 4 slices; pixels of 2, 4, 8, 16 mm; default target
    assert line[:5] == ["2d", "8", "x", "64", "x"]
    assert line[5:12] == ["64", "2", "16", "(4)", "4", "of", "5"]
    assert re.fullmatch(r"\d\.\d of 8\.0", " ".join(line[12:15]))
    text = " ".join(words)
    assert f"Plan: {dataset / 'nnUNetRAEMDPlans.json'}" in text
    assert "nnUNetv2_train 501 2d 0 -tr nnUNetTrainerRAEMD -p nnUNetRAEMDPlans" in text


def test_a_dataset_by_name_a_configuration_a_preset_and_a_name(dataset: Path, planned: Planned) -> None:
    out = succeed(
        "-d", "Dataset501_Planned", "-c", "3d_fullres", "--preset", "unet", "--name", "nnUNetPlainPlans"
    )
    assert "nnUNetv2_train Dataset501_Planned 3d_fullres 0 -tr nnUNetTrainerRAEMD -p nnUNetPlainPlans" in out
    expected = raemd_plan(planned(), preset=load_preset("unet"), configurations=["3d_fullres"])
    assert read(dataset / "nnUNetPlainPlans.json") == {**expected, "plans_name": "nnUNetPlainPlans"}


@pytest.mark.parametrize("both", [("-c", "2d", "3d_fullres"), ("-c", "2d", "-c", "3d_fullres")])
def test_another_plan_of_nnunets_and_a_preset_file(
    dataset: Path, planned: Planned, tmp_path: Path, both: tuple[str, ...]
) -> None:
    (dataset / "nnUNetResEncUNetMPlans.json").write_text(json.dumps(planned("M")))
    own = tmp_path / "own.json"
    own.write_text(json.dumps({**read(PRESET_FOLDER / "raemd.json"), "max_slices": 5, "gpu_memory_gb": 6}))
    out = succeed("-d", "501", "-p", "nnUNetResEncUNetMPlans", "--preset", str(own), *both)
    written = read(dataset / "nnUNetRAEMDPlans.json")["configurations"]
    assert [configuration["patch_size"][0] for configuration in written.values()] == [5, 5]
    assert "of 6.0" in out


def test_a_raemd_plan_is_replaced_but_not_by_a_plan_that_fails(
    dataset: Path, failing: Callable[..., str]
) -> None:
    succeed("-d", "501", "-c", "2d", "--preset", "unet")
    succeed("-d", "501", "-c", "2d")
    file = dataset / "nnUNetRAEMDPlans.json"
    assert read(file)["configurations"]["2d"]["architecture"]["arch_kwargs"]["multi_scale"]
    before = file.read_bytes()
    failing("-d", "501", "-c", "2e")
    assert file.read_bytes() == before
    assert len(list(dataset.iterdir())) == 2


def test_never_overwrites_a_plan_of_nnunets(
    dataset: Path, planned: Planned, failing: Callable[..., str]
) -> None:
    assert "is a plan of nnU-Net's: choose another --name" in failing("-d", "501", "--name", "nnUNetPlans")
    other = dataset / "nnUNetResEncUNetMPlans.json"
    other.write_text(json.dumps(planned("M")))
    assert f"{other} is a plan of nnU-Net's" in failing("-d", "501", "--name", other.stem)
    assert read(other) == planned("M")


@pytest.mark.parametrize("name", ["../plans", "a__b", "plans.json", "", ".hidden", "a b"])
def test_names_that_nnunet_could_not_read_back(dataset: Path, failing: Callable[..., str], name: str) -> None:
    assert f"--name {name}".rstrip() in failing("-d", "501", "--name", name)
    assert [file.name for file in dataset.iterdir()] == ["nnUNetPlans.json"]


def test_does_not_convert_a_raemd_plan_again(dataset: Path, failing: Callable[..., str]) -> None:
    succeed("-d", "501", "-c", "2d")
    message = failing("-d", "501", "-p", "nnUNetRAEMDPlans", "--preset", "unet", "--name", "other")
    assert "nnUNetRAEMDPlans.json is a RAEMD plan already" in message


@pytest.mark.parametrize(
    ("arguments", "complaint"),
    [
        (("-d", "502"), "does not find dataset 502"),
        (("-d", "LUNA16"), "does not find dataset LUNA16"),
        (
            ("-d", "Dataset502_Absent"),
            r"Dataset502_Absent/nnUNetPlans.json does not exist. Make it by nnUNetv2_plan",
        ),
        (("-d", "501", "-p", "nnUNetResEncUNetLPlans"), r"nnUNetResEncUNetLPlans.json does not exist"),
        (("-d", "501", "-c", "3d_lowres"), "no configuration 3d_lowres; it has 2d, 3d_fullres"),
        (("-d", "501", "--preset", "absent"), "no preset 'absent'"),
    ],
)
def test_what_is_not_there_is_named(
    dataset: Path, failing: Callable[..., str], arguments: tuple[str, ...], complaint: str
) -> None:
    assert re.search(complaint, failing(*arguments))
    assert [file.name for file in dataset.iterdir()] == ["nnUNetPlans.json"]


@pytest.mark.parametrize("unset", [True, False])
def test_without_nnunets_folder(
    dataset: Path, failing: Callable[..., str], monkeypatch: pytest.MonkeyPatch, unset: bool
) -> None:
    if unset:
        monkeypatch.delenv("nnUNet_preprocessed")
    else:
        monkeypatch.setenv("nnUNet_preprocessed", "")
    assert "nnUNet_preprocessed is not set: run `export nnUNet_preprocessed=" in failing("-d", "501")


@pytest.mark.parametrize(
    ("content", "complaint"),
    [
        (b'{"plans_name": ', "not valid JSON"),
        (b"\xff\xfe", "not valid JSON"),
        (b"[]", "its content is [], but should be a mapping"),
        (b'{"plans_per_stage": {}}', "plans_name is missing"),
    ],
)
def test_files_that_are_no_plans(
    dataset: Path, failing: Callable[..., str], content: bytes, complaint: str
) -> None:
    (dataset / "nnUNetPlans.json").write_bytes(content)
    message = failing("-d", "501")
    assert str(dataset / "nnUNetPlans.json") in message and complaint in message


def test_a_file_that_cannot_be_read_or_written(dataset: Path, failing: Callable[..., str]) -> None:
    (dataset / "folder.json").mkdir()
    assert "folder.json is a folder" in failing("-d", "501", "-p", "folder")
    with pytest.raises(UserError, match=r"folder\.json cannot be written: .*directory"):
        write_plan({}, dataset / "folder.json")


def test_an_interrupted_write_leaves_the_old_plan(dataset: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    file = dataset / "nnUNetPlans.json"
    before = file.read_bytes()

    def disk_full(self: Path, target: Path) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(Path, "replace", disk_full)
    with pytest.raises(UserError, match=r"nnUNetPlans\.json cannot be written: .*No space left"):
        write_plan({"plans_name": "new"}, file)
    assert file.read_bytes() == before
