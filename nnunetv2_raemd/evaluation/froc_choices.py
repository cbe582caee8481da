"""What may be chosen on the command line; imported before all else, so that `--help` is fast."""

from __future__ import annotations

from enum import Enum


class CandidateScore(str, Enum):
    """How a component of a probability map is scored."""

    MAXIMUM = "max"
    MEAN = "mean"


class HitRule(str, Enum):
    """When a candidate hits a lesion."""

    OVERLAP = "overlap"
    """They share a voxel."""
    CENTRE = "centre"
    """As LUNA16: the candidate's centre lies within the lesion's radius of the lesion's centre."""
