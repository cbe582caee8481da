"""Cases through preprocessing, network and export; the work is done by functions that fail on request."""

from __future__ import annotations

import os
import signal
import threading
import time
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, cast

import numpy as np
import pytest

from nnunetv2_raemd.errors import UserError
from nnunetv2_raemd.prediction.input_cases import InputCase
from nnunetv2_raemd.prediction.network_result import NetworkResult
from nnunetv2_raemd.prediction.pipeline import WAITING_EXPORTS, Pipeline, Processes

if TYPE_CHECKING:  # each worker process imports this file, and would import torch with it
    from nnunetv2_raemd.prediction.case_work import CaseWork

IN_PARALLEL, ONE_BY_ONE = Processes(2, 1), Processes(0, 0)
BOTH = pytest.mark.parametrize("processes", [IN_PARALLEL, ONE_BY_ONE], ids=["parallel", "one_by_one"])


@dataclass(frozen=True)
class Work:
    """Numbers in the place of images: case "7" is preprocessed to 7, and its result is written to a file."""

    output: Path
    export_s: float = 0.0

    def preprocess(self, case: InputCase) -> tuple[np.ndarray, dict[str, Any]]:
        if case.case_id == "takes long":
            (self.output / "started").touch()
            time.sleep(60)
        if case.case_id == "unreadable":
            raise OSError("damaged\n voxels")
        if case.case_id == "kills its worker":
            os.kill(os.getpid(), signal.SIGKILL)
        (self.output / f"preprocessed {case.case_id}").touch()
        return np.array([float(case.case_id)]), {"of": case.case_id}

    def export(self, result: NetworkResult, properties: dict[str, Any], case: InputCase) -> None:
        assert properties == {"of": case.case_id}
        if case.case_id == "3":
            raise OSError("no space left on device")
        time.sleep(self.export_s)
        (self.output / case.case_id).write_text(str(result.take_logits().item()))


def work(output: Path, export_s: float = 0.0) -> CaseWork:
    return cast("CaseWork", Work(output, export_s))


def twice(image: np.ndarray, properties: dict[str, Any]) -> NetworkResult:
    if image.item() == 2:
        raise UserError("the image contains NaN")
    return NetworkResult(2 * image)


def cases(*names: str) -> list[InputCase]:
    return [InputCase(name, ()) for name in names]


def written(output: Path) -> dict[str, str]:
    return {file.name: file.read_text() for file in output.iterdir() if file.name.isdecimal()}


@BOTH
def test_what_fails_in_any_stage_is_left_out_and_all_others_are_written(
    tmp_path: Path, processes: Processes
) -> None:
    pipeline = Pipeline(work(tmp_path), twice, processes)
    pipeline.run(cases("1", "unreadable", "2", "3", "4", "5", "6"))
    assert written(tmp_path) == {"1": "2.0", "4": "8.0", "5": "10.0", "6": "12.0"}
    assert pipeline.n_written == 4
    assert sorted(map(str, pipeline.failed)) == [
        "2: the image contains NaN",
        "3: OSError: no space left on device",
        "unreadable: OSError: damaged voxels",
    ]


@pytest.mark.skipif(not hasattr(signal, "SIGKILL"), reason="this system has no SIGKILL")
def test_a_worker_that_dies_ends_the_work_with_advice_and_what_is_done_stays(tmp_path: Path) -> None:
    pipeline = Pipeline(work(tmp_path), twice, Processes(1, 1))
    pipeline.run(cases("1", "4", "kills its worker", "5"))
    assert "1" in written(tmp_path)
    assert "5" not in written(tmp_path)
    (failed,) = pipeline.failed
    assert "-npp" in failed.reason
    assert "--continue_prediction" in failed.reason


def test_few_cases_are_held_at_a_time(tmp_path: Path) -> None:
    held: list[int] = []

    def network(image: np.ndarray, properties: dict[str, Any]) -> NetworkResult:
        held.append(len(list(tmp_path.glob("preprocessed *"))) - len(held))
        time.sleep(0.05)  # the readers would be far ahead if they might
        return NetworkResult(image)

    pipeline = Pipeline(work(tmp_path), network, Processes(1, 1))
    pipeline.run(cases(*(str(number) for number in range(10, 30))))
    assert pipeline.failed == []
    assert len(held) == 20
    assert max(held) <= 2


def test_few_results_wait_for_export(tmp_path: Path) -> None:
    predicted: set[str] = set()
    unwritten: list[int] = []

    def network(image: np.ndarray, properties: dict[str, Any]) -> NetworkResult:
        unwritten.append(len(predicted - written(tmp_path).keys()))
        predicted.add(str(int(image.item())))
        return NetworkResult(image)

    pipeline = Pipeline(work(tmp_path, export_s=0.05), network, Processes(0, 1))
    pipeline.run(cases(*(str(number) for number in range(10, 30))))
    assert pipeline.failed == []
    assert len(unwritten) == 20
    assert max(unwritten) <= 1 + WAITING_EXPORTS


@pytest.mark.skipif(not hasattr(signal, "raise_signal"), reason="this system has no such signals")
def test_an_interrupt_does_not_wait_for_what_nothing_is_written_of(tmp_path: Path) -> None:
    if threading.current_thread() is not threading.main_thread():
        pytest.skip("interrupts come to the main thread")

    def network(image: np.ndarray, properties: dict[str, Any]) -> NetworkResult:
        while not (tmp_path / "started").exists():
            time.sleep(0.01)
        signal.raise_signal(signal.SIGINT)
        return NetworkResult(image)

    start = time.monotonic()
    with pytest.raises(KeyboardInterrupt):
        Pipeline(work(tmp_path), network, Processes(1, 1)).run(cases("1", "takes long", "4"))
    assert time.monotonic() - start < 40


def test_an_interrupt_leaves_no_export_half_done(tmp_path: Path) -> None:
    if threading.current_thread() is not threading.main_thread():
        pytest.skip("interrupts come to the main thread")

    def network(image: np.ndarray, properties: dict[str, Any]) -> NetworkResult:
        if image.item() == 12:
            while not (tmp_path / "10").exists():  # the worker has started
                time.sleep(0.01)
            signal.raise_signal(signal.SIGINT)
        return NetworkResult(image)

    with pytest.raises(KeyboardInterrupt):
        Pipeline(work(tmp_path), network, Processes(1, 1)).run(cases("10", "11", "12", "13"))
    assert written(tmp_path).keys() >= {"10"}
    assert not written(tmp_path).keys() & {"12", "13"}
