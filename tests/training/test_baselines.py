"""Every trainer trains, saves, loads and predicts; the baselines do so with the networks that they name."""

from __future__ import annotations

import sys
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch
from dynamic_network_architectures.architectures.unet import PlainConvUNet
from nnunet_workspace import SPACING_MM, Workspace, noisy_spheres
from nnunetv2.inference.predict_from_raw_data import nnUNetPredictor
from nnunetv2.training.logging.nnunet_logger import MetaLogger
from nnunetv2.training.nnUNetTrainer.nnUNetTrainer import nnUNetTrainer
from tiny_trainers import MakeTrainer

from nnunetv2_raemd.baselines import swin_unetr
from nnunetv2_raemd.errors import UserError
from nnunetv2_raemd.nnunet_trainers import raemd as exported
from nnunetv2_raemd.training.recipe import Recipe
from nnunetv2_raemd.training.recipe_trainer import nnUNetTrainerRecipe

BRIEF = Recipe(num_epochs=1, iterations_per_epoch=2, validation_iterations_per_epoch=1)
BRIEFER = replace(BRIEF, iterations_per_epoch=1)  # a step of Swin UNETR in 3D takes seconds
OTHER_NETWORKS = [
    (exported.nnUNetTrainerAttentionUNet, "AttentionUnet"),
    (exported.nnUNetTrainerUNetPlusPlus, "BasicUNetPlusPlus"),
    (exported.nnUNetTrainerSegNet, "SegNet"),
    (exported.nnUNetTrainerSwinUNETR, "SwinUNETR"),
]
TRAINERS = [
    trainer
    for trainer in (getattr(exported, name) for name in exported.__all__)
    if issubclass(trainer, nnUNetTrainerRecipe)
]


@pytest.fixture(autouse=True)
def small(monkeypatch: pytest.MonkeyPatch) -> None:
    """Two iterations, and no plot, which takes seconds."""
    monkeypatch.setattr(swin_unetr, "FEATURE_SIZE", 12)
    monkeypatch.setattr(MetaLogger, "plot_progress_png", lambda self, folder: None)


def train_briefly(
    make_trainer: MakeTrainer,
    trainer_class: type[nnUNetTrainer],
    monkeypatch: pytest.MonkeyPatch,
    configuration: str = "2d",
) -> nnUNetTrainer:
    monkeypatch.setattr(trainer_class, "recipe", BRIEF if configuration == "2d" else BRIEFER)
    trainer = make_trainer(trainer_class, configuration=configuration)
    trainer.run_training()
    return trainer


def predict(model: Path, scan: np.ndarray) -> np.ndarray:
    """Labels, by way of nnU-Net, which builds the network by the name of the trainer in the checkpoint."""
    predictor = nnUNetPredictor(device=torch.device("cpu"), allow_tqdm=False, use_mirroring=False)
    predictor.initialize_from_trained_model_folder(str(model), (0,))
    return predictor.predict_single_npy_array(scan[None], {"spacing": SPACING_MM[::-1]})


@pytest.mark.slow
@pytest.mark.parametrize("trainer_class", TRAINERS)
def test_trains_saves_loads_and_predicts(
    trainer_class: type[nnUNetTrainer], make_trainer: MakeTrainer, monkeypatch: pytest.MonkeyPatch
) -> None:
    check_training(trainer_class, make_trainer, monkeypatch, "2d")


@pytest.mark.slow
@pytest.mark.parametrize("trainer_class", [exported.nnUNetTrainerUNet, *(t for t, _ in OTHER_NETWORKS)])
def test_in_3d(
    trainer_class: type[nnUNetTrainer], make_trainer: MakeTrainer, monkeypatch: pytest.MonkeyPatch
) -> None:
    check_training(trainer_class, make_trainer, monkeypatch, "3d_fullres")


