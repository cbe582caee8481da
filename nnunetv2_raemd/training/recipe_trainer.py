"""nnU-Net's trainer with a recipe of ours, whatever network it trains."""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any, ClassVar

import joblib
import numpy as np
import torch
from batchgeneratorsv2.transforms.utils.compose import ComposeTransforms
from nnunetv2.paths import nnUNet_raw
from nnunetv2.training.loss.deep_supervision import DeepSupervisionWrapper
from nnunetv2.training.nnUNetTrainer.nnUNetTrainer import nnUNetTrainer
from torch import nn

from nnunetv2_raemd.errors import UserError
from nnunetv2_raemd.freed_memory import keep_freed_memory
from nnunetv2_raemd.nnunet_files.patients import patients_of_cases, shared_patients
from nnunetv2_raemd.training.averaged_adamw import AveragedAdamW
from nnunetv2_raemd.training.averaged_muon import MOMENTUM
from nnunetv2_raemd.training.case_intensities import about_cases
from nnunetv2_raemd.training.cosine_schedule import CosineSchedule
from nnunetv2_raemd.training.early_stopping import EarlyStopping
from nnunetv2_raemd.training.hybrid_loss import apply_recipe
from nnunetv2_raemd.training.mixed_precision import mixed_precision
from nnunetv2_raemd.training.overlap_log import DICE, overlaps_of_epoch, with_overlaps
from nnunetv2_raemd.training.plateau_schedule import PlateauSchedule
from nnunetv2_raemd.training.preprocessed_check import about_intensities, changed_since, check_preprocessed
from nnunetv2_raemd.training.recipe import MEASURED_BEST, Recipe
from nnunetv2_raemd.training.recipe_optimizer import recipe_optimizer
from nnunetv2_raemd.training.smoothed_loss import SmoothedLoss
from nnunetv2_raemd.training.turned_sequences import is_isotropic, out_of_plane, turn_more
from nnunetv2_raemd.whole_files import whole_file

Schedule = CosineSchedule | PlateauSchedule


class TrainingStopped(Exception):  # noqa: N818 - not an error: it ends nnU-Net's epoch loop
    """Raised at the start of an epoch that early stopping does not want."""


