"""`raemd evaluate`."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from nnunetv2_raemd.commands import nnunet_options as options
from nnunetv2_raemd.commands.evaluation_input import CrossValidationInput, FolderInput, chosen_input
from nnunetv2_raemd.commands.shared_options import with_options_of
from nnunetv2_raemd.commands.unused_options import refuse_unused
from nnunetv2_raemd.evaluation.froc_choices import CandidateScore, HitRule

if TYPE_CHECKING:
    from nnunetv2_raemd.evaluation.evaluation_options import EvaluationOptions


@dataclass(frozen=True)
class Measures:
    """What is measured; each field is an option of the command line."""

    against: Annotated[
        str | None, typer.Option(help="Trainer to test the others against. Default: the first.")
    ] = None
    min_lesion_overlap: Annotated[
        float,
        typer.Option(
            min=0,
            max=1,
            help="Fraction of a lesion that must be predicted for it to be detected; 0: one voxel.",
        ),
    ] = 0.0
    froc: Annotated[
        bool,
        typer.Option(
            "--froc",
            help="Also LUNA16's FROC and score, from the probability maps (.npz) beside the predictions.",
        ),
    ] = False
    candidate_threshold: Annotated[
        float,
        typer.Option(min=0, max=1, help="FROC: candidates are connected components above this probability."),
    ] = 0.1
    candidate_score: Annotated[CandidateScore, typer.Option(help="FROC: probability of a candidate.")] = (
        CandidateScore.MAXIMUM
    )
    hit_rule: Annotated[
        HitRule,
        typer.Option(
            help="FROC: a candidate hits a lesion that it touches (overlap), or to whose centre its own is "
            "nearer than the lesion's radius (centre, as LUNA16)."
        ),
    ] = HitRule.CENTRE

    def options(self) -> EvaluationOptions:
        """As the evaluation takes them.

        Raises:
            UserError: if there are some of the FROC, and no FROC.
        """
        from nnunetv2_raemd.evaluation.evaluation_options import EvaluationOptions

        if not self.froc:
            refuse_unused(self, "is for --froc", "candidate_threshold", "candidate_score", "hit_rule")
        return EvaluationOptions(
            self.min_lesion_overlap,
            self.froc,
            self.candidate_threshold,
            self.candidate_score,
            self.hit_rule,
        )


@with_options_of(CrossValidationInput, FolderInput, Measures)
def evaluate(
    models: CrossValidationInput,
    folders: FolderInput,
    measures: Measures,
    *,
    workers: options.Workers = options.DEFAULT_WORKERS,
    scheduler: options.SchedulerAddress = None,
    output: Annotated[
        Path | None,
        typer.Option(
            "--output",
            "-o",
            file_okay=False,
            help="Folder for the results. Default: evaluation__CONFIGURATION beside the trainers' folders, "
            "or evaluation in the folder of predictions.",
        ),
    ] = None,
) -> None:
    """Measure predictions against references: per case, per lesion, across slices, over folds, and compared.

    Either nnU-Net's cross-validation (-d 501 -c 2d -tr A B C), or any two folders (-i, -ref). Cases that
    are missing, surplus or unreadable are reported, and the exit status is then 1.
    """
    from nnunetv2_raemd.evaluation.evaluation_terminal import evaluate_and_report

    chosen, measured = chosen_input(models, folders), measures.options()
    material = chosen.material()
    raise typer.Exit(
        evaluate_and_report(
            material,
            measured,
            folder=output or material.output,
            against=measures.against,
            workers=workers,
            scheduler=scheduler,
        )
    )
