"""Conversion on a dask.distributed scheduler: workers that die, that are unfit, that are not there."""

from __future__ import annotations

import multiprocessing
import os
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator, Sequence
from multiprocessing.synchronize import Barrier
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest
from fake_cases import CaseOfAFile, FakeCase

from nnunetv2_raemd.dataset_conversion.case import Outcome
from nnunetv2_raemd.dataset_conversion.dataset_folder import DatasetFolder
from nnunetv2_raemd.dataset_conversion.dataset_writing import conversion_batch
from nnunetv2_raemd.errors import UserError
from nnunetv2_raemd.execution import scheduler
from nnunetv2_raemd.execution.scheduler import Scheduler

if TYPE_CHECKING:
    from distributed import LocalCluster

distributed = pytest.importorskip("distributed", reason="the extra [cluster] is not installed")
dask = pytest.importorskip("dask", reason="the extra [cluster] is not installed")


@pytest.fixture(scope="module")
def cluster() -> Iterator[LocalCluster]:
    """A scheduler with two worker processes of one thread, which are started anew when they die.

    A job is given up when the second worker dies of it, so that fewer workers need to be started.
    """
    with (
        dask.config.set({"distributed.scheduler.allowed-failures": 1}),
        distributed.LocalCluster(
            n_workers=2, threads_per_worker=1, processes=True, dashboard_address=None, silence_logs=50
        ) as cluster,
    ):
        yield cluster


@pytest.fixture
def folder(tmp_path: Path) -> DatasetFolder:
    return DatasetFolder(tmp_path / "Dataset001_Test").prepare()


def run(cases: Sequence[FakeCase], folder: DatasetFolder, cluster: LocalCluster) -> list[Outcome]:
    return conversion_batch.run_cases(cases, folder, backend=Scheduler(cluster.scheduler_address))


def worker_pids(cluster: LocalCluster) -> list[int]:
    return list(ask_workers(cluster, os.getpid).values())


def ask_workers(cluster: LocalCluster, question: Callable[..., Any]) -> dict[str, Any]:
    """What the two workers answer; one that was killed is waited for until it is replaced."""
    with distributed.Client(cluster.scheduler_address, set_as_default=False) as client:
        while True:
            client.wait_for_workers(2, timeout=120)
            answers: dict[str, Any] = client.run(question, on_error="return")
            if not any(isinstance(answer, Exception) for answer in answers.values()):
                return answers


def has_tasks(dask_worker: Any) -> bool:
    return bool(dask_worker.state.tasks)


def in_dataset(folder: DatasetFolder) -> list[str]:
    """Cases with image, label and a record that both agree with."""
    names = sorted(file.name[: -len("_0000.nii.gz")] for file in (folder.path / "imagesTr").iterdir())
    assert names == sorted(folder.records())
    assert names == sorted(file.name[: -len(".nii.gz")] for file in (folder.path / "labelsTr").iterdir())
    assert all(folder.finished(name, folder.records()[name]["fingerprint"]) for name in names)
    return names


def test_outcomes_are_those_of_local_processes(folder: DatasetFolder, cluster: LocalCluster) -> None:
    outcomes = run([FakeCase(n) for n in ("bad1", "good1", "bug1", "left_out1", "good2")], folder, cluster)
    assert [o.status.value for o in outcomes] == ["failed", "converted", "failed", "excluded", "converted"]
    assert outcomes[0].reason == "the file is broken" and outcomes[2].reason == "ZeroDivisionError: oops"
    assert in_dataset(folder) == ["good1", "good2"]
    assert run([FakeCase("good1")], folder, cluster)[0].status.value == "kept"


def test_killed_worker_loses_nothing_and_doubles_nothing(
    folder: DatasetFolder, cluster: LocalCluster, tmp_path: Path
) -> None:
    """kill -9 of one of the two workers while cases are being converted."""
    diary = tmp_path / "diary"
    (tmp_path / "source").write_text("1")
    names = [f"slow{i:02d}" for i in range(12)]
    cases = [CaseOfAFile(n, source=tmp_path / "source", diary=diary) for n in names]
    before = worker_pids(cluster)

    def kill_one() -> None:
        while not diary.exists() or len(diary.read_text().splitlines()) < 4:
            time.sleep(0.01)
        os.kill(before[0], signal.SIGKILL)

    killer = threading.Thread(target=kill_one)
    killer.start()
    outcomes = run(cases, folder, cluster)
    killer.join()
    assert before[0] not in worker_pids(cluster), "no worker was killed"
    assert [o.case_id for o in outcomes] == names and all(o.in_dataset for o in outcomes)
    assert in_dataset(folder) == names
    assert not list(folder.scratch.iterdir()) or len(diary.read_text().splitlines()) > len(names)


