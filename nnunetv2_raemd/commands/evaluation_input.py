"""The two ways to say what is evaluated: nnU-Net's cross-validation, or any two folders."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from nnunetv2_raemd.commands import nnunet_options as options
from nnunetv2_raemd.commands.unused_options import refuse_unused
from nnunetv2_raemd.errors import UserError

if TYPE_CHECKING:
    from nnunetv2_raemd.evaluation.systems import Material


@dataclass(frozen=True)
class CrossValidationInput:
    """The validation cases of trained models; each field is an option of the command line."""

    dataset: options.OptionalDataset = None
    configuration: options.Configuration = options.DEFAULT_CONFIGURATION
    trainers: options.OptionalTrainers = None
    plans: options.Plans = options.DEFAULT_PLANS
    folds: options.Folds = None

    def material(self) -> Material:
        """What is to be evaluated.

        Raises:
            UserError: if it is not there.
        """
        from nnunetv2_raemd.evaluation.cross_validation import find_cross_validation
        from nnunetv2_raemd.nnunet_files.dataset_folders import find_dataset
        from nnunetv2_raemd.nnunet_files.trained_models import model_names

        models = model_names(self.trainers or [], self.plans, self.configuration)
        return find_cross_validation(find_dataset(str(self.dataset)), models, self.folds)


@dataclass(frozen=True)
class FolderInput:
    """A folder of predictions and one of references; each field is an option of the command line."""

    prediction: Annotated[
        Path | None,
        typer.Option(
            "-i",
            "--pred",
            file_okay=False,
            callback=options.absolute,
            help="Instead of -d: folder of predictions.",
        ),
    ] = None
    reference: Annotated[
        Path | None,
        typer.Option(
            "-ref", "--ref", file_okay=False, callback=options.absolute, help="Folder of their references."
        ),
    ] = None
    dataset_json: Annotated[
        Path | None,
        typer.Option(
            "-djfile",
            dir_okay=False,
            help="dataset.json with labels and file ending. Default: one beside the predictions or the "
            "references.",
        ),
    ] = None
    labels: Annotated[
        list[int] | None,
        typer.Option("-l", metavar="LABEL...", help="Labels, instead of those of dataset.json."),
    ] = None
    ignore_label: Annotated[
        int | None, typer.Option("-il", help="Label whose voxels do not count, beside -l.")
    ] = None

    def material(self) -> Material:
        """What is to be evaluated.

        Raises:
            UserError: if it is not there.
        """
        from nnunetv2_raemd.evaluation.folder_pair import find_two_folders

        assert self.prediction is not None and self.reference is not None
        return find_two_folders(
            self.prediction,
            self.reference,
            dataset_json=self.dataset_json,
            labels=self.labels,
            ignore_label=self.ignore_label,
        )


def chosen_input(models: CrossValidationInput, folders: FolderInput) -> CrossValidationInput | FolderInput:
    """The one of the two that was given, as a whole.

    Raises:
        UserError: if parts are missing, both were given, or an option of the other.
    """
    from_models = (models.dataset is not None, bool(models.trainers))
    from_folders = (folders.prediction is not None, folders.reference is not None)
    if all(from_models) and not any(from_folders):
        refuse_unused(folders, "is for -i and -ref", "dataset_json", "labels", "ignore_label")
        return models
    if all(from_folders) and not any(from_models):
        refuse_unused(models, "is for -d and -tr", "configuration", "plans", "folds")
        return folders
    raise UserError("give either -d and -tr for nnU-Net's cross-validation, or -i and -ref for two folders")
