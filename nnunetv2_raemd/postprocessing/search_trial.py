"""What a step of the search for post-processing found. Apart: settings are read without statistics."""

from __future__ import annotations

from dataclasses import dataclass

SIGNIFICANCE = 0.05


@dataclass(frozen=True)
class Trial:
    """One step of the search: its best candidate, and whether it was kept.

    Attributes:
        value: the candidate with the highest mean.
        before, after: mean of the objective over the cases.
        p_value: of the improvement, corrected for the number of candidates.
    """

    step: str
    value: float | bool
    before: float
    after: float
    p_value: float

    @property
    def kept(self) -> bool:
        """Whether the mean grew, and by more than chance explains."""
        return self.after > self.before and self.p_value < SIGNIFICANCE
