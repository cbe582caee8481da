"""What an evaluation finds: systems, their cases, targets in a case, lesions in a target.

Undefined numbers are NaN, distances to nothing are infinite; `metrics.METRICS` says which and when.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Annotated, Any

from pydantic import BeforeValidator

from nnunetv2_raemd.nnunet_files.label_set import LabelSet
from nnunetv2_raemd.volumes.balls import ball_diameter_mm

_IN_JSON = {None: math.nan, "Infinity": math.inf, "-Infinity": -math.inf}


def _from_json(value: Any) -> Any:
    return _IN_JSON.get(value, value) if value is None or isinstance(value, str) else value


Measured = Annotated[int | float, BeforeValidator(_from_json)]
"""A number that may be undefined or infinite; in JSON, null or the text "Infinity". Counts stay whole."""
VoxelIndex = tuple[float, float, float]
"""Place in the array as read from the file: slice, row, column (z, y, x), in voxels."""


@dataclass(frozen=True)
class Lesion:
    """One 26-connected component of the reference.

    Attributes:
        volume_mm3: volume of the reference.
        centre: centre of mass of the reference.
        detected: whether the prediction covers enough of it (`EvaluationOptions.min_lesion_overlap`).
        dice: of the lesion and all predicted components that touch it; NaN where missed.
        pieces: predicted components that touch it.
        continuity: Dice of neighbouring slices, prediction by reference (`continuity`); NaN where undefined.
    """

    volume_mm3: float
    centre: VoxelIndex
    detected: bool
    dice: Measured
    pieces: int
    continuity: Measured

    @property
    def diameter_mm(self) -> float:
        """Diameter of the ball of the same volume."""
        return ball_diameter_mm(self.volume_mm3)


@dataclass(frozen=True)
class FalseLesion:
    """One predicted component that touches no lesion of the reference."""

    volume_mm3: float
    centre: VoxelIndex

    @property
    def diameter_mm(self) -> float:
        """Diameter of the ball of the same volume."""
        return ball_diameter_mm(self.volume_mm3)


@dataclass(frozen=True)
class Candidate:
    """One connected component of a probability map above a low threshold.

    Attributes:
        score: its highest (or mean) probability.
        lesions: positions in `TargetResult.lesions` of those it hits; none for a false positive.
    """

    score: float
    centre: VoxelIndex
    lesions: tuple[int, ...]


@dataclass(frozen=True)
class TargetResult:
    """One target in one case.

    Attributes:
        metrics: number by `metrics.Metric.key`.
        candidates: None without probability maps.
    """

    metrics: Mapping[str, Measured]
    lesions: tuple[Lesion, ...]
    false_lesions: tuple[FalseLesion, ...]
    candidates: tuple[Candidate, ...] | None = None


@dataclass(frozen=True)
class CaseResult:
    """One case of one system; `targets` by the target's name, `fold` None outside cross-validation.

    Attributes:
        remarks: what is odd about its files, though it was measured.
    """

    case_id: str
    fold: str | None
    prediction: Path
    reference: Path
    shape: tuple[int, int, int]
    spacing_mm: tuple[float, float, float]
    targets: Mapping[str, TargetResult]
    remarks: tuple[str, ...] = ()


@dataclass(frozen=True)
class Problem:
    """A case that could not be evaluated or has odd files, or a file that belongs to none, and why."""

    case_id: str
    fold: str | None
    reason: str


@dataclass(frozen=True)
class SystemResult:
    """All cases of one system (a trainer, or a folder of predictions), in order of fold and case."""

    name: str
    cases: tuple[CaseResult, ...]
    problems: tuple[Problem, ...] = ()

    @property
    def folds(self) -> tuple[str, ...]:
        """The folds it has, in order; empty outside cross-validation."""
        return tuple(dict.fromkeys(case.fold for case in self.cases if case.fold is not None))

    def values(self, target: str, metric: str) -> dict[str, float]:
        """That metric of all cases, by case."""
        return {case.case_id: case.targets[target].metrics[metric] for case in self.cases}


@dataclass(frozen=True)
class Evaluation:
    """All systems on the same targets, and the settings under which they were measured."""

    labels: LabelSet
    systems: tuple[SystemResult, ...]
    settings: Mapping[str, str] = field(default_factory=dict)

    def system(self, name: str) -> SystemResult:
        """The system of that name; `KeyError` if there is none."""
        return {system.name: system for system in self.systems}[name]
