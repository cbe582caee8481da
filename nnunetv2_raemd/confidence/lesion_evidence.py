"""What cross-validation tells about predicted lesions: their features, and which of them are real."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray


@dataclass(frozen=True)
class CaseEvidence:
    """One label in one validated case.

    Attributes:
        group: cases of one group are never told apart by a model that was fitted on others of it: the fold.
        features: of each predicted lesion, (n, features).
        maximum_probability: of each predicted lesion.
        touched: for each predicted lesion, the lesions of the reference with which it shares a voxel; it is
            real if there is one.
        n_lesions: lesions of the reference.
    """

    case_id: str
    group: str
    features: NDArray[np.float64]
    maximum_probability: tuple[float, ...]
    touched: tuple[tuple[int, ...], ...]
    n_lesions: int

    @property
    def real(self) -> tuple[bool, ...]:
        """Whether each predicted lesion is real."""
        return tuple(bool(found) for found in self.touched)


@dataclass(frozen=True)
class ScoredCase:
    """A case whose predicted lesions have confidences from a model that never saw it."""

    confidences: tuple[float, ...]
    touched: tuple[tuple[int, ...], ...]
    n_lesions: int

    def false_positives(self, threshold: float) -> int:
        """Lesions listed at that threshold (confidence >= threshold) that are not real."""
        return sum(
            confidence >= threshold and not found
            for confidence, found in zip(self.confidences, self.touched, strict=True)
        )

    def missed_share(self, threshold: float) -> float:
        """The share of the reference's lesions that no listed lesion touches; 0 where there are none."""
        found = {
            lesion
            for confidence, touched in zip(self.confidences, self.touched, strict=True)
            if confidence >= threshold
            for lesion in touched
        }
        return 1 - len(found) / self.n_lesions if self.n_lesions else 0.0


def grouped(cases: Sequence[CaseEvidence], *, n_parts: int = 5) -> list[str]:
    """The group of each case: its fold, or where all are of one fold, one of `n_parts` parts in turn."""
    if len({case.group for case in cases}) > 1:
        return [case.group for case in cases]
    return [f"part {i % n_parts}" for i in range(len(cases))]
