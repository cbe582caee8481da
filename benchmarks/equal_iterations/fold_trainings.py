"""All trainings of a fold, which take each step on the same batches and together.

A small network keeps a GPU busy for a fraction of the time. The steps of all systems therefore run in streams
of their own, and so do the folds, none of which waits for another: when all systems of a fold are through
with a step, the next batches are copied and the next steps follow.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Iterable, Sequence
from typing import Protocol

import torch
from batch_ring import Batch
from captured_training import CapturedTraining
from nodule_dataset import Nodules
from shared_batches import BatchStream

IDLE_SECONDS = 1e-4
SECONDS_BETWEEN_REPORTS = 15


class Length(Protocol):
    """How long the trainings are."""

    def done(self, iterations: int) -> float:
        """The part that has passed when a fold has had so many iterations; 1 or more: it is over."""


class IterationCount:
    """So many iterations of each fold."""

    def __init__(self, iterations: int) -> None:
        self.iterations = iterations

    def done(self, iterations: int) -> float:
        """The part of the iterations."""
        return iterations / self.iterations


class WallTime:
    """So many seconds for all, as they run side by side; what is evaluated in between counts."""

    def __init__(self, seconds: float) -> None:
        self.seconds = seconds
        self.started = time.monotonic()

    def done(self, iterations: int) -> float:
        """The part of the time, however many iterations there were in it."""
        return (time.monotonic() - self.started) / self.seconds


class FoldTrainings:
    """The trainings of one fold, by system, and the batches in their turn.

    `inputs` and `done` are what the trainings read, on the device.
    """

    def __init__(
        self,
        fold: int,
        held_out: Nodules,
        streams: dict[str, BatchStream],
        inputs: dict[str, Batch],
        done: torch.Tensor,
    ) -> None:
        self.fold, self.held_out, self.streams, self.inputs, self.done = fold, held_out, streams, inputs, done
        self.trainings: dict[str, CapturedTraining] = {}
        self.iterations = 0
        self.copying = torch.cuda.Stream() if done.is_cuda else None
        self.events: list[torch.cuda.Event] = []

    def is_ready(self) -> bool:
        """Whether the steps before are over and the next batches have been made."""
        return all(event.query() for event in self.events) and all(
            stream.has(self.iterations) for stream in self.streams.values()
        )

    def advance(self, done: float) -> None:
        """One step of each system; on a GPU it is only started."""
        if self.copying is None:
            self._fill_inputs(done)
            for training in self.trainings.values():
                training.step(training.system.kind_of(self.iterations, done))
        else:
            with torch.cuda.stream(self.copying):
                self._fill_inputs(done)
            self.events = [
                training.replay(training.system.kind_of(self.iterations, done), after=self.copying)
                for training in self.trainings.values()
            ]
        for stream in self.streams.values():
            stream.ring.release(self.iterations)
        self.iterations += 1

    def _fill_inputs(self, done: float) -> None:
        self.done.fill_(min(done, 1.0))
        for kind, stream in self.streams.items():
            stream.ring.copy_to(self.inputs[kind], self.iterations)

    def dice(self) -> dict[str, list[float]]:
        """Of each system on each held-out nodule, in their order."""
        found = {}
        for name, training in self.trainings.items():
            predicted = training.probabilities(self.held_out.images) > 0.5
            found[name] = dice(predicted, self.held_out.masks)
        return found


def dice(predicted: torch.Tensor, masks: torch.Tensor) -> list[float]:
    """Of each case, from boolean (case, z, y, x); 0 where both are empty."""
    a, b = predicted.flatten(1), masks.flatten(1)
    values: list[float] = (2 * (a & b).sum(1) / (a.sum(1) + b.sum(1)).clamp(min=1)).tolist()
    return values


def train(
    folds: Sequence[FoldTrainings],
    length: Length,
    evaluate: Callable[[float], None],
    evaluate_at: Iterable[float],
) -> None:
    """Train all to their end, and stop for `evaluate` after these parts of the training."""
    marks = sorted(evaluate_at)
    reported = time.monotonic()
    while unfinished := [fold for fold in folds if length.done(fold.iterations) < 1]:
        ready = [fold for fold in unfinished if fold.is_ready()]
        for fold in ready:
            fold.advance(length.done(fold.iterations))
        if not ready:
            time.sleep(IDLE_SECONDS)
        done = min(length.done(fold.iterations) for fold in folds)
        if time.monotonic() - reported > SECONDS_BETWEEN_REPORTS:
            reported = time.monotonic()
            report(folds, done)
        if marks and done >= marks[0]:
            evaluate(marks.pop(0))
    for mark in marks:
        evaluate(mark)


def report(folds: Sequence[FoldTrainings], done: float) -> None:
    """Print how far it is; stops where a process that makes batches has ended."""
    for fold in folds:
        for stream in fold.streams.values():
            stream.check()
    print(f"{done:.1%}: {[fold.iterations for fold in folds]} iterations of the folds", flush=True)
    losses = {name: round(float(t.last_loss), 3) for name, t in folds[0].trainings.items()}
    print(f"losses of fold {folds[0].fold}: {losses}", flush=True)
