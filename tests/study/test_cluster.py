"""A study on the workers of a dask scheduler."""

from __future__ import annotations

import io
from pathlib import Path
from typing import TYPE_CHECKING

import pytest
from rich.console import Console

from nnunetv2_raemd.errors import UserError
from nnunetv2_raemd.execution.scheduler import Scheduler
from nnunetv2_raemd.study.single_training import Training
from nnunetv2_raemd.study.study_run import run_study
from nnunetv2_raemd.study.training_job import TrainingJob

if TYPE_CHECKING:
    from fake_training import Calls

distributed = pytest.importorskip("distributed", reason="the extra [cluster] is not installed")


def study(dataset: Path, trainers: list[str], command: str, *, n_threads: int) -> int:
    """The number of failures, on a cluster of two workers that sees this test's folders."""
    trainings = [Training(dataset, f"{trainer}__nnUNetPlans__2d", "0") for trainer in trainers]
    options = {"processes": True, "dashboard_address": None, "silence_logs": 50}
    with distributed.LocalCluster(n_workers=2, threads_per_worker=n_threads, **options) as cluster:
        backend = Scheduler(cluster.scheduler_address)
        return run_study(trainings, TrainingJob((), command), backend, Console(file=io.StringIO()))


def test_each_worker_runs_one_at_a_time(dataset: Path, command: str, calls: Calls) -> None:
    assert study(dataset, ["Sleeps", "Fails", "A", "B", "C"], command, n_threads=1) == 1
    assert {call[0] for call in calls.arguments()} == {"Sleeps", "A", "B", "C"}
    for moment, _ in calls.times():
        assert sum(began <= moment < ended for began, ended in calls.times()) <= 2


def test_workers_with_several_threads_are_refused(dataset: Path, command: str, calls: Calls) -> None:
    with pytest.raises(UserError, match="--nthreads 1"):
        study(dataset, ["A", "B"], command, n_threads=2)
    assert not calls.lines()
