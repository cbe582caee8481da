"""Trainings that begin with single slices: what their batches hold, and when sequences follow."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from nnunetv2.training.nnUNetTrainer.nnUNetTrainer import nnUNetTrainer
from tiny_trainers import MakeTrainer

from nnunetv2_raemd.training.single_slices import network_of
from nnunetv2_raemd.training.trainer import nnUNetTrainerRAEMD

SLICES = 3


class HalfSingle(nnUNetTrainerRAEMD):
    """Four epochs of one step; the first two with single slices."""

    recipe = replace(
        nnUNetTrainerRAEMD.recipe,
        num_epochs=4,
        iterations_per_epoch=1,
        validation_iterations_per_epoch=1,
    )
    part_of_single_slices = 0.5

    def on_train_start(self) -> None:
        self.shapes: list[tuple[int, ...]] = []
        self.disable_checkpointing = True
        super().on_train_start()

    def train_step(self, batch: dict[str, Any]) -> dict[str, Any]:
        self.shapes.append(tuple(batch["data"].shape))
        target = batch["target"]
        finest = target[0] if isinstance(target, list) else target
        assert finest.shape[2:] == batch["data"].shape[2:]
        step: dict[str, Any] = super().train_step(batch)
        return step

    def perform_actual_validation(self, save_probabilities: bool = False) -> None:
        pass


class OneThird(HalfSingle):
    recipe = replace(HalfSingle.recipe, num_epochs=3)
    part_of_single_slices = 1 / 3


class OneEpoch(HalfSingle):
    """Too short for two parts."""

    recipe = replace(HalfSingle.recipe, num_epochs=1, iterations_per_epoch=2)


class OtherNetwork(HalfSingle):
    """A network of one's own, which may make something of sequences."""

    @staticmethod
    def build_network_architecture(
        plans_manager: Any,
        configuration_manager: Any,
        num_input_channels: int,
        num_output_channels: int,
        enable_deep_supervision: bool = True,
    ) -> torch.nn.Module:
        return torch.nn.Conv3d(num_input_channels, num_output_channels, 3, padding=1)

    def initialize(self) -> None:
        self.enable_deep_supervision = False
        super().initialize()

    def set_deep_supervision_enabled(self, enabled: bool) -> None:
        pass


class NoRecurrence(HalfSingle):
    @classmethod
    def convert_plan(cls, plan: dict[str, Any], configuration: str) -> dict[str, Any]:
        converted = super().convert_plan(plan, configuration)
        arguments = converted["configurations"][configuration]["architecture"]["arch_kwargs"]
        arguments["n_recurrent_stages"] = 0
        return converted


def log_of(trainer: nnUNetTrainer) -> str:
    return Path(trainer.log_file).read_text(encoding="utf-8")


@pytest.mark.parametrize(("trainer", "n_single", "n_sequences"), [(HalfSingle, 2, 2), (OneThird, 1, 2)])
def test_as_many_slices_a_batch_first_singly_then_in_sequences(
    make_trainer: MakeTrainer, trainer: type[HalfSingle], n_single: int, n_sequences: int
) -> None:
    trained = make_trainer(trainer, n_slices=SLICES)
    batch, patch = trained.configuration_manager.batch_size, list(trained.configuration_manager.patch_size)
    trained.run_training()
    assert isinstance(trained, HalfSingle)
    single = (batch * SLICES, 1, 1, *patch[1:])
    assert trained.shapes == [single] * n_single + [(batch, 1, SLICES, *patch[1:])] * n_sequences
    assert list(trained.configuration_manager.patch_size) == patch, "prediction goes by it"
    assert trained.batch_size == batch
    assert "sequences of 3 slices" in log_of(trained)


def test_a_continued_training_knows_what_it_was_at(make_trainer: MakeTrainer) -> None:
    trainer = make_trainer(HalfSingle, n_slices=SLICES)
    trainer.current_epoch = 3
    trainer.initialize()
    trainer.on_train_start()
    assert next(trainer.dataloader_train)["data"].shape[2] == SLICES
    assert not trainer.loads_single_slices


def test_the_recurrence_is_trained_on_sequences_only_and_all_else_throughout(
    make_trainer: MakeTrainer,
) -> None:
    class Watched(HalfSingle):
        def on_train_start(self) -> None:
            super().on_train_start()
            self.weights = [weights_of(self)]

        def on_train_epoch_end(self, train_outputs: list[dict[str, Any]]) -> None:
            self.weights.append(weights_of(self))
            super().on_train_epoch_end(train_outputs)

    trained = make_trainer(Watched, n_slices=SLICES)
    trained.run_training()
    assert isinstance(trained, Watched)
    start, _, single, _, end = trained.weights
    supervised = (name for name in single if not name.startswith("decoder.seg_layers.0."))  # not the coarsest
    for name in supervised:
        weight, recurrent = single[name], name.startswith("encoder.recurrence.")
        assert torch.equal(start[name], weight) == recurrent, name
        assert not torch.equal(weight, end[name]), name


def weights_of(trainer: nnUNetTrainer) -> dict[str, torch.Tensor]:
    return {name: weight.detach().clone() for name, weight in trainer.network.named_parameters()}


