"""The state of all trainings of a study, live: a row for each model, a column for each fold."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import contextmanager

from rich.console import Console
from rich.live import Live
from rich.table import Table
from rich.text import Text

from nnunetv2_raemd.study.single_training import Training
from nnunetv2_raemd.study.training_job import Outcome

REFRESH_PER_S = 1


class Board:
    """Shows what is done, running, waiting and failed.

    A training runs if its log has grown since the study began and its outcome is not known.
    """

    def __init__(self, trainings: Sequence[Training], console: Console) -> None:
        self.trainings = trainings
        self.console = console
        self.outcomes: dict[Training, Outcome] = {
            training: Outcome(training) for training in trainings if training.is_done
        }
        self._log_sizes = {training: _size_of_log(training) for training in trainings}

    @contextmanager
    def shown(self) -> Iterator[None]:
        """Live in a terminal; elsewhere only at the end, with a line for each training that ends."""
        if not self.console.is_terminal:
            yield
            self.console.print(self.table())
            return
        with Live(get_renderable=self.table, console=self.console, refresh_per_second=REFRESH_PER_S):
            yield

    def add(self, outcome: Outcome) -> None:
        """Take in how a training ended."""
        self.outcomes[outcome.training] = outcome
        text = f"failed: {outcome.problem}" if outcome.problem else "done"
        self.console.print(f"{outcome.training.name}: {text}", markup=False, highlight=False, soft_wrap=True)

    def table(self) -> Table:
        """As it is now."""
        folds = list(dict.fromkeys(training.fold for training in self.trainings))
        table = Table("", *(f"fold {fold}" for fold in folds), box=None, pad_edge=False)
        for model in dict.fromkeys(training.model for training in self.trainings):
            cells = {t.fold: self.state(t) for t in self.trainings if t.model == model}
            table.add_row(Text(model), *(cells.get(fold, "") for fold in folds))
        return table

    def state(self, training: Training) -> Text:
        """A cell of the table."""
        outcome = self.outcomes.get(training)
        if outcome is not None:
            return Text("failed", "red") if outcome.problem else Text("done", "green")
        if _size_of_log(training) == self._log_sizes[training]:
            return Text("waiting", "dim")
        epoch = training.last_epoch()
        return Text("begun" if epoch is None else f"epoch {epoch}", "yellow")


def _size_of_log(training: Training) -> int:
    return training.log.stat().st_size if training.log.is_file() else 0
