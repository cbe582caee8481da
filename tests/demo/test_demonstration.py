"""The demonstration: its steps, that they continue, and what it shows. Its commands are tested elsewhere."""

from __future__ import annotations

import io
import json
import sys
from pathlib import Path

import numpy as np
import pytest
import SimpleITK as sitk
from matplotlib.image import imread
from rich.console import Console

from nnunetv2_raemd import console_scripts
from nnunetv2_raemd.demo import demonstration, runner
from nnunetv2_raemd.demo.demo_picture import draw
from nnunetv2_raemd.demo.demo_plan import write_demo_plan
from nnunetv2_raemd.demo.demo_steps import Step, all_steps
from nnunetv2_raemd.demo.runner import run_step
from nnunetv2_raemd.demo.workspace import DATASET, PLANS, RAEMD, SYSTEMS, Workspace
from nnunetv2_raemd.errors import UserError


@pytest.fixture
def workspace(tmp_path: Path) -> Workspace:
    return Workspace(tmp_path)


def a_console() -> Console:
    return Console(file=io.StringIO(), width=200)


def printed(console: Console) -> str:
    assert isinstance(console.file, io.StringIO)
    return console.file.getvalue()


def python_step(code: str, again: str | None = None) -> Step:
    def command(text: str) -> tuple[str, ...]:
        return (Path(sys.executable).name, "-c", text)

    return Step("A step", command(code), None if again is None else command(again))


def test_a_step_runs_once(tmp_path: Path) -> None:
    counter = tmp_path / "counter"
    step = python_step(f"open({str(counter)!r}, 'a').write('x'); print('hello')")
    for _ in range(2):
        run_step(step, {}, tmp_path, a_console())
    assert counter.read_text() == "x"
    assert "hello" in (tmp_path / "a_step.log").read_text()


def test_an_interrupted_step_is_continued_with_its_other_command(tmp_path: Path) -> None:
    step = python_step("raise SystemExit(3)", again="print('continued')")
    with pytest.raises(UserError, match=r"exit status 3.*a_step\.log"):
        run_step(step, {}, tmp_path, a_console())
    run_step(step, {}, tmp_path, a_console())
    assert "continued" in (tmp_path / "a_step.log").read_text()


def test_a_missing_command_is_named(tmp_path: Path) -> None:
    with pytest.raises(UserError, match="no-such-command is missing"):
        run_step(Step("A step", ("no-such-command",)), {}, tmp_path, a_console())


def test_the_steps_are_the_commands_of_the_readme(workspace: Workspace) -> None:
    before, after = all_steps(workspace)
    readme = (Path(__file__).parents[2] / "README.md").read_text()
    for command in {" ".join(step.command[:1]) for step in [*before, *after]}:
        assert command in readme or command == "nnUNetv2_evaluate_folder"
    trainings = [step for step in after if step.command[0] == "nnUNetv2_train"]
    assert [step.command[step.command.index("-tr") + 1] for step in trainings] == [s.trainer for s in SYSTEMS]
    assert all(step.again is not None and step.again[-1] == "--c" for step in trainings)


