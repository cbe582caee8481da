"""Models as nnU-Net's training leaves them, made in seconds, with cases of their dataset."""

from __future__ import annotations

import copy
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from typing import Any

import numpy as np
import torch
from nnunet_workspace import noisy_spheres
from nnunetv2.utilities.get_network_from_plans import get_network_from_plans
from nnunetv2.utilities.plans_handling.plans_handler import ConfigurationManager, PlansManager
from small_plans import MEAN_HU, STD_HU, dataset_json
from torch import Tensor, nn

from nnunetv2_raemd.deployment.preprocessed_cases import PreprocessedCases
from nnunetv2_raemd.deployment.source_model import SourceModel
from nnunetv2_raemd.prediction.nnunet_predictor import AnyNetworkPredictor

BuildNetwork = Callable[[PlansManager, ConfigurationManager, int, int], nn.Module]


@dataclass(frozen=True)
class Scans:
    """In the place of nnU-Net's dataset class: spheres in noise, normalised."""

    n_channels: int = 1
    n_labels: int = 1

    def load_case(self, case_id: str) -> tuple[np.ndarray, np.ndarray, None, dict[str, Any]]:
        image, labels = noisy_spheres(int(case_id), (9, 32, 28), self.n_labels)
        normalised = (np.clip(image, -1000, 400) - MEAN_HU) / STD_HU
        return np.stack([normalised] * self.n_channels), labels[None].astype(np.int8), None, {}


def source_model(
    content: Mapping[str, Any],
    dataset: Mapping[str, Any] | None = None,
    *,
    trainer: str = "nnUNetTrainerRAEMD",
    folds: Sequence[str] = ("0",),
    weights: Sequence[Mapping[str, Tensor]] | None = None,
    trainers_network: BuildNetwork | None = None,
    **settings: Any,
) -> SourceModel:
    """A model of a plan; without weights, random ones with which every part matters.

    Args:
        trainers_network: `build_network_architecture` of a trainer whose network is not the plan's.
    """
    dataset = dict(dataset or dataset_json())
    plans = PlansManager(dict(content))
    configuration = plans.get_configuration("2d")
    n_channels, heads = (
        len(dataset["channel_names"]),
        plans.get_label_manager(dataset).num_segmentation_heads,
    )
    network = (trainers_network or network_of_plan)(plans, configuration, n_channels, heads)
    chosen = weights or [random_weights(network, seed) for seed in range(len(folds))]
    predictor = AnyNetworkPredictor(device=torch.device("cpu"), allow_tqdm=False, **settings)
    axes = (1, 2) if len(configuration.patch_size) == 3 else (0, 1)
    predictor.manual_initialization(network, plans, configuration, list(chosen), dataset, trainer, axes)
    network.load_state_dict(chosen[0])
    scans = Scans(n_channels, len([name for name in dataset["labels"] if name != "background"]))
    cases = {fold: PreprocessedCases(scans, ("0", "1"), ("2", "3")) for fold in folds}
    return SourceModel(predictor, "2d", tuple(folds), cases)


def network_of_plan(
    plans: PlansManager, configuration: ConfigurationManager, n_channels: int, heads: int
) -> nn.Module:
    """As nnU-Net's own trainer builds it for predictions."""
    network: nn.Module = get_network_from_plans(
        configuration.network_arch_class_name,
        configuration.network_arch_init_kwargs,
        configuration.network_arch_init_kwargs_req_import,
        n_channels,
        heads,
        deep_supervision=False,
    )
    return network


def random_weights(network: nn.Module, seed: int) -> dict[str, Tensor]:
    """As a checkpoint has them: nnU-Net's networks name some weights twice, which are the same."""
    generator = torch.Generator().manual_seed(seed)
    other = copy.deepcopy(network)
    with torch.no_grad():
        for value in other.state_dict().values():
            if value.is_floating_point():
                value.copy_(torch.randn(value.shape, generator=generator) * 0.3)
    return {name: value.clone() for name, value in other.state_dict().items()}


def trained_weights(source: SourceModel, iterations: int = 120, *, seed: int = 0) -> dict[str, Tensor]:
    """With which the network finds the spheres, the same in every run with that seed."""
    network = source.network
    torch.manual_seed(seed)
    module: Any
    for module in network.modules():
        if hasattr(module, "reset_parameters"):
            module.reset_parameters()
    optimizer = torch.optim.Adam(network.parameters(), lr=3e-3)
    cases = source.cases[source.folds[0]]
    images = torch.stack([cases.image(case)[:, :8, :24, :24] for case in ("0", "1")])
    labels = torch.stack(
        [torch.from_numpy(cases.reference(case)).long()[:8, :24, :24] for case in ("0", "1")]
    )
    loss = partial(nn.functional.cross_entropy, weight=torch.tensor([1.0, 4.0]))
    for _ in range(iterations):
        optimizer.zero_grad()
        loss(network.train()(images), labels).backward()
        optimizer.step()
    return {name: value.detach().clone() for name, value in network.eval().state_dict().items()}
