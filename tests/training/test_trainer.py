"""nnUNetTrainerRAEMD as an object: schedule, checkpoints, early stopping and bad input, without a command."""

from __future__ import annotations

import inspect
import itertools
import shutil
import subprocess
import sys
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import joblib
import numpy as np
import pytest
import torch
from nnunet_workspace import Workspace
from nnunetv2.run.run_training import maybe_load_checkpoint
from nnunetv2.training.dataloading.nnunet_dataset import nnUNetDatasetBlosc2
from nnunetv2.training.nnUNetTrainer.nnUNetTrainer import nnUNetTrainer
from nnunetv2.utilities.find_objects import recursive_find_trainer_class_by_name
from tiny_trainers import MakeTrainer, nnunet_folder

from nnunetv2_raemd.errors import UserError
from nnunetv2_raemd.nnunet_trainers import raemd as exported
from nnunetv2_raemd.training.averaged_adamw import AveragedAdamW
from nnunetv2_raemd.training.averaged_muon import AveragedMuon
from nnunetv2_raemd.training.recipe import MEASURED_BEST, Recipe
from nnunetv2_raemd.training.trainer import nnUNetTrainerRAEMD

EXPORTED = [getattr(exported, name) for name in exported.__all__]


def checkpoints(trainer: nnUNetTrainer) -> set[str]:
    return {file.name for file in Path(trainer.output_folder).glob("*.pth*")}


def log_of(trainer: nnUNetTrainer) -> str:
    return Path(trainer.log_file).read_text(encoding="utf-8")


# --- what nnU-Net expects of a trainer ---------------------------------------------------------------------


