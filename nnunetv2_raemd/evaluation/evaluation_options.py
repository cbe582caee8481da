"""What may be chosen about an evaluation."""

from __future__ import annotations

from collections.abc import Mapping
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


def in_words(settings: Mapping[str, str]) -> str:
    """The settings of `EvaluationOptions.described`, of this version or an earlier one, in sentences."""
    overlap = float(settings.get("min_lesion_overlap", 0))
    share = f"{overlap:.0%} of it is" if overlap else "at least one of its voxels is"
    sentences = [f"A lesion counts as detected if {share} predicted."]
    if settings.get("froc") == str(True):
        score = {"max": "maximum", "mean": "mean"}.get(settings["candidate_score"], "score")
        hit = {"overlap": "overlaps it", "centre": "has its centre within the lesion's radius"}
        sentences.append(
            f"FROC: a candidate is a component above a probability of {settings['candidate_threshold']}, "
            f"scored by its {score} probability; "
            f"it hits a lesion if it {hit.get(settings['hit_rule'], 'touches it')}."
        )
    if settings.get("surface_distances") == str(False):
        sentences.append("HD95 and ASSD were not measured, because MONAI is not installed.")
    if "version" in settings:
        sentences.append(f"Evaluated by nnunetv2-raemd {settings['version']}.")
    return " ".join(sentences)
