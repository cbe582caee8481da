"""A job done for all items, with its progress."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from contextlib import closing
from dataclasses import dataclass
from typing import Generic

from nnunetv2_raemd.execution.backend import Backend, Item, Job, Result
from nnunetv2_raemd.execution.progress import progress


def run_tracked(
    title: str,
    job: Job[Item, Result],
    items: Sequence[Item],
    *,
    backend: Backend,
    failed: Callable[[Result], bool],
) -> list[Result]:
    """The results in the order of the items.

    Args:
        title: of the progress.
        failed: whether a result counts as failed there.

    Raises:
        UserError: if the place where the work is done is at fault.
    """
    results: dict[int, Result] = {}
    numbered = list(enumerate(items))
    with (
        progress(title, len(items)) as advance,
        closing(backend.run(_Numbered(job), numbered)) as finished,
    ):
        for number, result in finished:
            results[number] = result
            advance(failed=failed(result))
    return [results[number] for number, _ in numbered]


@dataclass(frozen=True)
class _Numbered(Generic[Item, Result]):
    """A job that says which of the items a result is of."""

    job: Job[Item, Result]

    def __call__(self, numbered: tuple[int, Item], /) -> tuple[int, Result]:
        return numbered[0], self.job(numbered[1])

    def sees(self, numbered: tuple[int, Item], /) -> Mapping[str, object]:
        return self.job.sees(numbered[1])

    def gave_up(self, numbered: tuple[int, Item], reason: str, /) -> tuple[int, Result]:
        return numbered[0], self.job.gave_up(numbered[1], reason)
