"""What a study runs, in which order, what it leaves out, and what it tells."""

from __future__ import annotations

import io
import os
import signal
import subprocess
import sys
import time
from contextlib import suppress
from pathlib import Path
from typing import TYPE_CHECKING

import pytest
from rich.console import Console

from nnunetv2_raemd.errors import UserError
from nnunetv2_raemd.execution.local_processes import LocalProcesses
from nnunetv2_raemd.nnunet_trainers import raemd as exported
from nnunetv2_raemd.study.paper_systems import TABLES, models_of_table
from nnunetv2_raemd.study.single_training import Training
from nnunetv2_raemd.study.study_run import find_trainings, run_study
from nnunetv2_raemd.study.training_board import Board
from nnunetv2_raemd.study.training_job import Outcome, TrainingJob
from nnunetv2_raemd.study.training_lock import LockedError, locked

if TYPE_CHECKING:
    from fake_training import Calls


def training(dataset: Path, trainer: str, fold: str = "0") -> Training:
    return Training(dataset, f"{trainer}__nnUNetPlans__2d", fold)


def study(trainings: list[Training], command: str) -> tuple[int, str]:
    """The number of failures, and what was shown."""
    shown = io.StringIO()
    console = Console(file=shown, width=150)
    failed = run_study(trainings, TrainingJob(["-device", "cpu"], command), LocalProcesses(), console)
    return failed, shown.getvalue()


# --- what is run -------------------------------------------------------------------------------------------


def test_runs_what_is_missing(dataset: Path, command: str, calls: Calls) -> None:
    finished = training(dataset, "Finished")
    (finished.folder / "validation").mkdir(parents=True)
    (finished.folder / "checkpoint_final.pth").touch()
    (finished.folder / "validation" / "summary.json").touch()
    interrupted = training(dataset, "Interrupted")
    interrupted.folder.mkdir(parents=True)
    (interrupted.folder / "checkpoint_best.pth").touch()
    not_validated = training(dataset, "NotValidated", "all")
    not_validated.folder.mkdir(parents=True)
    (not_validated.folder / "checkpoint_final.pth").touch()
    new = training(dataset, "New", "3")

    failed, shown = study([finished, interrupted, not_validated, new], command)
    assert failed == 0
    assert "4 trainings, 3 of them to run" in shown
    assert calls.arguments() == [
        ["Interrupted", "0", "--c", "-device", "cpu"],
        ["NotValidated", "all", "--val", "-device", "cpu"],
        ["New", "3", "-device", "cpu"],
    ]
    assert study([finished, interrupted, not_validated, new], command)[0] == 0
    assert len(calls.arguments()) == 3


def test_a_failure_does_not_stop_the_others(dataset: Path, command: str, calls: Calls) -> None:
    trainings = [training(dataset, name) for name in ("First", "Fails", "NoValidation", "Last")]
    failed, shown = study(trainings, command)
    assert failed == 2
    assert [call[0] for call in calls.arguments()] == ["First", "NoValidation", "Last"]
    assert "exit status 3, last printed: Traceback: it went wrong" in shown
    assert str(trainings[1].log) in shown
    assert "Traceback: it went wrong" in trainings[1].log.read_text(encoding="utf-8")


def test_a_killed_training_is_continued(dataset: Path, command: str, calls: Calls) -> None:
    dies = training(dataset, "Dies")
    failed, shown = study([dies], command)
    assert failed == 1
    assert f"exit status -{int(signal.SIGKILL)}" in shown
    assert study([dies], command)[0] == 0
    assert calls.arguments() == [["Dies", "0", "--c", "-device", "cpu"]]


def wait_until_free(training: Training) -> None:
    """A process that was killed takes a moment to end, and on a busy machine a long one."""
    until = time.monotonic() + 60
    while time.monotonic() < until:
        with suppress(LockedError), locked(training.lock):
            return
        time.sleep(0.05)
    raise AssertionError("the training is locked still")


def test_what_a_killed_training_has_started_ends_with_it(dataset: Path, command: str, calls: Calls) -> None:
    """Or it would keep the lock, so that the training could not be continued."""
    forks = training(dataset, "Forks")
    assert study([forks], command)[0] == 1
    wait_until_free(forks)
    assert study([forks], command)[0] == 0
    assert calls.arguments() == [["Forks", "0", "--c", "-device", "cpu"]]


STUDY = """
import sys
from pathlib import Path
from nnunetv2_raemd.study.training_job import TrainingJob
from nnunetv2_raemd.study.single_training import Training
TrainingJob((), sys.argv[2])(Training(Path(sys.argv[1]), "ForksAndWaits__nnUNetPlans__2d", "0"))
"""