class nnUNetTrainerRecipe(nnUNetTrainer):
    """Trains the network of the plan by `recipe`; everything not stated here is nnU-Net's.

    What RAEMD-Net and the systems that it is compared with share, so that a comparison isolates the network.
    `recipe` holds what variants change.

    Raises:
        UserError: if `convert_plan` cannot take the plan.
    """

    recipe: ClassVar[Recipe] = MEASURED_BEST

    def __init__(
        self,
        plans: dict[str, Any],
        configuration: str,
        fold: int,
        dataset_json: dict[str, Any],
        device: torch.device = torch.device("cuda"),  # noqa: B008 - nnU-Net compares the signatures
    ) -> None:
        if device.type == "cpu":
            # Denormal numbers can be slow there (`docs/performance.md`). Now, because threads flush them only
            # if they are started afterwards, which the first large operation does.
            torch.set_flush_denormal(True)
            keep_freed_memory()
            # nnU-Net takes a thread for each core of the machine; a job on a cluster may use a few of them
            torch.set_num_threads(min(torch.get_num_threads(), joblib.cpu_count()))
        super().__init__(self.convert_plan(plans, configuration), configuration, fold, dataset_json, device)
        self.num_epochs = self.recipe.num_epochs
        self.num_iterations_per_epoch = self.recipe.iterations_per_epoch
        self.num_val_iterations_per_epoch = self.recipe.validation_iterations_per_epoch
        self.initial_lr = self.recipe.initial_lr
        self.save_every = math.inf  # never by nnU-Net: `on_epoch_end` does it after every epoch
        self.iterations_of_epoch = 0
        self._complete_log()
        self._reset_validation_history()

    def configure_rotation_dummyDA_mirroring_and_inital_patch_size(self) -> tuple[Any, ...]:  # noqa: N802 - nnU-Net's
        """nnU-Net's augmentation or, where the recipe says so and voxels allow it, also out of plane.

        Returns:
            angles, whether to augment slices in 2D, what to cut out of an image, and the axes to mirror.
        """
        as_usual: tuple[Any, ...] = super().configure_rotation_dummyDA_mirroring_and_inital_patch_size()
        patch_size, spacing = self.configuration_manager.patch_size, self.configuration_manager.spacing
        if not self.recipe.turned or len(patch_size) < 3:
            return as_usual
        if not is_isotropic(spacing):
            self.print_to_log_file(f"Not turned out of plane: voxels of {spacing} mm are too long for that")
            return as_usual
        turn = out_of_plane(patch_size)
        self.print_to_log_file(f"Turned out of plane by up to {math.degrees(turn.tilt):.1f} degrees")
        return turn, False, turn.size_before(patch_size), (0, 1, 2)

    @staticmethod
    def get_training_transforms(*args: Any, **kwargs: Any) -> ComposeTransforms:
        """nnU-Net's augmentation, with more images turned where they are turned out of plane."""
        return turn_more(nnUNetTrainer.get_training_transforms(*args, **kwargs))

    @classmethod
    def convert_plan(cls, plan: dict[str, Any], configuration: str) -> dict[str, Any]:
        """The plan to train by, for the one that was given."""
        return plan

    def _complete_log(self) -> None:
        self.logger.load_checkpoint(with_overlaps(self.logger.get_checkpoint()))

    def _reset_validation_history(self) -> None:
        self.smoothed_loss = SmoothedLoss(self.recipe.smoothing)
        self.early_stopping = EarlyStopping(
            self.recipe.stop_patience, min_improvement=self.recipe.min_improvement
        )

    def configure_optimizers(self) -> tuple[torch.optim.Optimizer, Schedule]:
        """The optimizer of the recipe, with averaged weights, and its schedule."""
        optimizer = recipe_optimizer(
            self.network.parameters(), replace(self.recipe, initial_lr=self.initial_lr)
        )
        return optimizer, self._new_schedule(optimizer)

    def _new_schedule(self, optimizer: torch.optim.Optimizer) -> Schedule:
        recipe = self.recipe
        if recipe.schedule == "cosine":
            return CosineSchedule(
                optimizer, initial_lr=self.initial_lr, num_epochs=self.num_epochs, warm_up=recipe.warm_up
            )
        return PlateauSchedule(
            optimizer,
            factor=recipe.lr_factor,
            patience=recipe.schedule_patience,
            min_lr=recipe.min_lr,
            min_improvement=recipe.min_improvement,
        )

    def _build_loss(self) -> nn.Module:
        """nnU-Net's loss with the weights and focusing parameter of the recipe (equations 3.11-3.13)."""
        loss: nn.Module = super()._build_loss()
        apply_recipe(loss.loss if isinstance(loss, DeepSupervisionWrapper) else loss, self.recipe)
        return loss

    def run_training(self) -> None:
        """nnU-Net's epochs, until early stopping ends them."""
        try:
            super().run_training()
        except TrainingStopped:
            self.on_train_end()

    def on_train_start(self) -> None:
        """Also refuses data that was preprocessed by another plan, before anything is unpacked or written."""
        datasets = self.get_tr_and_val_datasets()
        for dataset in datasets:
            check_preprocessed(dataset, self.plans_manager, self.configuration_manager)
        super().on_train_start()
        for remark in self._remarks(datasets) if self.local_rank == 0 else ():
            self.print_to_log_file(f"Remark: {remark}")

    def _remarks(self, datasets: Sequence[Any]) -> Iterator[str]:
        """What there is to know of the data, of nnU-Net's datasets of training and validation."""
        yield from about_intensities(self.plans_manager, self.configuration_manager)
        yield from about_cases(datasets, self.plans_manager, self.configuration_manager)
        if nnUNet_raw.get():
            raw = Path(str(nnUNet_raw)) / self.plans_manager.dataset_name
            folder, ending = Path(self.preprocessed_dataset_folder_base), self.dataset_json["file_ending"]
            for change in changed_since(raw, folder, ending):
                yield f"{change}: preprocess again if it is to be trained on"
            training, validation = (dataset.identifiers for dataset in datasets)
            if (shared := shared_patients(training, validation, patients_of_cases(raw))) is not None:
                yield f"{shared.told()}: validation is too good for other patients, correct splits_final.json"

    def on_epoch_start(self) -> None:
        """Ends training here if early stopping decided so, also when a stopped training is continued."""
        if self.early_stopping.stopped:
            self.print_to_log_file(
                f"Early stopping: for {self.early_stopping.epochs_without_improvement} epochs the smoothed "
                f"validation loss has not improved on {self.early_stopping.best:.4f}"
            )
            raise TrainingStopped
        super().on_epoch_start()

    def on_epoch_end(self) -> None:
        """Also saves the latest checkpoint, once it is known whether this epoch was the best.

        nnU-Net saves it (every `save_every` epochs) before that, so that a training continued from it would
        take the next epoch for the best one, even if it is worse.
        """
        super().on_epoch_end()
        if self.current_epoch < self.num_epochs:
            self.current_epoch -= 1  # as nnU-Net does at the end: the checkpoint names the epoch after this
            self.save_checkpoint(str(Path(self.output_folder) / "checkpoint_latest.pth"))
            self.current_epoch += 1

    def on_train_epoch_start(self) -> None:
        """Also goes on with the weights that were trained, in the place of their average."""
        if isinstance(self.optimizer, AveragedAdamW):
            self.optimizer.use_weights()
        self.iterations_of_epoch = 0
        super().on_train_epoch_start()

    def train_step(self, batch: dict[str, Any]) -> dict[str, Any]:
        """Also lets the learning rate follow within the epoch."""
        self.lr_scheduler.step(self.epochs_done())
        self.iterations_of_epoch += 1
        with mixed_precision(self.network, self.device):
            step: dict[str, Any] = super().train_step(batch)
        return step

    def validation_step(self, batch: dict[str, Any]) -> dict[str, Any]:
        """In the precision of the training steps, as nnU-Net does on GPUs."""
        with mixed_precision(self.network, self.device):
            step: dict[str, Any] = super().validation_step(batch)
        return step

    def epochs_done(self) -> float:
        """How far the training is, with the fraction of the current epoch."""
        return self.current_epoch + self.iterations_of_epoch / self.num_iterations_per_epoch

    def on_validation_epoch_start(self) -> None:
        """Validates the averaged weights, which are also what the checkpoints of this epoch hold."""
        self._use_averages()
        super().on_validation_epoch_start()

    def _use_averages(self) -> None:
        """Prediction uses the weights that are the network's when a checkpoint is saved."""
        if isinstance(self.optimizer, AveragedAdamW):  # and not another, in a trainer made from this one
            self.optimizer.use_averages()

    def on_train_epoch_end(self, train_outputs: list[dict[str, Any]]) -> None:
        """Also stops where images or weights are not finite."""
        super().on_train_epoch_end(train_outputs)
        self._check_is_finite("train_losses")

    def on_validation_epoch_end(self, val_outputs: list[dict[str, Any]]) -> None:
        """Also logs IoU and F1, and lets the schedule and early stopping see the loss.

        Dice and loss are the same on all ranks.
        """
        super().on_validation_epoch_end(val_outputs)
        for key, value in overlaps_of_epoch(self.logger.get_value(DICE, step=-1)).items():
            self.logger.log(key, value, self.current_epoch)
        self._check_is_finite("val_losses")
        if self._observe(self.logger.get_value("val_losses", step=-1)):
            self.print_to_log_file(f"Plateau: learning rate lowered to {self.lr_scheduler.lr:.1e}")

    def _check_is_finite(self, losses: str) -> None:
        """Stop at a loss that later epochs cannot mend; a batch that overflowed in half precision is none."""
        if math.isfinite(self.logger.get_value(losses, step=-1)):
            return
        if cases := self._cases_not_finite():
            raise UserError(self._explain_not_finite(cases))
        if not all(weight.isfinite().all() for weight in self.network.parameters()):
            raise UserError("the weights are no longer finite: lower the learning rate of the recipe")
        self.print_to_log_file(f"{losses} of this epoch are not finite, but images and weights are: going on")

    def _explain_not_finite(self, cases: list[str]) -> str:
        return (
            f"the loss is not finite because of NaN or infinite voxels in {', '.join(cases)} "
            f"({self.preprocessed_dataset_folder}): correct the images in nnUNet_raw and preprocess again"
        )

    def _cases_not_finite(self) -> list[str]:
        """The cases of this fold whose preprocessed image has NaN or infinite voxels."""
        return [
            case
            for dataset in self.get_tr_and_val_datasets()
            for case in dataset.identifiers
            if not np.isfinite(dataset.load_case(case)[0][:]).all()
        ]

    def _observe(self, validation_loss: float) -> bool:
        """Take in the validation loss of an epoch; returns whether the learning rate was lowered."""
        if not math.isfinite(validation_loss):
            return False
        smoothed = self.smoothed_loss.update(float(validation_loss))
        self.early_stopping.observe(smoothed)
        return self.lr_scheduler.observe(smoothed)

    def save_checkpoint(self, filename: str) -> None:
        """nnU-Net's checkpoint, written whole or not at all: a kill must not cost the previous one."""
        if self.local_rank != 0 or self.disable_checkpointing:
            super().save_checkpoint(filename)  # writes nothing; the files are rank 0's
            return
        self._use_averages()
        with whole_file(Path(filename)) as unfinished:
            super().save_checkpoint(str(unfinished))

    def load_checkpoint(self, filename_or_checkpoint: dict[str, Any] | str) -> None:
        """nnU-Net's checkpoint, with the schedule and early stopping as they were.

        Both depend on nothing but the validation losses so far, which the checkpoint's log holds: they are
        shown these again.

        Raises:
            UserError: if the file is damaged or holds another network or optimizer.
        """
        try:
            super().load_checkpoint(filename_or_checkpoint)
            self._check_optimizer()
            self.optimizer.averages_in_network = True
            self._complete_log()
        except Exception as error:  # what reading any bytes as a checkpoint raises cannot be listed
            raise UserError(
                f"{filename_or_checkpoint}: this checkpoint is damaged or of another network or plan "
                f"({error!r}). Train again without --c, or give the checkpoint of this trainer and plan"
            ) from error
        self._replay_validation_history()

    def _check_optimizer(self) -> None:
        """Raise if the optimizer took over the settings of one of another kind, which torch lets pass."""
        for group in self.optimizer.param_groups:
            if missing := self.optimizer.defaults.keys() - group.keys():
                raise ValueError(f"its optimizer has no {', '.join(sorted(missing))}: it is another one")
            if MOMENTUM in group.keys() - self.optimizer.defaults.keys():
                raise ValueError(f"its optimizer has a {MOMENTUM}: it is another one")

    def _replay_validation_history(self) -> None:
        self._reset_validation_history()
        for group in self.optimizer.param_groups:
            group["lr"] = self.initial_lr
        self.lr_scheduler = self._new_schedule(self.optimizer)
        for loss in self.logger.get_value("val_losses", step=None):
            self._observe(loss)
