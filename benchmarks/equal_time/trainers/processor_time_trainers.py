"""Trainers that end when their processor time is spent, for nnU-Net to find by name.

A name is SYSTEM_SECONDSs_seedSEED, as in `nnUNetTrainerRAEMD_300s_seed0`. nnU-Net imports this module when it
looks for a trainer in `nnUNet_extTrainer`, and `__getattr__` makes the class that it asks for.
"""

from __future__ import annotations

import json
import re
import time
from pathlib import Path
from typing import Any

import numpy as np
import torch
from masked_trainer import nnUNetTrainerRAEMDMasked, nnUNetTrainerRAEMDPretrained
from nnunetv2.training.nnUNetTrainer.nnUNetTrainer import nnUNetTrainer
from sequence_norm_trainer import nnUNetTrainerRAEMDSequenceNorm

from nnunetv2_raemd.nnunet_trainers import raemd

NAME = re.compile(r"(?P<system>\w+?)_(?P<seconds>\d+)s_seed(?P<seed>\d+)")
ITERATIONS_PER_EPOCH = 10
NOMINAL_EPOCHS = 1000
SPENT = "processor_seconds.json"


class BudgetSpent(Exception):  # noqa: N818 - not an error: it ends nnU-Net's epoch loop
    """Raised at the start of an epoch for which no time is left."""


class ProcessorTimeBudget(nnUNetTrainer):
    """Before a trainer's class: ends it after `seconds` of processor time, one thread, from `seed`.

    The time counts that loading, augmentation and training steps take; validation and writing do not count.
    The learning rate follows the time, as if the budget had `NOMINAL_EPOCHS` epochs. Images are predicted
    without mirroring, in all systems alike.
    """

    seconds: float
    seed: int

    def __init__(
        self,
        plans: dict[str, Any],
        configuration: str,
        fold: int,
        dataset_json: dict[str, Any],
        device: torch.device = torch.device("cuda"),  # noqa: B008 - nnU-Net compares the signatures
    ) -> None:
        super().__init__(plans, configuration, fold, dataset_json, device)
        self.num_epochs = NOMINAL_EPOCHS
        self.num_iterations_per_epoch = ITERATIONS_PER_EPOCH
        self.num_val_iterations_per_epoch = 1
        self.save_every = 1  # the time that it takes does not count
        self.spent = 0.0
        self.running_since: float | None = None

    def initialize(self) -> None:
        """From the seed, in one thread."""
        torch.set_num_threads(1)
        torch.manual_seed(self.seed)
        np.random.seed(self.seed)
        super().initialize()

    def configure_rotation_dummyDA_mirroring_and_inital_patch_size(self) -> Any:  # noqa: N802
        """The trainer's augmentation; prediction does not mirror."""
        result = super().configure_rotation_dummyDA_mirroring_and_inital_patch_size()
        self.inference_allowed_mirroring_axes = None
        return result

    def on_train_start(self) -> None:
        """Without the picture of its progress, which takes longer than an epoch."""
        super().on_train_start()
        self.logger.plot_progress_png = lambda folder: None

    def load_checkpoint(self, filename_or_checkpoint: dict[str, Any] | str) -> None:
        """Also goes on with the time that the interrupted training had spent."""
        super().load_checkpoint(filename_or_checkpoint)
        record = json.loads(Path(self.output_folder, SPENT).read_text(encoding="utf-8"))
        self.spent = float(record["spent"])

    def epochs_done(self) -> float:
        """The part of the budget that is spent, in nominal epochs."""
        now = 0.0 if self.running_since is None else time.process_time() - self.running_since
        return min(1.0, (self.spent + now) / self.seconds) * NOMINAL_EPOCHS

    def run_training(self) -> None:
        """nnU-Net's epochs, until the time is spent."""
        try:
            super().run_training()
        except BudgetSpent:
            self.on_train_end()

    def on_epoch_start(self) -> None:
        """Ends the training here if its time is spent."""
        if self.spent >= self.seconds:
            raise BudgetSpent
        super().on_epoch_start()

    def on_train_epoch_start(self) -> None:
        """The learning rate by the time spent; the clock runs from here."""
        super().on_train_epoch_start()
        self.lr_scheduler.step(self.epochs_done())
        self.running_since = time.process_time()

    def on_train_epoch_end(self, train_outputs: list[dict[str, Any]]) -> None:
        """Stops the clock."""
        self.spent += time.process_time() - (self.running_since or 0.0)
        self.running_since = None
        iterations = (self.current_epoch + 1) * ITERATIONS_PER_EPOCH
        record = {"spent": self.spent, "iterations": iterations, "seconds": self.seconds, "seed": self.seed}
        Path(self.output_folder, SPENT).write_text(json.dumps(record), encoding="utf-8")
        super().on_train_epoch_end(train_outputs)


def with_budget(name: str) -> type[nnUNetTrainer]:
    """The trainer of that name.

    Raises:
        AttributeError: if the name is none of a trainer with a budget.
    """
    parts = NAME.fullmatch(name)
    if parts is None:
        raise AttributeError(name)
    system = parts["system"]
    own = (
        nnUNetTrainer,
        nnUNetTrainerRAEMDSequenceNorm,
        nnUNetTrainerRAEMDMasked,
        nnUNetTrainerRAEMDPretrained,
    )
    base = {trainer.__name__: trainer for trainer in own}.get(system) or getattr(raemd, system)
    settings = {"seconds": float(parts["seconds"]), "seed": int(parts["seed"]), "__module__": __name__}
    return type(name, (ProcessorTimeBudget, base), settings)


def __getattr__(name: str) -> type[nnUNetTrainer]:
    return with_budget(name)