def test_commands_run_in_the_workspace_with_the_users_worker_counts(
    workspace: Workspace, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("nnUNet_raw", "/somewhere/else")
    monkeypatch.setenv("nnUNet_n_proc_DA", "7")
    environment = workspace.environment()
    assert environment["nnUNet_raw"] == str(workspace.root / "nnUNet_raw")
    assert environment["nnUNet_n_proc_DA"] == "7"


def test_the_plan_halves_the_features_for_both_networks(workspace: Workspace) -> None:
    workspace.preprocessed.mkdir(parents=True)
    plan = {
        "plans_name": "nnUNetPlans",
        "original_median_spacing_after_transp": [2.5, 1.0, 1.0],
        "original_median_shape_after_transp": [40, 96, 96],
        "configurations": {
            "2d": {
                "batch_size": 49,
                "architecture": {
                    "network_class_name": "PlainConvUNet",
                    "arch_kwargs": {"features_per_stage": [32, 64, 512]},
                    "_kw_requires_import": [],
                },
                "data_identifier": "nnUNetPlans_2d",
            }
        },
    }
    (workspace.preprocessed / "nnUNetPlans.json").write_text(json.dumps(plan))
    write_demo_plan(workspace)
    written = json.loads((workspace.preprocessed / f"{PLANS}.json").read_text())
    configuration = written["configurations"]["2d"]
    assert written["plans_name"] == PLANS
    assert configuration["batch_size"] == 16
    assert configuration["architecture"]["arch_kwargs"]["features_per_stage"] == [16, 32, 256]
    assert configuration["data_identifier"] == "nnUNetPlans_2d"


def fill_with_predictions(workspace: Workspace) -> None:
    """Two scans with a lesion, predicted exactly by the first system and not at all by the second."""
    workspace.new_scans.mkdir(parents=True)
    workspace.exact_masks.mkdir(parents=True)
    truth = np.zeros((6, 20, 20), np.uint8)
    truth[2:5, 5:12, 5:12] = 1
    for system, found in zip(SYSTEMS, (1, 0), strict=True):
        folder = workspace.predictions(system)
        folder.mkdir(parents=True)
        cases = [{"metrics": {"1": {"Dice": float(found)}}}] * 2
        (folder / "summary.json").write_text(json.dumps({"metric_per_case": cases}))
        for name in ("a", "b"):
            sitk.WriteImage(sitk.GetImageFromArray(truth * found), str(folder / f"{name}.nii.gz"))
    for name in ("a", "b"):
        image = sitk.GetImageFromArray(np.full(truth.shape, -800, np.int16))
        sitk.WriteImage(image, str(workspace.new_scans / f"{name}_0000.nii.gz"))
        sitk.WriteImage(sitk.GetImageFromArray(truth), str(workspace.exact_masks / f"{name}.nii.gz"))


def test_the_picture_shows_the_outlines(workspace: Workspace) -> None:
    fill_with_predictions(workspace)
    draw(workspace)
    pixels = imread(workspace.picture)[..., :3].reshape(-1, 3)
    assert (np.abs(pixels - (1, 0, 0)).max(1) < 0.1).any(), f"{RAEMD.name}'s outline is missing"
    assert not list(workspace.root.glob("*.unfinished*"))


def test_a_finished_demonstration_only_shows_its_result(
    workspace: Workspace, monkeypatch: pytest.MonkeyPatch
) -> None:
    fill_with_predictions(workspace)
    (workspace.root / demonstration.MARKER).touch()
    monkeypatch.setattr(demonstration, "write_demo_plan", lambda _workspace: None)
    (workspace.root / "logs").mkdir()
    before, after = all_steps(workspace)
    for step in [*before, *after]:
        (workspace.root / "logs" / f"{step.file_name}.done").touch()
    monkeypatch.setattr(runner, "run_script", lambda *_: pytest.fail("a finished step was run again"))
    console = a_console()
    demonstration.run_demo(workspace.root, restart=False, console=console)
    rows = [line for line in printed(console).splitlines() if any(s.name in line for s in SYSTEMS)]
    assert any("RAEMD-Net" in row and row.count("1.00") == 3 for row in rows)
    assert any("U-Net 2D" in row and row.count("0.00") == 3 for row in rows)
    assert workspace.picture.is_file()


def test_a_folder_with_other_files_is_left_alone(tmp_path: Path) -> None:
    (tmp_path / "thesis.txt").write_text("mine")
    for restart in (False, True):
        with pytest.raises(UserError, match="holds other files"):
            demonstration.run_demo(tmp_path, restart=restart, console=a_console())
    assert (tmp_path / "thesis.txt").read_text() == "mine"


def test_restart_removes_an_earlier_demonstration(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    folder = tmp_path / "demo"
    (folder / "nnUNet_raw" / DATASET).mkdir(parents=True)
    (folder / demonstration.MARKER).touch()
    monkeypatch.setattr(console_scripts, "find_script", lambda _name: sys.executable)
    with pytest.raises(UserError, match="failed"):
        demonstration.run_demo(folder, restart=True, console=a_console())
    assert not (folder / "nnUNet_raw").exists()
