"""Work on many cases, here or on a cluster, by the one rule for failures.

What a case raises is kept with its name, the rest goes on, all failures are named at the end and the exit
status is 1. So a job may raise whatever it likes because of its case.
"""

from __future__ import annotations

from collections.abc import Generator, Mapping, Sequence
from contextlib import closing
from dataclasses import dataclass
from typing import Generic, Protocol

from nnunetv2_raemd.errors import reason_of
from nnunetv2_raemd.execution.backend import Backend, Item, Item_contra, Result, Result_co
from nnunetv2_raemd.execution.progress import progress
from nnunetv2_raemd.version import __version__

SHOWN_FAILURES = 20


@dataclass(frozen=True)
class Failed:
    """A case that could not be done, and why."""

    case_id: str
    reason: str

    def __str__(self) -> str:
        return f"{self.case_id}: {self.reason}"


class CaseJob(Protocol[Item_contra, Result_co]):
    """Work on one case; pickled with it and sent to a worker. It may be done twice, even at the same time."""

    def __call__(self, case: Item_contra, /) -> Result_co:
        """Do the work; what it raises is why the case failed."""

    def case_id(self, case: Item_contra, /) -> str:
        """What the user calls the case."""

    def sees(self, case: Item_contra, /) -> Mapping[str, object]:
        """What the present process sees of all that the case needs, by name; a worker must see the same."""


def run_cases(
    title: str, job: CaseJob[Item, Result], cases: Sequence[Item], *, backend: Backend
) -> list[Result | Failed]:
    """The results in the order of the cases, with a progress bar of that title.

    Raises:
        UserError: if the place where the work is done is at fault.
    """
    results = dict(finished_cases(title, job, cases, backend=backend))
    return [results[number] for number in range(len(cases))]


def finished_cases(
    title: str, job: CaseJob[Item, Result], cases: Sequence[Item], *, backend: Backend
) -> Generator[tuple[int, Result | Failed], None, None]:
    """The position of each case and its result, as they come; as `run_cases`."""
    with (
        progress(title, len(cases)) as advance,
        closing(backend.run(_Guarded(job), list(enumerate(cases)))) as finished,
    ):
        for number, result in finished:
            advance(failed=isinstance(result, Failed))
            yield number, result


def failures(outcomes: Sequence[object]) -> list[Failed]:
    """Those of the outcomes that are failures."""
    return [outcome for outcome in outcomes if isinstance(outcome, Failed)]


def told(failed: Sequence[Failed], *, of: int, shown: int = SHOWN_FAILURES) -> str:
    """Which of so many cases failed and why, a line each and no more than `shown`."""
    lines = [f"{len(failed)} of {of} cases failed:", *(f"  {one}" for one in failed[:shown])]
    if len(failed) > shown:
        lines.append(f"  ... and {len(failed) - shown} more")
    return "\n".join(lines)


@dataclass(frozen=True)
class _Guarded(Generic[Item, Result]):
    """A job for a backend that raises nothing, and says which of the cases a result is of."""

    job: CaseJob[Item, Result]

    def __call__(self, numbered: tuple[int, Item], /) -> tuple[int, Result | Failed]:
        number, case = numbered
        try:
            return number, self.job(case)
        except Exception as error:  # one bad case must not end a run of hundreds
            return number, Failed(self.job.case_id(case), reason_of(error))

    def sees(self, numbered: tuple[int, Item], /) -> Mapping[str, object]:
        return {"the version of nnunetv2-raemd": __version__, **self.job.sees(numbered[1])}

    def gave_up(self, numbered: tuple[int, Item], reason: str, /) -> tuple[int, Result | Failed]:
        number, case = numbered
        return number, Failed(self.job.case_id(case), reason)
