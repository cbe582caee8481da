"""The cases of the viewer: chosen, their images found in nnUNet_raw, read and drawn."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from rich.console import Console
from rich.progress import track

from nnunetv2_raemd.errors import UserError
from nnunetv2_raemd.nnunet_files.case_images import CaseImage, find_images
from nnunetv2_raemd.report.case_and_slice_choice import ChosenCase, choose_cases
from nnunetv2_raemd.report.evaluated import Evaluated
from nnunetv2_raemd.report.shown_case import show_case


@dataclass(frozen=True)
class CasePanel:
    """A case to choose in the viewer.

    Attributes:
        content: for the viewer; None where the case cannot be shown.
        problems: what cannot be shown of it.
    """

    chosen: ChosenCase
    content: Mapping[str, Any] | None
    problems: tuple[str, ...] = ()


def make_panels(evaluated: Evaluated, system: str, n_cases: int) -> list[CasePanel]:
    """The best, median and worst cases by the Dice of a system's first target, with progress on stderr."""
    target = evaluated.evaluation.labels.targets[0].name
    chosen = choose_cases(evaluated.evaluation, system, target, n_cases)
    images = find_images(
        evaluated.raw, [case.case_id for case in chosen], evaluated.material.reference.file_ending
    )
    console = Console(stderr=True)
    return [
        _panel(case, evaluated, images[case.case_id])
        for case in track(chosen, "Drawing cases", console=console, disable=not console.is_terminal)
    ]


def ranked_by(evaluated: Evaluated, system: str) -> str:
    """How the cases were chosen, in a sentence."""
    target = evaluated.evaluation.labels.targets[0].name
    n_cases = len(evaluated.evaluation.system(system).cases)
    return (
        f"Chosen by the Dice of {target} of {system}, out of its {n_cases} cases (cases where this is "
        "undefined are not ranked): the best, those around the median, and the worst."
    )


def _panel(case: ChosenCase, evaluated: Evaluated, image: CaseImage) -> CasePanel:
    try:
        shown = show_case(evaluated.files_of(case.case_id), image, evaluated.evaluation.labels)
    except UserError as error:
        return CasePanel(case, None, (f"Not in the viewer: {error}.",))
    return CasePanel(case, shown.content, shown.problems)