def check_training(
    trainer_class: type[nnUNetTrainer],
    make_trainer: MakeTrainer,
    monkeypatch: pytest.MonkeyPatch,
    configuration: str,
) -> None:
    trained = train_briefly(make_trainer, trainer_class, monkeypatch, configuration)
    assert np.isfinite(trained.logger.get_value("train_losses", step=-1))

    loaded = make_trainer(trainer_class, configuration=configuration)
    loaded.load_checkpoint(str(Path(trained.output_folder) / "checkpoint_final.pth"))
    assert loaded.current_epoch == 1
    for name, weight in trained.network.state_dict().items():
        assert torch.equal(loaded.network.state_dict()[name], weight), name

    scan, _ = noisy_spheres(7, (9, 40, 40))
    labels = predict(Path(trained.output_folder_base), scan)
    assert labels.shape == scan.shape
    assert set(np.unique(labels)) <= {0, 1}


@pytest.mark.slow
@pytest.mark.parametrize(
    ("dataset", "n_channels", "n_heads"), [("Dataset502_Regions", 2, 3), ("Dataset503_Images", 1, 4)]
)
def test_regions_several_classes_and_the_ignore_label(
    dataset: str,
    n_channels: int,
    n_heads: int,
    more_datasets: Workspace,
    make_trainer: MakeTrainer,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(exported.nnUNetTrainerAttentionUNet, "recipe", BRIEF)
    trainer = make_trainer(exported.nnUNetTrainerAttentionUNet, dataset)
    trainer.run_training()
    convolutions = [module for module in trainer.network.modules() if isinstance(module, torch.nn.Conv2d)]
    assert (convolutions[0].in_channels, convolutions[-1].out_channels) == (n_channels, n_heads)
    for key in ("train_losses", "val_losses"):
        assert np.isfinite(trainer.logger.get_value(key, step=-1)), key


@pytest.mark.parametrize(("trainer_class", "network"), OTHER_NETWORKS)
def test_the_network_is_the_one_it_is_named_after(
    trainer_class: type[nnUNetTrainer], network: str, make_trainer: MakeTrainer
) -> None:
    trainer = make_trainer(trainer_class)
    trainer.initialize()
    assert network in {type(module).__name__ for module in trainer.network.modules()}


@pytest.mark.parametrize(("configuration", "convolution"), [("2d", "Conv2d"), ("3d_fullres", "Conv3d")])
def test_the_u_net_is_the_plans_own(configuration: str, convolution: str, make_trainer: MakeTrainer) -> None:
    trainer = make_trainer(exported.nnUNetTrainerUNet, configuration=configuration)
    trainer.initialize()
    assert isinstance(trainer.network, PlainConvUNet)
    assert convolution in {type(module).__name__ for module in trainer.network.modules()}


@pytest.mark.parametrize("trainer_class", [exported.nnUNetTrainerUNet, *(t for t, _ in OTHER_NETWORKS)])
def test_trains_as_raemd_net_does_on_nnunets_patches(
    trainer_class: type[nnUNetTrainer], make_trainer: MakeTrainer
) -> None:
    raemd, trainer = make_trainer(), make_trainer(trainer_class)
    assert trainer.recipe == raemd.recipe
    assert trainer.configuration_manager.patch_size == [40, 40]
    trainer.initialize()
    trainer.on_train_start()
    assert isinstance(trainer.optimizer, torch.optim.Adam)
    assert trainer.inference_allowed_mirroring_axes == (0, 1)


@pytest.mark.parametrize("trainer_class", [exported.nnUNetTrainerUNet, exported.nnUNetTrainerSegNet])
def test_a_raemd_plan_is_refused(trainer_class: type[nnUNetTrainer], make_trainer: MakeTrainer) -> None:
    with pytest.raises(UserError, match="-p, such as nnUNetPlans"):
        make_trainer(trainer_class, n_slices=8)  # which makes a RAEMD plan


def test_without_monai_only_its_networks_are_missing(
    make_trainer: MakeTrainer, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setitem(sys.modules, "monai.networks.nets", None)
    monkeypatch.setitem(sys.modules, "monai", None)
    make_trainer(exported.nnUNetTrainerSegNet).initialize()
    with pytest.raises(UserError, match=r"nnunetv2-raemd\[baselines\]"):
        make_trainer(exported.nnUNetTrainerSwinUNETR).initialize()
