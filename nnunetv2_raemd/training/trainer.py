"""nnU-Net's trainer with RAEMD-Net, on sequences of slices."""

from __future__ import annotations

from typing import Any, ClassVar

from batchgeneratorsv2.transforms.utils.compose import ComposeTransforms

from nnunetv2_raemd.errors import UserError
from nnunetv2_raemd.plans import load_preset, raemd_plan
from nnunetv2_raemd.plans.preset import DEFAULT_PRESET
from nnunetv2_raemd.training.in_plane_blur import blur_in_plane
from nnunetv2_raemd.training.recipe_trainer import nnUNetTrainerRecipe
from nnunetv2_raemd.training.turned_sequences import OutOfPlane

IN_PLANE_AXES = (1, 2)


class nnUNetTrainerRAEMD(nnUNetTrainerRecipe):
    """Trains RAEMD-Net on sequences of slices, as it measured best; the rest is the recipe's or nnU-Net's.

    The plan it is given is converted to a RAEMD plan (unless it is one), saved by nnU-Net with the model,
    and so used by prediction as well.
    """

    preset: ClassVar[str] = DEFAULT_PRESET
    """by which plans that are none of RAEMD-Net are converted; the others keep the network that they name"""

    @classmethod
    def convert_plan(cls, plan: dict[str, Any], configuration: str) -> dict[str, Any]:
        """The RAEMD plan for the one that was given; raises `UserError` where there can be none."""
        return raemd_plan(plan, preset=load_preset(cls.preset), configurations=[configuration])

    def configure_rotation_dummyDA_mirroring_and_inital_patch_size(self) -> tuple[Any, ...]:  # noqa: N802 - nnU-Net's
        """The recipe's augmentation, mirroring in-plane only unless sequences are turned out of plane.

        The recurrence reads the slices in both directions, so that flipping them would only double the time
        of prediction.
        """
        rotation, dummy_2d, initial_patch_size, axes = (
            super().configure_rotation_dummyDA_mirroring_and_inital_patch_size()
        )
        self.inference_allowed_mirroring_axes = IN_PLANE_AXES
        if not isinstance(rotation, OutOfPlane):
            axes = IN_PLANE_AXES
        return rotation, dummy_2d, initial_patch_size, axes

    @staticmethod
    def get_training_transforms(*args: Any, **kwargs: Any) -> ComposeTransforms:
        """The recipe's augmentation, with the blur in-plane only like everything before it."""
        return blur_in_plane(nnUNetTrainerRecipe.get_training_transforms(*args, **kwargs))

    def validation_step(self, batch: dict[str, Any]) -> dict[str, Any]:
        """Also names the images with NaN, which RAEMD-Net refuses."""
        try:
            step: dict[str, Any] = super().validation_step(batch)
        except ValueError as error:
            if cases := self._cases_not_finite():
                raise UserError(self._explain_not_finite(cases)) from error
            raise
        return step