def test_case_that_kills_its_workers_is_a_failed_case(folder: DatasetFolder, cluster: LocalCluster) -> None:
    outcomes = run([FakeCase(n) for n in ("good1", "crash", "good2", "good3")], folder, cluster)
    assert [o.in_dataset for o in outcomes] == [True, False, True, True]
    assert outcomes[1].status.value == "failed" and "workers that tried it died" in outcomes[1].reason
    assert in_dataset(folder) == ["good1", "good2", "good3"]


def test_interrupt_cancels_what_is_left(
    folder: DatasetFolder, cluster: LocalCluster, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    diary = tmp_path / "diary"
    cases = [CaseOfAFile(f"slow{i}", source=tmp_path / "s", diary=diary) for i in range(40)]
    main_thread = threading.main_thread().ident
    assert main_thread is not None

    def press_ctrl_c() -> None:
        while not diary.exists() or len(diary.read_text().splitlines()) < 4:
            time.sleep(0.01)
        signal.pthread_kill(main_thread, signal.SIGINT)

    ctrl_c = threading.Thread(target=press_ctrl_c, daemon=True)
    ctrl_c.start()
    with pytest.raises(KeyboardInterrupt):
        run(cases, folder, cluster)
    ctrl_c.join()
    while any(ask_workers(cluster, has_tasks).values()):  # those that had begun come to their end
        time.sleep(0.05)
    assert len(diary.read_text().splitlines()) < 40


def test_worker_that_sees_no_files_is_named(
    cluster: LocalCluster, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A relative path leads elsewhere from the workers' folder, as a path that is mounted only here would."""
    worker_pids(cluster)
    monkeypatch.chdir(tmp_path)
    Path("source").write_text("1", encoding="utf-8")
    folder = DatasetFolder(tmp_path / "Dataset001_Test").prepare()
    with pytest.raises(
        UserError, match=r"worker tcp://.*the source files of a\. Workers need the same files"
    ):
        run([CaseOfAFile("a")], folder, cluster)
    with pytest.raises(UserError, match=r"worker tcp://.*the dataset folder Dataset002_Test"):
        run([FakeCase("a")], DatasetFolder(Path("Dataset002_Test")).prepare(), cluster)
    assert in_dataset(folder) == []


def test_worker_without_the_package_is_named(folder: DatasetFolder) -> None:
    """Also one that joins after the first look at the workers."""
    without = "import sys; sys.modules['nnunetv2_raemd'] = None\n"
    without += "from distributed.cli.dask_worker import main; main()"
    with distributed.LocalCluster(
        n_workers=0, protocol="tcp", dashboard_address=None, silence_logs=50
    ) as cluster:
        command = [sys.executable, "-c", without, cluster.scheduler_address, "--no-nanny", "--no-dashboard"]
        worker = subprocess.Popen(command, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
        try:
            with pytest.raises(UserError, match=r"cannot do the work.*nnunetv2_raemd.*pip install"):
                run([FakeCase("a"), FakeCase("b")], folder, cluster)
            with distributed.Client(cluster.scheduler_address, set_as_default=False) as client:
                client.wait_for_workers(1)
            with pytest.raises(UserError, match=r"the worker tcp://.*cannot do the work.*nnunetv2_raemd"):
                run([FakeCase("a"), FakeCase("b")], folder, cluster)
        finally:
            worker.kill()
            worker.wait()
    assert in_dataset(folder) == []


def test_scheduler_that_is_not_there_is_told_within_seconds(monkeypatch: pytest.MonkeyPatch) -> None:
    assert scheduler.CONNECT_S <= 10
    monkeypatch.setattr(scheduler, "CONNECT_S", 1)
    started = time.monotonic()
    with pytest.raises(UserError, match=r"no scheduler at tcp://127\.0\.0\.1:9"):
        Scheduler("tcp://127.0.0.1:9").check()
    with pytest.raises(UserError, match="no scheduler at nonsense"):
        Scheduler("nonsense://x").check()
    assert time.monotonic() - started < 30  # by itself, dask would take as long for one of the two


def test_missing_extra_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "distributed", None)
    with pytest.raises(UserError, match=r"nnunetv2-raemd\[cluster\]"):
        Scheduler("tcp://127.0.0.1:9").check()


def _write_again_and_again(folder: DatasetFolder, start: Barrier, times: int) -> None:
    loaded = FakeCase("good").load()
    start.wait()
    for _ in range(times):
        folder.write_case("good", loaded.image, loaded.label, {"fingerprint": "1"})


def test_two_processes_writing_one_case_do_no_harm(folder: DatasetFolder) -> None:
    """A cluster gives the case of a worker that it lost sight of to another, while the first goes on."""
    context = multiprocessing.get_context("spawn")
    start = context.Barrier(2)
    writers = [context.Process(target=_write_again_and_again, args=(folder, start, 100)) for _ in range(2)]
    for writer in writers:
        writer.start()
    for writer in writers:
        writer.join()
        assert writer.exitcode == 0
    assert in_dataset(folder) == ["good"]
    assert not list(folder.scratch.iterdir())
