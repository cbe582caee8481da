"""Run the conversion of many cases: worker processes, progress, resume, and what to do with a bad case."""

from __future__ import annotations

import multiprocessing
import signal
from collections.abc import Iterator, Sequence
from concurrent.futures import ProcessPoolExecutor, as_completed
from concurrent.futures.process import BrokenProcessPool

import SimpleITK as sitk
from rich.progress import (
    BarColumn,
    MofNCompleteColumn,
    Progress,
    ProgressColumn,
    Task,
    TextColumn,
    TimeElapsedColumn,
    TimeRemainingColumn,
)
from rich.text import Text

from nnunetv2_raemd.dataset_conversion.case import Case, CaseExcludedError, Outcome, Status
from nnunetv2_raemd.dataset_conversion.measurements import measure
from nnunetv2_raemd.dataset_conversion.nnunet_dataset import DatasetFolder
from nnunetv2_raemd.errors import UserError


def convert_case(case: Case, folder: DatasetFolder) -> Outcome:
    """Convert one case, or keep it where it is finished already; never raises for bad input.

    A case that fails leaves nothing in the dataset, not even what an earlier run wrote from other input.
    """
    fingerprint = case.fingerprint()
    record = folder.finished(case.case_id, fingerprint)
    if record is not None:
        return Outcome(case.case_id, Status.KEPT, patient_id=case.patient_id, record=record)
    try:
        loaded = case.load()
        record = {
            "patient_id": case.patient_id,
            "fingerprint": fingerprint,
            **loaded.details,
            **measure(loaded.image, loaded.label),
        }
        record = folder.write_case(case.case_id, loaded.image, loaded.label, record)
    except CaseExcludedError as error:
        folder.discard(case.case_id)
        return Outcome(case.case_id, Status.EXCLUDED, str(error), case.patient_id)
    except Exception as error:  # one bad case must not end a run of hundreds
        folder.discard(case.case_id)
        return Outcome(case.case_id, Status.FAILED, _reason(error), case.patient_id)
    return Outcome(case.case_id, Status.CONVERTED, patient_id=case.patient_id, record=record)


def run_cases(
    cases: Sequence[Case], folder: DatasetFolder, *, workers: int = 1, strict: bool = False
) -> list[Outcome]:
    """Convert `cases` with a progress bar; outcomes come in the order of `cases`.

    `strict` raises `UserError` at the first case that fails; the cases finished by then stay.
    """
    outcomes: dict[str, Outcome] = {}
    with _progress() as progress:
        task = progress.add_task("Converting", total=len(cases), failed=0)
        for outcome in _outcomes(cases, folder, workers):
            outcomes[outcome.case_id] = outcome
            failed = sum(o.status is Status.FAILED for o in outcomes.values())
            progress.update(task, advance=1, failed=failed)
            if strict and failed:
                raise UserError(f"{outcome.case_id}: {outcome.reason} (--strict stops at the first failure)")
    return [outcomes[case.case_id] for case in cases]


def _outcomes(cases: Sequence[Case], folder: DatasetFolder, workers: int) -> Iterator[Outcome]:
    if min(workers, len(cases)) <= 1:
        yield from (convert_case(case, folder) for case in cases)
        return
    unfinished = {case.case_id: case for case in cases}
    try:
        for outcome in _pooled(cases, folder, workers):
            del unfinished[outcome.case_id]
            yield outcome
    except BrokenProcessPool:
        # It cannot be told which case ended its worker, so each left over gets a process of its own.
        yield from (_isolated(case, folder) for case in list(unfinished.values()))


def _isolated(case: Case, folder: DatasetFolder) -> Outcome:
    try:
        return next(_pooled([case], folder, 1))
    except BrokenProcessPool:
        folder.discard(case.case_id)
        reason = "the worker process died, most often for want of memory; try fewer --workers"
        return Outcome(case.case_id, Status.FAILED, reason, case.patient_id)


def _pooled(cases: Sequence[Case], folder: DatasetFolder, workers: int) -> Iterator[Outcome]:
    # spawn: a forked child could inherit locks held by the threads of SimpleITK or of the progress bar
    context = multiprocessing.get_context("spawn")
    pool = ProcessPoolExecutor(min(workers, len(cases)), mp_context=context, initializer=_set_up_worker)
    try:
        for future in as_completed([pool.submit(convert_case, case, folder) for case in cases]):
            yield future.result()
    finally:
        pool.shutdown(cancel_futures=True)


def _set_up_worker() -> None:
    """One thread per worker; an interrupt (Ctrl-C) is the main process's to answer."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    sitk.ProcessObject.SetGlobalDefaultNumberOfThreads(1)


def _reason(error: Exception) -> str:
    text = " ".join(str(error).split())
    return text if isinstance(error, UserError) else f"{type(error).__name__}: {text}"


class _RateColumn(ProgressColumn):
    def render(self, task: Task) -> Text:
        return Text("" if not task.speed else f"{60 * task.speed:.1f}/min")


def _progress() -> Progress:
    return Progress(
        TextColumn("{task.description}"),
        BarColumn(),
        MofNCompleteColumn(),
        TextColumn("{task.fields[failed]} failed"),
        _RateColumn(),
        TimeElapsedColumn(),
        TextColumn("left"),
        TimeRemainingColumn(),
    )
