"""nnU-Net's trainer with RAEMD-Net and the paper's recipe."""

from __future__ import annotations

from typing import Any

from batchgeneratorsv2.transforms.base.basic_transform import BasicTransform
from nnunetv2.training.nnUNetTrainer.nnUNetTrainer import nnUNetTrainer

from nnunetv2_raemd.errors import UserError
from nnunetv2_raemd.plans import raemd_plan
from nnunetv2_raemd.training.in_plane_blur import blur_in_plane
from nnunetv2_raemd.training.recipe_trainer import nnUNetTrainerRecipe
from nnunetv2_raemd.training.single_slices import (
    close_loaders,
    recurrence_of,
    single_slices,
    train_recurrence_only,
)

IN_PLANE_AXES = (1, 2)


class nnUNetTrainerRAEMD(nnUNetTrainerRecipe):
    """Trains RAEMD-Net; everything not stated here is the recipe's or nnU-Net's.

    The plan it is given is converted to a RAEMD plan (unless it is one), saved by nnU-Net with the model,
    and so used by prediction as well.
    """

    @classmethod
    def convert_plan(cls, plan: dict[str, Any], configuration: str) -> dict[str, Any]:
        """The RAEMD plan for the one that was given; raises `UserError` where there can be none."""
        return raemd_plan(plan, configurations=[configuration])

    loads_single_slices: bool = False

    def get_dataloaders(self) -> tuple[Any, Any]:
        """nnU-Net's, of single slices in the part of the training for which the recipe wants them."""
        self.loads_single_slices = self._wants_single_slices()
        if not self.loads_single_slices:
            loaders: tuple[Any, Any] = super().get_dataloaders()
            return loaders
        with single_slices(self):
            loaders = super().get_dataloaders()
        return loaders

    def _epochs_of_single_slices(self) -> float:
        """All of them where there is no recurrence to train afterwards."""
        part = self.recipe.single_slices
        return self.num_epochs * (1.0 if part and recurrence_of(self) is None else part)

    def _wants_single_slices(self) -> bool:
        return self.epochs_done() < self._epochs_of_single_slices()

    def epochs_of_schedule(self) -> float:
        """The learning rate rises and falls once with single slices and once more with sequences."""
        done, first = self.epochs_done(), self._epochs_of_single_slices()
        begin, end = (0.0, first) if done < first else (first, self.num_epochs)
        return self.num_epochs * (done - begin) / max(end - begin, 1)

    def on_train_epoch_start(self) -> None:
        """Also goes over from single slices to sequences once it is time."""
        super().on_train_epoch_start()
        if self._wants_single_slices() or not self.recipe.single_slices:
            return
        train_recurrence_only(self)
        if self.loads_single_slices:
            n_slices = self.configuration_manager.patch_size[0]
            self.print_to_log_file(f"From here on: the recurrence alone, on sequences of {n_slices} slices")
            close_loaders(self)
            self.dataloader_train, self.dataloader_val = self.get_dataloaders()

    def configure_rotation_dummyDA_mirroring_and_inital_patch_size(self) -> tuple[Any, ...]:  # noqa: N802
        """nnU-Net's augmentation with in-plane mirroring only.

        The recurrence reads the slices in both directions, so that flipping them would only double the time
        of prediction.
        """
        rotation, dummy_2d, initial_patch_size, _ = (
            super().configure_rotation_dummyDA_mirroring_and_inital_patch_size()
        )
        self.inference_allowed_mirroring_axes = IN_PLANE_AXES
        return rotation, dummy_2d, initial_patch_size, IN_PLANE_AXES

    @staticmethod
    def get_training_transforms(*args: Any, **kwargs: Any) -> BasicTransform:
        """nnU-Net's augmentation, with the blur in-plane only like everything before it."""
        return blur_in_plane(nnUNetTrainer.get_training_transforms(*args, **kwargs))

    def validation_step(self, batch: dict[str, Any]) -> dict[str, Any]:
        """Also names the images with NaN, which RAEMD-Net refuses."""
        try:
            step: dict[str, Any] = super().validation_step(batch)
        except ValueError as error:
            if cases := self._cases_not_finite():
                raise UserError(self._explain_not_finite(cases)) from error
            raise
        return step
