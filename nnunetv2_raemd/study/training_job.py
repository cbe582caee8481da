"""Running a training by nnU-Net's command, here or on a worker of a cluster."""

from __future__ import annotations

import os
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from nnunetv2_raemd.console_scripts import find_script
from nnunetv2_raemd.errors import UserError
from nnunetv2_raemd.execution.cluster_worker import ONE_AT_A_TIME, takes_one_at_a_time
from nnunetv2_raemd.study.process_group import run_in_group
from nnunetv2_raemd.study.single_training import Training
from nnunetv2_raemd.study.training_lock import LockedError, locked
from nnunetv2_raemd.version import __version__

MOST_SHOWN = 300
FOLDERS = ("nnUNet_raw", "nnUNet_preprocessed", "nnUNet_results")


@dataclass(frozen=True)
class Outcome:
    """How a training ended; `problem` is empty if it is done."""

    training: Training
    problem: str = ""


@dataclass(frozen=True)
class TrainingJob:
    """Takes a training to its end; a `ClusterJob`.

    `options` go to the command, such as ("-device", "cpu").
    """

    options: Sequence[str] = ()
    command: str = "nnUNetv2_train"

    def __call__(self, training: Training) -> Outcome:
        """Run the command, unless it runs already or is done by now."""
        training.log.parent.mkdir(parents=True, exist_ok=True)
        try:
            with locked(training.lock) as inherited:
                return Outcome(training) if training.is_done else self._run(training, inherited)
        except LockedError:
            return Outcome(training, "it is being trained already, by another study or one that was killed")
        except (OSError, UserError) as error:
            return Outcome(training, f"it cannot be run: {error}")

    def _run(self, training: Training, inherited: tuple[int, ...]) -> Outcome:
        command = [find_script(self.command), *training.arguments(), *self.options]
        with training.log.open("a", encoding="utf-8") as log:
            print("$", *command, file=log, flush=True)
            environment = {**os.environ, "PYTHONUNBUFFERED": "1", "PYTHONIOENCODING": "utf-8"}
            status = run_in_group(command, log, environment=environment, inherited=inherited)
        if status == 0 and training.is_done:
            return Outcome(training)
        last = (training.end_of_log().strip().splitlines() or ["nothing"])[-1]
        return Outcome(training, f"exit status {status}, last printed: {last[:MOST_SHOWN]}")

    def sees(self, training: Training) -> Mapping[str, object]:
        """nnU-Net's folders, the version, and that a worker takes one training at a time."""
        folders = {f"the environment variable {name}": os.environ.get(name) for name in FOLDERS}
        return folders | {
            str(training.dataset.parent): training.dataset.parent.is_dir(),
            "version of nnunetv2-raemd": __version__,
            ONE_AT_A_TIME: takes_one_at_a_time(),
        }

    def gave_up(self, training: Training, reason: str) -> Outcome:
        """A training that ended its workers."""
        return Outcome(training, reason)
