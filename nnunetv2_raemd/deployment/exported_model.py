"""A folder that `raemd export` wrote, as a model to predict with; known before torch is imported."""

from __future__ import annotations

from dataclasses import dataclass, replace
from pathlib import Path, PurePosixPath
from typing import TYPE_CHECKING, Any

from nnunetv2_raemd.deployment.model_description import (
    NNUNET_FILES,
    ModelDescription,
    Precision,
    check_same_json,
    checked_file,
    read_description,
    weights_name,
)
from nnunetv2_raemd.deployment.network_backend import Backend
from nnunetv2_raemd.errors import UserError
from nnunetv2_raemd.prediction.trained_model import ModelIdentity

if TYPE_CHECKING:
    from nnunetv2_raemd.prediction.predictor import WholeScanPredictor


@dataclass(frozen=True)
class ExportedModel:
    """A folder that `raemd export` wrote, and how to run it.

    Attributes:
        backend: None for the fastest that is installed and that the folder serves.
        folds: some of those exported; none for all.
        precision: None for that of the export; float32 may take the place of bfloat16.
        postprocessing: whether segmentations are post-processed as was chosen on cross-validation.
    """

    path: Path
    backend: Backend | None = None
    folds: tuple[str, ...] = ()
    precision: Precision | None = None
    postprocessing: bool = True

    def folder(self) -> Path:
        """Where it lies, with plans.json and dataset.json as they were exported.

        Raises:
            UserError: if no model is there, or it was changed.
        """
        description = read_description(self.path)
        for name, content in zip(NNUNET_FILES, (description.plans, description.dataset), strict=True):
            check_same_json(checked_file(self.path, PurePosixPath(name), description), content)
        return self.path

    def identity(self) -> ModelIdentity:
        """By nnU-Net's names, and the exported weights."""
        description = read_description(self.path)
        folds = _folds(self.folds, description)
        plans = description.plans
        return ModelIdentity(
            f"{description.trainer}__{plans['plans_name']}__{description.configuration}",
            plans["dataset_name"],
            folds,
            f"exported, {description.precision.value}",
            tuple(checked_file(self.path, weights_name(fold), description) for fold in folds),
        )

    def load(self, *, trust_checkpoint: bool = False, **settings: Any) -> WholeScanPredictor:
        """A predictor with its folds. Nothing in the folder is executed: there is nothing to trust.

        Raises:
            UserError: if the folder or a file in it is missing, damaged, changed or of a newer version, or
                the backend is not installed, cannot run the model, or is asked to run elsewhere than on the
                CPU.
        """
        from nnunetv2_raemd.deployment.exported_loading import load_exported  # noqa: PLC0415 - torch

        folder = self.folder().resolve()
        description = read_description(folder)
        predictor = load_exported(
            folder,
            replace(description, folds=_folds(self.folds, description)),
            self.backend,
            self.precision or description.precision,
            **settings,
        )
        if not self.postprocessing:
            predictor.postprocessor = None
        return predictor


def _folds(wanted: tuple[str, ...], description: ModelDescription) -> tuple[str, ...]:
    if missing := [fold for fold in wanted if fold not in description.folds]:
        raise UserError(
            f"the model has no fold {', '.join(missing)}, but {', '.join(description.folds)}: choose among "
            "these with -f"
        )
    return wanted or description.folds