def test_an_interrupted_study_ends_its_training_and_all_that_this_has_started(
    dataset: Path, command: str
) -> None:
    waits = training(dataset, "ForksAndWaits")
    with subprocess.Popen(
        [sys.executable, "-c", STUDY, str(dataset), command], stderr=subprocess.PIPE
    ) as run:
        while waits.last_epoch() != 1 and run.poll() is None:
            time.sleep(0.02)
        run.send_signal(signal.SIGINT)
        run.communicate()
    assert "KeyboardInterrupt" in waits.end_of_log()  # the training was told, and not only killed
    wait_until_free(waits)
    assert not TrainingJob((), command)(waits).problem


def test_a_command_that_is_not_there(dataset: Path) -> None:
    failed, shown = study([training(dataset, "Any")], "no_such_command")
    assert failed == 1
    assert "the command no_such_command is missing" in shown


@pytest.mark.parametrize("number", TABLES)
def test_the_tables_name_trainers_that_there_are(number: int) -> None:
    models = models_of_table(number, "nnUNetPlans", "2d")
    assert models[-1] == "nnUNetTrainerRAEMD__nnUNetPlans__2d"
    assert len(models) == len(TABLES[number])
    assert {model.split("__")[0] for model in models} <= set(exported.__all__)


def test_table_3_has_the_3d_u_net_once() -> None:
    assert "nnUNetTrainerUNet__P__3d_fullres" in models_of_table(3, "P", "2d")
    assert len(models_of_table(3, "P", "3d_fullres")) == len(TABLES[3]) - 1


def test_a_table_that_is_none() -> None:
    with pytest.raises(UserError, match="3 and 4"):
        models_of_table(5, "nnUNetPlans", "2d")


def test_a_fold_that_is_none() -> None:
    with pytest.raises(UserError, match="--folds one"):
        find_trainings("501", ["A__B__C"], ["one"])


# --- what is shown -----------------------------------------------------------------------------------------


def test_the_state_of_each_training(dataset: Path) -> None:
    names = ("Done", "Fails", "Runs", "Begins", "Waits")
    done, fails, runs, begins, waits = trainings = [training(dataset, name) for name in names]
    waits.log.parent.mkdir(parents=True)
    waits.log.write_text("of an earlier attempt: Epoch 3\n", encoding="utf-8")
    (done.folder / "validation").mkdir(parents=True)
    (done.folder / "checkpoint_final.pth").touch()
    (done.folder / "validation" / "summary.json").touch()
    board = Board(trainings, Console(file=io.StringIO()))
    board.add(Outcome(fails, "no memory"))
    runs.log.write_text("x: Epoch 6\nx: Epoch time: 3 s\nx: Epoch 7\ntrain_loss 0.1\n", encoding="utf-8")
    begins.log.write_text("$ nnUNetv2_train\n", encoding="utf-8")
    states = [board.state(one).plain for one in trainings]
    assert states == ["done", "failed", "epoch 7", "begun", "waiting"]


def test_the_live_table(dataset: Path, command: str) -> None:
    """As a terminal gets it: after the last training, both are in the table."""
    shown = io.StringIO()
    console = Console(file=shown, width=150, force_terminal=True, color_system=None)
    trainings = [training(dataset, "New"), training(dataset, "Fails")]
    assert run_study(trainings, TrainingJob((), command), LocalProcesses(), console) == 1
    *_, fails = [line for line in shown.getvalue().splitlines() if line.startswith("Fails__nnUNetPlans__2d ")]
    assert fails.split() == ["Fails__nnUNetPlans__2d", "failed"]
    assert "[red]" not in shown.getvalue()


# --- one at a time -----------------------------------------------------------------------------------------

HOLDS = """
import sys, time
from pathlib import Path
from nnunetv2_raemd.study.training_job import TrainingJob
from nnunetv2_raemd.study.single_training import Training
TrainingJob((), sys.argv[2])(Training(Path(sys.argv[1]), "Waits__nnUNetPlans__2d", "0"))
"""


def test_a_training_does_not_run_twice_at_a_time(dataset: Path, command: str, calls: Calls) -> None:
    """Not even if the study that began it was killed and the training lives on."""
    waits = training(dataset, "Waits")
    with subprocess.Popen([sys.executable, "-c", HOLDS, str(dataset), command]) as other:
        while "Epoch" not in waits.end_of_log():
            time.sleep(0.02)
        os.kill(other.pid, signal.SIGKILL)
        other.wait()
    outcome = TrainingJob((), command)(waits)
    assert "already" in outcome.problem
    with pytest.raises(LockedError), locked(waits.lock):
        pass
    (dataset.parent / "go on").touch()
    wait_until_free(waits)
    assert not TrainingJob((), command)(waits).problem
    assert len(calls.lines()) == 1
