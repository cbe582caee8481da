"""What may be chosen about an evaluation."""

from __future__ import annotations

from dataclasses import asdict, dataclass
from enum import Enum

from nnunetv2_raemd.evaluation.froc_choices import CandidateScore, HitRule
from nnunetv2_raemd.version import __version__


@dataclass(frozen=True)
class EvaluationOptions:
    """The settings of one evaluation, the same for all its cases.

    Attributes:
        min_lesion_overlap: fraction of a lesion that must be predicted for it to be detected; one voxel must.
        froc: whether to read probability maps and collect candidates.
        candidate_threshold: candidates are the components of probabilities above this.
        surface_distances: whether to measure HD95 and ASSD, which need MONAI; NaN if not.
    """

    min_lesion_overlap: float = 0.0
    froc: bool = False
    candidate_threshold: float = 0.1
    candidate_score: CandidateScore = CandidateScore.MAXIMUM
    hit_rule: HitRule = HitRule.CENTRE
    surface_distances: bool = True

    def described(self) -> dict[str, str]:
        """The settings as text, and the version of this package, for the results' record."""
        return {"version": __version__} | {
            name: value.value if isinstance(value, Enum) else str(value)
            for name, value in asdict(self).items()
        }


DEFAULT_OPTIONS = EvaluationOptions()
