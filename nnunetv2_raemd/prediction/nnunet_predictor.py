"""nnU-Net's predictor, by which models are loaded as nnU-Net stores them, of RAEMD-Net and of others."""

from __future__ import annotations

import copy
from typing import Any

import torch
from nnunetv2.inference.predict_from_raw_data import nnUNetPredictor
from torch import Tensor, nn

from nnunetv2_raemd.prediction.predictor import WholeScanPredictor, check_has_no_nan, uncompiled
from nnunetv2_raemd.prediction.sliced_network import SlicedNetwork


class AnyNetworkPredictor(WholeScanPredictor, nnUNetPredictor):
    """nnU-Net's predictor, which predicts with RAEMD-Net as `WholeScanPredictor`, with others as nnU-Net."""

    list_of_parameters: list[dict[str, Tensor]]

    def __init__(self, *, device: torch.device, **settings: Any) -> None:
        nnUNetPredictor.__init__(self, device=device, **settings)

    def hold_folds(self) -> None:
        """Instead of loading the weights of the folds into one network in turn."""
        if not self.fold_networks:
            self.fold_networks = [self._network_with(weights) for weights in self.list_of_parameters]

    def first_network(self) -> nn.Module:
        """A copy, where one network takes the weights of the folds in turn."""
        if self.fold_networks:
            return super().first_network()
        return self._network_with(self.list_of_parameters[0])

    def _network_with(self, weights: dict[str, Tensor]) -> nn.Module:
        network = copy.deepcopy(uncompiled(self.network))
        network.load_state_dict(weights)
        return network.to(self.device).eval()

    @torch.inference_mode()
    def predict_logits_from_preprocessed_data(self, data: Tensor) -> Tensor:
        """As nnU-Net's, which loads the weights of the folds in turn, unless they are held."""
        if self.fold_networks:
            return super().predict_logits_from_preprocessed_data(data)
        logits: Tensor = nnUNetPredictor.predict_logits_from_preprocessed_data(self, data)
        return logits

    @torch.inference_mode()
    def predict_sliding_window_return_logits(self, input_image: Tensor) -> Tensor:
        """As `WholeScanPredictor`'s where the network is in three thirds, otherwise as nnU-Net's."""
        if all(isinstance(network, SlicedNetwork) for network in self._networks()):
            return super().predict_sliding_window_return_logits(input_image)
        check_has_no_nan(input_image)
        if not self.fold_networks:
            return self._as_nnunet(input_image)
        total: Tensor | None = None
        for network in self.fold_networks:
            logits = self._with_network(network)._as_nnunet(input_image).cpu()
            total = logits if total is None else total.add_(logits)
        assert total is not None
        return total.div_(len(self.fold_networks))

    def _as_nnunet(self, image: Tensor) -> Tensor:
        if self.part is not None:
            z, y, x = self.part
            image = image[:, z, y, x]
        logits: Tensor = nnUNetPredictor.predict_sliding_window_return_logits(self, image)
        return logits

    def _with_network(self, network: nn.Module) -> AnyNetworkPredictor:
        """One for a single fold: nnU-Net's holds one network."""
        other = copy.copy(self)
        other.network, other.fold_networks = network, ()
        return other
