"""What is to be predicted and where to, as the user asked for it."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Protocol

from nnunetv2_raemd.confidence.rated_lesions import NOTHING_PROMISED, Promise

if TYPE_CHECKING:
    from nnunetv2_raemd.prediction.case_work import CaseWork
    from nnunetv2_raemd.prediction.input_cases import InputCase
    from nnunetv2_raemd.prediction.predictor import WholeScanPredictor


class Explainer(Protocol):
    """Explains the lesions of a predicted scan, beside its segmentation."""

    def explain(self, predictor: WholeScanPredictor, work: CaseWork, case: InputCase) -> str | None:
        """Do so, and return what went wrong."""


@dataclass(frozen=True)
class Origin:
    """Where images came from that lie in a temporary folder: what files that stay name in their place.

    Attributes:
        source: what the user gave.
        of_case: a file, a folder or an address, by case; "" for what is not to be named.
    """

    source: str
    of_case: Mapping[str, str] = field(default_factory=dict)


@dataclass(frozen=True)
class Batch:
    """What to predict, and where to; named as in nnU-Net's predictor.

    Attributes:
        previous_stage: predictions of the previous stage, for a cascade and only for it.
        overwrite: whether to predict again what is predicted already.
        lungs: whether to predict what lies round the lungs only, of CT.
        promise: what the list of lesions shall keep.
        uncertainty: whether to write maps of it, too.
        explainer: looks at the lesions of each scan again, once all are predicted.
        part_id: which of `num_parts` shares of the cases.
        origin: of images that are made for this prediction only; None where `source` is what the user gave.
    """

    source: Path
    output: Path
    previous_stage: Path | None = None
    save_probabilities: bool = False
    overwrite: bool = True
    lungs: bool = False
    num_parts: int = 1
    part_id: int = 0
    promise: Promise = NOTHING_PROMISED
    uncertainty: bool = False
    explainer: Explainer | None = None
    origin: Origin | None = None

    def is_done(self, case_id: str, file_ending: str) -> bool:
        """Whether all that would be written of a case is there."""
        probabilities = self.output / f"{case_id}.npz"
        return (self.output / f"{case_id}{file_ending}").is_file() and (
            not self.save_probabilities or probabilities.is_file()
        )
