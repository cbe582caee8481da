"""What is done with each of many items, apart from where it is done."""

from __future__ import annotations

from collections.abc import Generator, Mapping, Sequence
from typing import Protocol, TypeVar

Item = TypeVar("Item")
Result = TypeVar("Result")
Item_contra = TypeVar("Item_contra", contravariant=True)
Result_co = TypeVar("Result_co", covariant=True)


class Job(Protocol[Item_contra, Result_co]):
    """Work on one item; pickled with the item and sent to a worker.

    It may be done twice for one item, even at the same time: a cluster gives the item of a worker that it has
    lost sight of to another.
    """

    def __call__(self, item: Item_contra, /) -> Result_co:
        """Do the work; never raises because of the item itself."""

    def gave_up(self, item: Item_contra, reason: str, /) -> Result_co:
        """The result where the work ended its workers; called in the main process."""


class ClusterJob(Job[Item_contra, Result_co], Protocol[Item_contra, Result_co]):
    """A job that can be done on other machines too."""

    def sees(self, item: Item_contra, /) -> Mapping[str, object]:
        """What the present process sees of all that the item needs, by name; a worker must see the same."""


class Backend(Protocol):
    """A place where jobs are done."""

    def check(self) -> None:
        """Raise `UserError` where the place is not there; asked before long preparations."""

    def run(self, job: ClusterJob[Item, Result], items: Sequence[Item]) -> Generator[Result, None, None]:
        """One result for each item, as they come; closing the generator calls off what has not begun.

        Raises:
            UserError: if the place itself is at fault.
        """
