"""Prediction: the network alone, and a whole scan with nnU-Net's predictor and its sliding window."""

from __future__ import annotations

import contextlib
import io
import math
from collections.abc import Sequence

import torch
from nnunetv2.inference.predict_from_raw_data import nnUNetPredictor
from nnunetv2.inference.sliding_window_prediction import compute_steps_for_sliding_window
from nnunetv2.utilities.plans_handling.plans_handler import PlansManager
from torch import Tensor, nn

from nnunetv2_raemd.bench.peers import Peer
from nnunetv2_raemd.bench.sized_plans import DATASET_JSON

TILE_STEP = 0.5


class ForwardPass:
    """The network on a batch of training size, as in prediction: no gradients, AMP on CUDA."""

    def __init__(self, network: nn.Module, images: Tensor) -> None:
        self.network, self.images = network, images

    @torch.inference_mode()
    def __call__(self) -> None:
        with torch.autocast(self.images.device.type, enabled=self.images.device.type == "cuda"):
            self.network(self.images)


class ScanPrediction:
    """The logits of a scan (1, slices, rows, columns), with nnU-Net's predictor or one derived from it."""

    def __init__(
        self,
        peer: Peer,
        network: nn.Module,
        shape: Sequence[int],
        device: torch.device,
        *,
        mirroring: bool,
        kind: type[nnUNetPredictor] = nnUNetPredictor,
    ) -> None:
        plans = PlansManager(peer.plan)
        configuration = plans.get_configuration(peer.configuration_name)
        self.predictor = new_predictor(device, mirroring=mirroring, kind=kind)
        self.predictor.manual_initialization(
            network, plans, configuration, None, DATASET_JSON, "", peer.mirror_axes
        )
        self.scan = torch.randn((1, *shape))

    def __call__(self) -> None:
        self.predictor.predict_sliding_window_return_logits(self.scan)


def new_predictor(
    device: torch.device, *, mirroring: bool, kind: type[nnUNetPredictor] = nnUNetPredictor
) -> nnUNetPredictor:
    """As nnUNetv2_predict makes it; what it prints is kept back."""
    with contextlib.redirect_stdout(io.StringIO()):
        return kind(
            tile_step_size=TILE_STEP,
            use_mirroring=mirroring,
            perform_everything_on_device=device.type == "cuda",
            device=device,
            allow_tqdm=False,
        )


def n_windows(scan_shape: Sequence[int], patch_size: Sequence[int]) -> int:
    """Windows that nnU-Net predicts for a scan; a 2D patch is moved over every slice."""
    n_slices = scan_shape[0] if len(patch_size) == 2 else 1
    shape = tuple(max(a, b) for a, b in zip(scan_shape[-len(patch_size) :], patch_size, strict=True))
    steps = compute_steps_for_sliding_window(shape, tuple(patch_size), TILE_STEP)
    return n_slices * math.prod(map(len, steps))


def voxels_predicted(scan_shape: Sequence[int], patch_size: Sequence[int]) -> int:
    """Voxels that pass through the network for a scan, those in several windows counted as often."""
    return n_windows(scan_shape, patch_size) * math.prod(patch_size)
