"""A trained model that is to be exported, and what is at hand to verify it with."""

from __future__ import annotations

import copy
from collections.abc import Mapping
from dataclasses import dataclass, replace
from functools import cached_property
from typing import Any

import torch
from nnunetv2.utilities.label_handling.label_handling import determine_num_input_channels
from torch import Tensor, nn

from nnunetv2_raemd.confidence.calibration import Calibration
from nnunetv2_raemd.deployment.preprocessed_cases import PreprocessedCases, blocks
from nnunetv2_raemd.prediction.nnunet_predictor import AnyNetworkPredictor
from nnunetv2_raemd.prediction.predictor import uncompiled
from nnunetv2_raemd.prediction.sliced_network import SlicedNetwork
from nnunetv2_raemd.prediction.tiling import size_multiples


@dataclass(frozen=True)
class SourceModel:
    """A model as nnU-Net stores it, loaded.

    Attributes:
        predictor: with the weights of all folds, on the CPU.
        configuration: its name.
        cases: preprocessed cases of each fold; of none where the dataset is not preprocessed here.
        postprocessing: content of postprocessing_raemd.json.
        summaries: content of summary.json of the validation of each fold that has been validated.
        calibration: of its confidences, if there is one.
    """

    predictor: AnyNetworkPredictor
    configuration: str
    folds: tuple[str, ...]
    cases: Mapping[str, PreprocessedCases]
    postprocessing: dict[str, Any] | None = None
    summaries: Mapping[str, Any] | None = None
    calibration: Calibration | None = None

    @cached_property
    def network(self) -> nn.Module:
        """With the weights of the first fold."""
        return self.network_of(self.folds[0])

    def weights_of(self, fold: str) -> dict[str, Tensor]:
        """The weights of a fold."""
        weights: dict[str, Tensor] = self.predictor.list_of_parameters[self.folds.index(fold)]
        return weights

    def network_of(self, fold: str) -> nn.Module:
        """Torch's network with the weights of a fold."""
        return with_weights(uncompiled(self.predictor.network), self.weights_of(fold))

    def with_single_fold(self, name: str, weights: dict[str, Tensor]) -> SourceModel:
        """The model with one set of weights for all folds, verified on the first fold's cases."""
        predictor = copy.copy(self.predictor)
        predictor.list_of_parameters = [weights]
        return replace(self, predictor=predictor, folds=(name,), cases={name: self.cases[self.folds[0]]})

    @property
    def n_channels(self) -> int:
        """Of the network's input."""
        predictor = self.predictor
        return int(
            determine_num_input_channels(
                predictor.plans_manager, predictor.configuration_manager, predictor.dataset_json
            )
        )

    @property
    def patch_size(self) -> tuple[int, ...]:
        return tuple(self.predictor.configuration_manager.patch_size)

    @property
    def n_slices(self) -> int | None:
        """Length of its sequences, of a network in three thirds."""
        return self.patch_size[0] if isinstance(self.network, SlicedNetwork) else None

    @property
    def size_multiple(self) -> tuple[int, ...]:
        """Of which the sizes of its input must be multiples, along rows and columns (and slices, in 3D)."""
        n_axes = 2 if self.n_slices is not None else len(self.patch_size)
        return size_multiples(self.predictor.configuration_manager, n_axes)

    def blocks_of(self, fold: str, n_cases: int, *, training: bool = False) -> list[Tensor]:
        """A patch (C, ...) round a lesion of some cases; none where no cases are at hand."""
        cases = self.cases.get(fold)
        if cases is None:
            return []
        size = (1, *self.patch_size)[-3:]
        found = blocks(cases, (cases.training if training else cases.validation)[:n_cases], size)
        return [block if len(self.patch_size) == 3 else block[:, 0] for block in found]

    def predictor_with(self, *networks: nn.Module) -> AnyNetworkPredictor:
        """A predictor of this model by the mean of other networks, without mirroring and progress bar."""
        predictor = copy.copy(self.predictor)
        predictor.fold_networks = networks
        predictor.use_mirroring, predictor.allow_tqdm = False, False
        return predictor


def with_weights(network: nn.Module, weights: Mapping[str, Tensor]) -> nn.Module:
    """A copy with other weights, ready to predict."""
    other = copy.deepcopy(network)
    other.load_state_dict(weights)
    return other.float().to(torch.device("cpu")).eval()