def test_a_training_continued_with_sequences_goes_on_as_if_it_had_not_been_broken_off(
    make_trainer: MakeTrainer,
) -> None:
    """Broken off after its third epoch, of four; what is not random must be as it was."""

    class Saved(HalfSingle):
        def on_train_start(self) -> None:
            super().on_train_start()
            self.disable_checkpointing = False

        def on_epoch_start(self) -> None:
            if self.current_epoch == 3 and not self.loaded:
                raise KeyboardInterrupt
            super().on_epoch_start()

        loaded = False

        def load_checkpoint(self, filename_or_checkpoint: dict[str, Any] | str) -> None:
            super().load_checkpoint(filename_or_checkpoint)
            self.loaded = True

    broken_off = make_trainer(Saved, n_slices=SLICES)
    with pytest.raises(KeyboardInterrupt):
        broken_off.run_training()
    continued = make_trainer(Saved, n_slices=SLICES, continue_training=True)
    continued.initialize()
    continued.load_checkpoint(str(Path(continued.output_folder) / "checkpoint_latest.pth"))
    continued.on_train_start()
    continued.on_train_epoch_start()
    broken_off.optimizer.use_weights()
    before = weights_of(broken_off)
    assert all(torch.equal(weight, before[name]) for name, weight in weights_of(continued).items())
    continued.train_step(next(continued.dataloader_train))
    assert continued.shapes[0][2] == SLICES
    unchanged = {name for name, weight in weights_of(continued).items() if torch.equal(weight, before[name])}
    assert unchanged <= {"decoder.seg_layers.0.weight", "decoder.seg_layers.0.bias"}  # no weight in the loss


@pytest.mark.parametrize(
    ("trainer", "n_slices"), [(NoRecurrence, SLICES), (HalfSingle, 1), (OneEpoch, SLICES)]
)
def test_all_of_the_training_sees_single_slices_where_nothing_needs_sequences(
    make_trainer: MakeTrainer, trainer: type[HalfSingle], n_slices: int
) -> None:
    """Or where there is no time for them."""
    trained = make_trainer(trainer, n_slices=n_slices)
    trained.initialize()
    started = weights_of(trained)
    trained.run_training()
    assert isinstance(trained, HalfSingle)
    assert len(trained.shapes) == trained.num_epochs * trained.num_iterations_per_epoch
    assert {shape[2] for shape in trained.shapes} == {1}
    changed = {name for name, weight in weights_of(trained).items() if not torch.equal(weight, started[name])}
    assert changed
    assert not [name for name in changed if name.startswith("encoder.recurrence.")]


def test_a_network_of_ones_own_is_trained_on_sequences_throughout(make_trainer: MakeTrainer) -> None:
    trained = make_trainer(OtherNetwork, n_slices=SLICES)
    trained.run_training()
    assert isinstance(trained, HalfSingle)
    assert {shape[2] for shape in trained.shapes} == {SLICES}
    assert all(weight.requires_grad for weight in trained.network.parameters())


def test_its_network_has_multi_scale_blocks_and_the_recurrence(make_trainer: MakeTrainer) -> None:
    trainer = make_trainer(nnUNetTrainerRAEMD)
    trainer.initialize()
    blocks = {type(module).__name__ for module in trainer.network.modules()}
    assert {"MultiScaleBlock", "BidirectionalConvLSTM"} <= blocks
    assert not {"DenseBlock", "ResidualAttention"} & blocks
    assert trainer._wants_single_slices()


def test_single_slices_come_from_anywhere_in_the_scan(make_trainer: MakeTrainer) -> None:
    """Two sequences show two places of the scans; as many single slices show more."""
    trainer = make_trainer(HalfSingle, n_slices=SLICES)
    trainer.initialize()
    np.random.seed(0)
    loader, _ = trainer.get_dataloaders()
    means = {round(float(image.mean()), 5) for image in next(loader)["data"]}
    assert len(means) > trainer.configuration_manager.batch_size


def test_the_plan_is_as_before_when_loaders_cannot_be_made(
    make_trainer: MakeTrainer, monkeypatch: pytest.MonkeyPatch
) -> None:
    def fail(self: nnUNetTrainer) -> None:
        raise OSError("no space left")

    trainer = make_trainer(HalfSingle, n_slices=SLICES)
    trainer.initialize()
    before = list(trainer.configuration_manager.patch_size), trainer.batch_size
    monkeypatch.setattr(nnUNetTrainer, "get_dataloaders", fail)
    with pytest.raises(OSError, match="no space"):
        trainer.get_dataloaders()
    assert (list(trainer.configuration_manager.patch_size), trainer.batch_size) == before


def test_a_compiled_network_goes_over_to_sequences(make_trainer: MakeTrainer) -> None:
    """Compiled for single slices, it is compiled again for sequences and for what gets a gradient there."""
    trainer = make_trainer(HalfSingle, n_slices=SLICES)
    trainer.initialize()
    trainer.set_deep_supervision_enabled(False)
    plain: torch.nn.Module = trainer.network
    trainer.network = torch.compile(plain, backend="eager")
    assert network_of(trainer) == plain
    weights = [name for name, _ in plain.named_parameters() if not name.startswith("decoder.seg_layers.")]
    n_in_plane = trainer.configuration_manager.patch_size[1:]
    for epoch, n_slices in ((0, 1), (1, 1), (2, SLICES), (3, SLICES)):
        trainer.current_epoch = epoch
        trainer._train_what_is_due()
        trainer.network(torch.randn(2, 1, n_slices, *n_in_plane)).square().mean().backward()
        gets = {name for name in weights if plain.get_parameter(name).grad is not None}
        assert gets == {name for name in weights if epoch >= 2 or not name.startswith("encoder.recurrence.")}
        plain.zero_grad()