@pytest.mark.parametrize("trainer", EXPORTED)
def test_nnunet_finds_it_by_its_name(
    trainer: type[nnUNetTrainer], workspace: Workspace, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("nnUNet_extTrainer", workspace.variables()["nnUNet_extTrainer"])
    assert recursive_find_trainer_class_by_name(trainer.__name__) is trainer


@pytest.mark.parametrize("trainer", EXPORTED)
def test_its_arguments_are_named_as_nnunets(trainer: type[nnUNetTrainer]) -> None:
    theirs = inspect.signature(nnUNetTrainer.__init__).parameters
    assert list(inspect.signature(trainer.__init__).parameters) == list(theirs)


def test_the_recipe_reaches_the_trainer(make_trainer: MakeTrainer) -> None:
    class Other(nnUNetTrainerRAEMD):
        recipe = Recipe(
            num_epochs=7,
            iterations_per_epoch=11,
            validation_iterations_per_epoch=3,
            initial_lr=0.02,
            weight_ce=0.25,
            weight_dice=4.0,
            focusing=1.5,
            lr_factor=0.5,
            min_lr=0.003,
            smoothing=0.0,
            schedule_patience=0,
            stop_patience=2,
        )

    trainer = make_trainer(Other)
    trainer.initialize()
    assert (trainer.num_epochs, trainer.num_iterations_per_epoch, trainer.num_val_iterations_per_epoch) == (
        7,
        11,
        3,
    )
    assert type(trainer.optimizer) is AveragedAdamW
    assert trainer.optimizer.param_groups[0]["lr"] == 0.02
    loss = trainer.loss.loss
    assert (loss.weight_ce, loss.weight_dice, loss.ce.focusing) == (0.25, 4.0, 1.5)
    rates = []
    for epoch in range(6):
        feed(trainer, epoch, loss=1.0)
        rates.append(trainer.optimizer.param_groups[0]["lr"])
    assert rates == pytest.approx([0.02, 0.01, 0.005, 0.003, 0.003, 0.003])  # patience 0, factor 0.5, floor
    assert trainer.early_stopping.stopped


def test_the_default_trains_its_kernels_with_muon(make_trainer: MakeTrainer) -> None:
    trainer = make_trainer()
    trainer.initialize()
    assert type(trainer.optimizer) is AveragedMuon


def feed(trainer: nnUNetTrainer, epoch: int, *, loss: float) -> None:
    """The end of a validation epoch with this loss."""
    trainer.current_epoch = epoch
    one = np.ones(1, np.float32)
    trainer.on_validation_epoch_end(
        [{"loss": np.float32(loss), "tp_hard": one, "fp_hard": one, "fn_hard": one}]
    )


def test_mirrors_in_plane_only(make_trainer: MakeTrainer) -> None:
    trainer = make_trainer()
    trainer.initialize()
    trainer.on_train_start()
    assert trainer.inference_allowed_mirroring_axes == (1, 2)
    (mirror,) = [
        transform
        for transform in trainer.dataloader_train.data_loader.transforms.transforms
        if type(transform).__name__ == "MirrorTransform"
    ]
    assert tuple(mirror.allowed_axes) == (1, 2)
    trainer.save_checkpoint(str(Path(trainer.output_folder) / "saved.pth"))
    saved = torch.load(Path(trainer.output_folder) / "saved.pth", weights_only=False)
    assert saved["inference_allowed_mirroring_axes"] == (1, 2)


@pytest.mark.parametrize(("usable", "wanted"), [(1, 1), (2, 2), (64, 3)])
def test_takes_no_more_threads_than_cores_that_it_may_use(
    make_trainer: MakeTrainer, monkeypatch: pytest.MonkeyPatch, usable: int, wanted: int
) -> None:
    """nnU-Net counts those of the machine; threads that share a core wait for one another."""
    torch.set_num_threads(3)
    monkeypatch.setattr(joblib, "cpu_count", lambda: usable)
    make_trainer()
    assert torch.get_num_threads() == wanted


FLUSHES = """
import json, sys, torch
from nnunetv2_raemd.training.trainer import nnUNetTrainerRAEMD
torch.set_num_threads(4)
plan, dataset = (json.load(open(file)) for file in sys.argv[1:])
trainer = nnUNetTrainerRAEMD(plan | {"continue_training": False}, "2d", 0, dataset, torch.device("cpu"))
trainer.initialize()
normal = torch.full((10_000_000,), torch.finfo(torch.float32).tiny)
denormal = normal / 2
print((denormal * 2**30).count_nonzero().item())
"""


def test_flushes_denormal_numbers_in_all_threads(make_trainer: MakeTrainer) -> None:
    """In a process of its own: torch's threads of this one are started already, and keep their mode."""
    folder = nnunet_folder() / "Dataset501_Spheres"
    files = (folder / "nnUNetPlans.json", folder / "dataset.json")
    finished = subprocess.run(
        [sys.executable, "-c", FLUSHES, *files],
        stdout=subprocess.PIPE,
        encoding="utf-8",
        check=True,
        timeout=300,
    )
    assert finished.stdout.splitlines()[-1] == "0"


# --- datasets ----------------------------------------------------------------------------------------------


class OneEpoch(nnUNetTrainerRAEMD):
    recipe = Recipe(num_epochs=1, iterations_per_epoch=2, validation_iterations_per_epoch=1)


@pytest.mark.slow
@pytest.mark.parametrize(
    ("dataset", "n_channels", "n_heads", "patch"),
    [
        ("Dataset501_Spheres", 1, 2, [8, 40, 40]),
        ("Dataset502_Regions", 2, 3, [8, 40, 40]),  # a sigmoid per region
        ("Dataset503_Images", 1, 4, [1, 48, 48]),  # PNG: one slice
    ],
)
def test_trains_on(
    dataset: str,
    n_channels: int,
    n_heads: int,
    patch: list[int],
    more_datasets: Workspace,
    make_trainer: MakeTrainer,
) -> None:
    trainer = make_trainer(OneEpoch, dataset)
    trainer.initialize()
    before = [weight.clone() for weight in trainer.network.parameters()]
    trainer.run_training()
    assert trainer.configuration_manager.patch_size == patch
    assert next(weight for weight in before if weight.ndim == 4).shape[1] == n_channels
    assert trainer.network.decoder.seg_layers[-1].out_channels == n_heads
    for key in ("train_losses", "val_losses"):
        assert np.isfinite(trainer.logger.get_value(key, step=-1)), key
    after = list(trainer.network.parameters())
    assert all(weight.isfinite().all() for weight in after)
    assert any(not torch.equal(*pair) for pair in zip(before, after, strict=True))


def test_trains_on_volumes_with_fewer_slices_than_a_sequence(make_trainer: MakeTrainer) -> None:
    trainer = make_trainer(OneEpoch, n_slices=20)
    trainer.run_training()
    assert trainer.configuration_manager.patch_size == [20, 40, 40]
    assert next(trainer.dataloader_train)["data"].shape == (2, 1, 20, 40, 40)
    assert np.isfinite(trainer.logger.get_value("train_losses", step=-1))


# --- interrupted trainings ---------------------------------------------------------------------------------


class Interrupted(BaseException):
    """Stands for a kill: nothing catches it."""


LOSSES = (1.0, 0.5, 0.9, 0.9, 0.9, 0.2) + 5 * (0.5,) + 6 * (0.52,)
# Overlaps that the Dice comes from. It jumps at epoch 7; the epoch after that is worse, but better than all
# before, so that whoever forgets epoch 7 takes it for the best.
OVERLAPS = (1, 2, 3, 9, 2, 1, 4, 30, 2) + 8 * (1,)
BEST_EPOCH = 7


class Scripted(nnUNetTrainerRAEMD):
    """Takes its validation losses and Dice from a table; is interrupted at `interrupt_at` (epoch, where)."""

    recipe = Recipe(
        num_epochs=17,
        iterations_per_epoch=1,
        validation_iterations_per_epoch=1,
        smoothing=0.5,
        schedule_patience=1,
        stop_patience=4,
    )
    losses = LOSSES
    interrupt_at: tuple[int, str] | None = None
    trained_epochs: list[int]

    def on_train_start(self) -> None:
        super().on_train_start()
        self.trained_epochs = []
        self.logger.plot_progress_png = lambda output_folder: None  # takes seconds

    def get_dataloaders(self) -> tuple[Any, Any]:
        return itertools.repeat(None), itertools.repeat(None)

    def train_step(self, batch: dict[str, Any]) -> dict[str, Any]:
        self.trained_epochs.append(self.current_epoch)
        self._interrupt("train_step")
        return {"loss": np.float32(1)}

    def validation_step(self, batch: dict[str, Any]) -> dict[str, Any]:
        tp, rest = np.array([OVERLAPS[self.current_epoch]], np.float32), np.array([10], np.float32)
        return {
            "loss": np.float32(self.losses[self.current_epoch]),
            "tp_hard": tp,
            "fp_hard": rest,
            "fn_hard": rest,
        }

    def save_checkpoint(self, filename: str) -> None:
        self._interrupt(f"before {Path(filename).name}")
        super().save_checkpoint(filename)
        self._interrupt(f"after {Path(filename).name}")

    def _interrupt(self, where: str) -> None:
        if self.interrupt_at == (self.current_epoch, where):
            raise Interrupted


def decisions(trainer: nnUNetTrainer) -> dict[str, Any]:
    """Everything that the schedule, early stopping and the best metric came to."""
    return {
        "learning rate of each epoch": trainer.logger.get_value("lrs", step=None),
        "learning rate after them": trainer.optimizer.param_groups[0]["lr"],
        "epochs": trainer.current_epoch,
        "smoothed loss": trainer.smoothed_loss.value,
        "best smoothed loss": trainer.early_stopping.best,
        "epochs without improvement": trainer.early_stopping.epochs_without_improvement,
        "plateau": trainer.lr_scheduler.epochs_without_improvement,
        "best Dice": trainer._best_ema,
        "best checkpoint": saved_epoch(trainer, "checkpoint_best.pth"),
        "final checkpoint": saved_epoch(trainer, "checkpoint_final.pth"),
    }


def saved_epoch(trainer: nnUNetTrainer, name: str) -> int:
    return torch.load(Path(trainer.output_folder) / name, weights_only=False)["current_epoch"]


def train(make_trainer: MakeTrainer, trainer_class: type[nnUNetTrainer]) -> nnUNetTrainer:
    trainer = make_trainer(trainer_class)
    trainer.run_training()
    return trainer


def test_an_interrupted_training_decides_as_an_unbroken_one(make_trainer: MakeTrainer) -> None:
    unbroken_trainer = train(make_trainer, Scripted)
    unbroken = decisions(unbroken_trainer)
    rates = 4 * [1e-3] + 9 * [1e-4] + 2 * [1e-5] + [1e-6]  # by hand, from the losses smoothed by a half
    assert unbroken["learning rate of each epoch"] == pytest.approx(rates)
    assert unbroken_trainer.early_stopping.stopped
    assert unbroken["best checkpoint"] == BEST_EPOCH + 1  # the epoch to go on with

    for epoch in range(unbroken["epochs"]):
        assert decisions(resumed(make_trainer, (epoch, "train_step"))) == unbroken, epoch
    for name in ("checkpoint_latest.pth", "checkpoint_best.pth"):
        for moment in ("before", "after"):
            place = (BEST_EPOCH, f"{moment} {name}")
            assert decisions(resumed(make_trainer, place)) == unbroken, place


def resumed(make_trainer: MakeTrainer, place: tuple[int, str]) -> nnUNetTrainer:
    """A training that is interrupted at that place and continued as by --c, in a new trainer."""
    interrupted = make_trainer(Scripted)
    shutil.rmtree(interrupted.output_folder)
    Path(interrupted.output_folder).mkdir()
    interrupted.interrupt_at = place
    with pytest.raises(Interrupted):
        interrupted.run_training()
    continued = make_trainer(Scripted, continue_training=True)
    maybe_load_checkpoint(continued, continue_training=True, validation_only=False)
    assert continued.current_epoch <= place[0] + 1
    continued.run_training()
    return continued


# --- early stopping ----------------------------------------------------------------------------------------


class Stopping(Scripted):
    """By hand: best at epoch 1, none better in epochs 2 to 5, which is more than 3."""

    recipe = replace(Scripted.recipe, smoothing=0.0, schedule_patience=1, stop_patience=3)
    losses = (1.0,) + 16 * (0.5,)


def test_early_stopping_ends_the_training(make_trainer: MakeTrainer) -> None:
    trainer = train(make_trainer, Stopping)
    assert trainer.trained_epochs == [0, 1, 2, 3, 4, 5]
    assert trainer.logger.get_value("lrs", step=None) == pytest.approx(4 * [1e-3] + 2 * [1e-4])
    assert checkpoints(trainer) == {"checkpoint_best.pth", "checkpoint_final.pth"}
    log = log_of(trainer)
    assert "Early stopping: for 4 epochs" in log
    assert "0.5000" in log
    assert log.index("Plateau: learning rate lowered to 1.0e-04") < log.index("Early stopping")
    assert "Training done." in log


def test_a_stopped_training_is_not_trained_further(make_trainer: MakeTrainer) -> None:
    stopped = train(make_trainer, Stopping)
    continued = make_trainer(Stopping, continue_training=True)
    maybe_load_checkpoint(continued, continue_training=True, validation_only=False)
    continued.run_training()
    assert continued.trained_epochs == []
    assert "Early stopping" in log_of(continued)
    assert decisions(continued) == decisions(stopped)


# --- checkpoints -------------------------------------------------------------------------------------------


def test_a_failure_while_saving_leaves_the_old_checkpoint(
    make_trainer: MakeTrainer, monkeypatch: pytest.MonkeyPatch
) -> None:
    trainer = make_trainer()
    trainer.initialize()
    file = Path(trainer.output_folder) / "checkpoint_latest.pth"
    trainer.save_checkpoint(str(file))
    whole = file.read_bytes()
    trainer.current_epoch = 5
    with monkeypatch.context() as patch:
        patch.setattr(torch, "save", full_disk)
        with pytest.raises(UserError, match=r"checkpoint_latest\.pth cannot be written: No space left"):
            trainer.save_checkpoint(str(file))
    assert file.read_bytes() == whole
    trainer.save_checkpoint(str(file))
    assert torch.load(file, weights_only=False)["current_epoch"] == 6
    assert checkpoints(trainer) == {"checkpoint_latest.pth"}


def full_disk(_content: Any, filename: str) -> None:
    Path(filename).write_bytes(b"half of a checkp")
    raise OSError("No space left on device")


def test_checkpointing_can_be_disabled(make_trainer: MakeTrainer) -> None:
    trainer = make_trainer(Stopping)
    trainer.disable_checkpointing = True
    trainer.run_training()
    assert trainer.trained_epochs == [0, 1, 2, 3, 4, 5]
    assert checkpoints(trainer) == set()


def whole_checkpoint(make_trainer: MakeTrainer, trainer_class: type[nnUNetTrainer], file: Path) -> None:
    trainer = make_trainer(trainer_class)
    trainer.initialize()
    trainer.save_checkpoint(str(file))


@pytest.mark.parametrize("kept", [0.0, 0.1, 0.5, 0.999])
def test_a_truncated_checkpoint(make_trainer: MakeTrainer, tmp_path: Path, kept: float) -> None:
    file = tmp_path / "checkpoint_latest.pth"
    whole_checkpoint(make_trainer, nnUNetTrainerRAEMD, file)
    file.write_bytes(file.read_bytes()[: int(kept * file.stat().st_size)])
    with pytest.raises(UserError, match=r"checkpoint_latest\.pth.*--c"):
        make_trainer().load_checkpoint(str(file))


def test_nnunets_checkpoint(make_trainer: MakeTrainer, tmp_path: Path) -> None:
    file = tmp_path / "checkpoint_final.pth"
    whole_checkpoint(make_trainer, nnUNetTrainer, file)
    with pytest.raises(UserError, match=r"checkpoint_final\.pth"):
        make_trainer().load_checkpoint(str(file))


@pytest.mark.parametrize(
    "content",
    [b"not a checkpoint at all", {"weights": torch.zeros(2)}, [1, 2], {"network_weights": {}}],
    ids=["text", "another dict", "a list", "no weights"],
)
def test_a_file_of_something_else(make_trainer: MakeTrainer, tmp_path: Path, content: Any) -> None:
    file = tmp_path / "checkpoint_best.pth"
    if isinstance(content, bytes):
        file.write_bytes(content)
    else:
        torch.save(content, file)
    with pytest.raises(UserError, match=r"checkpoint_best\.pth"):
        make_trainer().load_checkpoint(str(file))


class WithSGD(nnUNetTrainerRAEMD):
    """As nnU-Net's own trainer with a RAEMD plan: the same network, another optimizer."""

    def configure_optimizers(self) -> tuple[Any, Any]:
        return nnUNetTrainer.configure_optimizers(self)


class WithAdam(nnUNetTrainerRAEMD):
    """As the default trainer was, before it used Muon."""

    recipe = replace(MEASURED_BEST, optimizer="adam")


@pytest.mark.parametrize(
    ("made_by", "continued_by"),
    [(WithSGD, nnUNetTrainerRAEMD), (WithAdam, nnUNetTrainerRAEMD), (nnUNetTrainerRAEMD, WithAdam)],
    ids=["SGD", "Adam", "Muon"],
)
def test_a_checkpoint_of_the_same_network_with_another_optimizer(
    make_trainer: MakeTrainer,
    tmp_path: Path,
    made_by: type[nnUNetTrainerRAEMD],
    continued_by: type[nnUNetTrainerRAEMD],
) -> None:
    file = tmp_path / "checkpoint_final.pth"
    whole_checkpoint(make_trainer, made_by, file)
    with pytest.raises(UserError, match=r"checkpoint_final\.pth.*optimizer"):
        make_trainer(continued_by).load_checkpoint(str(file))


# --- images that are not numbers ---------------------------------------------------------------------------


@pytest.fixture
def nan_case(
    workspace: Workspace, make_trainer: MakeTrainer, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> Callable[[str], None]:
    """A copy of the preprocessed dataset; returns a function that puts NaN into one case of it."""
    copied = tmp_path / "preprocessed"
    shutil.copytree(workspace.preprocessed, copied)
    monkeypatch.setenv("nnUNet_preprocessed", str(copied))
    folder = copied / "Dataset501_Spheres" / "nnUNetPlans_2d"

    def spoil(case: str) -> None:
        data, labels, _, properties = nnUNetDatasetBlosc2(str(folder), [case]).load_case(case)
        data, labels = data[:], labels[:]
        data[0, :, 20, 20] = np.nan  # in every slice: a sequence holds a few of them
        for file in folder.glob(f"{case}*"):
            file.unlink()
        nnUNetDatasetBlosc2.save_case(data, labels, properties, str(folder / case))

    return spoil


class FewSteps(nnUNetTrainerRAEMD):
    recipe = Recipe(num_epochs=1, iterations_per_epoch=3, validation_iterations_per_epoch=3)


def test_nan_in_a_training_image(make_trainer: MakeTrainer, nan_case: Callable[[str], None]) -> None:
    """A loss that is not a number is turned into the name of the case, and of no other."""
    cases, _ = make_trainer().do_split()
    nan_case(cases[1])
    trainer = make_trainer()
    trainer.initialize()
    trainer.on_train_start()
    with pytest.raises(UserError, match=cases[1]) as raised:
        trainer.on_train_epoch_end([{"loss": np.float32(1)}, {"loss": np.float32("nan")}])
    assert not [case for case in cases if case != cases[1] and case in str(raised.value)]


def test_nan_in_all_of_a_training(make_trainer: MakeTrainer, nan_case: Callable[[str], None]) -> None:
    """The whole way, from the images to the message."""
    cases, _ = make_trainer().do_split()
    for case in cases:
        nan_case(case)
    with pytest.raises(UserError, match=", ".join(cases)):
        train(make_trainer, FewSteps)


def test_nan_in_a_validation_image(make_trainer: MakeTrainer, nan_case: Callable[[str], None]) -> None:
    _, cases = make_trainer().do_split()
    for case in cases:
        nan_case(case)
    with pytest.raises(UserError, match=", ".join(cases)):
        train(make_trainer, FewSteps)


def test_a_batch_that_overflowed_does_not_end_the_training(make_trainer: MakeTrainer) -> None:
    """As in half precision, where the gradient scaler then leaves the weights as they are."""
    trainer = make_trainer()
    trainer.initialize()
    trainer.on_train_epoch_end([{"loss": np.float32("inf")}])
    assert "going on" in log_of(trainer)
    trainer._observe(1.0)
    assert trainer._observe(float("nan")) is False
    assert trainer.smoothed_loss.value == 1.0


def test_weights_that_are_not_numbers_end_it(make_trainer: MakeTrainer) -> None:
    trainer = make_trainer()
    trainer.initialize()
    with torch.no_grad():
        next(trainer.network.parameters()).fill_(torch.nan)
    with pytest.raises(UserError, match="learning rate"):
        trainer.on_train_epoch_end([{"loss": np.float32("nan")}])


# --- averaged weights --------------------------------------------------------------------------------------


class Averaging(nnUNetTrainerRAEMD):
    recipe = replace(
        nnUNetTrainerRAEMD.recipe,
        num_epochs=2,
        iterations_per_epoch=6,
        validation_iterations_per_epoch=1,
        average_decay=0.9,
    )


def test_checkpoints_hold_averaged_weights_and_training_goes_on_with_its_own(
    make_trainer: MakeTrainer, tmp_path: Path
) -> None:
    """What a checkpoint names as the network's is the average; the weights lie in the optimizer's state."""
    trainer = make_trainer(Averaging)
    trainer.initialize()
    trainer.on_train_start()
    trainer.on_train_epoch_start()
    for _ in range(6):
        trainer.train_step(next(trainer.dataloader_train))
    weight = next(trainer.network.parameters())
    trained, average = weight.detach().clone(), trainer.optimizer.state[weight]["average"].clone()
    assert not torch.allclose(trained, average)
    file = tmp_path / "saved.pth"
    trainer.save_checkpoint(str(file))
    saved = torch.load(file, weights_only=False)
    name = next(name for name, _ in trainer.network.named_parameters())
    torch.testing.assert_close(saved["network_weights"][name], average)

    continued = make_trainer(Averaging)
    continued.load_checkpoint(str(file))
    continued.on_train_start()
    torch.testing.assert_close(next(continued.network.parameters()).detach(), average)
    continued.on_train_epoch_start()
    torch.testing.assert_close(next(continued.network.parameters()).detach(), trained)


def test_the_learning_rate_falls_within_epochs(make_trainer: MakeTrainer) -> None:
    trainer = make_trainer(Averaging)
    trainer.initialize()
    trainer.on_train_start()
    trainer.on_train_epoch_start()
    rates = []
    for _ in range(6):
        trainer.train_step(next(trainer.dataloader_train))
        rates.append(trainer.optimizer.param_groups[0]["lr"])
    expected = [2e-3 * min(1, i / 12 / 0.03) * (1 + np.cos(np.pi * i / 12)) / 2 for i in range(6)]
    assert rates == pytest.approx(expected)
