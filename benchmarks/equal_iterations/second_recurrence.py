"""RAEMD-Net with a recurrence over the slices at a second place: tried in the study, not the default.

What the second one adds begins at nothing, as in RAEMD-Net itself.
"""

from __future__ import annotations

from torch import Tensor, nn

from nnunetv2_raemd.architecture.conv_lstm import RecurrentFusion
from nnunetv2_raemd.architecture.encoder import apply_in_turn
from nnunetv2_raemd.architecture.raemd_net import RAEMDNet
from nnunetv2_raemd.architecture.slices import fold_slices, unfold_slices

KERNEL_SIZE = (3, 3)


class TwoScales(nn.Module):
    """The second recurrence follows the next coarser stage of the encoder, on features of half the size.

    (B, channels, T, H, W) to the logits of all decoder stages, finest first.
    """

    def __init__(self, network: RAEMDNet) -> None:
        super().__init__()
        self.network = network
        channels = stage_channels(network, network.encoder.n_before)
        self.fusion = second_recurrence(channels, channels // 4)

    def forward(self, x: Tensor) -> list[Tensor]:
        n_slices = x.shape[2]
        encoder = self.network.encoder
        features = self.network.recur(self.network.encode(fold_slices(x)), n_slices)
        next_coarser, *others = encoder.stages[encoder.n_before :]
        fused = self.fusion(next_coarser(features[-1]), n_slices)
        logits = self.network.decoder([*features, fused, *apply_in_turn(others, fused)])
        return [unfold_slices(stage, n_slices) for stage in logits]


class DecoderRecurrence(nn.Module):
    """The second recurrence follows the last stage of the decoder, at full resolution.

    (B, channels, T, H, W) to the logits of all decoder stages, finest first.
    """

    def __init__(self, network: RAEMDNet) -> None:
        super().__init__()
        self.network = network
        channels = stage_channels(network, 0)
        self.fusion = second_recurrence(channels, channels // 2)

    def forward(self, x: Tensor) -> list[Tensor]:
        n_slices = x.shape[2]
        encoder, decoder = self.network.encoder, self.network.decoder
        features = self.network.recur(self.network.encode(fold_slices(x)), n_slices)
        *skips, features_below = encoder.after_recurrence(features)
        logits = []
        for stage, head, skip in zip(decoder.stages, decoder.seg_layers, reversed(skips), strict=True):
            features_below = stage(features_below, skip)
            if stage is decoder.stages[-1]:
                features_below = self.fusion(features_below, n_slices)
            logits.append(unfold_slices(head(features_below), n_slices))
        return logits[::-1]


def stage_channels(network: RAEMDNet, stage: int) -> int:
    """Channels of a stage, 0 the finest, of all but the coarsest: those of the decoder's heads."""
    head = network.decoder.seg_layers[-1 - stage]
    assert isinstance(head, nn.Conv2d)
    return head.in_channels


def second_recurrence(channels: int, hidden_channels: int) -> RecurrentFusion:
    """One that changes nothing as yet."""
    fusion = RecurrentFusion(channels, hidden_channels, KERNEL_SIZE)
    nn.init.zeros_(fusion.projection.weight)
    assert fusion.projection.bias is not None
    nn.init.zeros_(fusion.projection.bias)
    return fusion
