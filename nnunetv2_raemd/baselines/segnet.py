"""SegNet: Badrinarayanan et al., SegNet: A Deep Convolutional Encoder-Decoder Architecture (2017)."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from itertools import pairwise

from torch import Tensor, nn

from nnunetv2_raemd.baselines.topology import Topology

N_CONV_PER_STAGE = (2, 2, 3, 3, 3)  # VGG16 without its dense layers

# by the number of spatial dimensions
Layer = Callable[..., nn.Module]
CONV: dict[int, Layer] = {2: nn.Conv2d, 3: nn.Conv3d}
NORM: dict[int, Layer] = {2: nn.InstanceNorm2d, 3: nn.InstanceNorm3d}
POOL: dict[int, Layer] = {2: nn.MaxPool2d, 3: nn.MaxPool3d}
UNPOOL: dict[int, Layer] = {2: nn.MaxUnpool2d, 3: nn.MaxUnpool3d}


class SegNet(nn.Module):
    """An encoder as VGG16's, and its mirror image, which gets only the places of the maxima from it.

    (B, input_channels, ...) to logits (B, output_channels, ...); each axis a multiple of the product of its
    pooling sizes.

    Args:
        input_channels: channels of the image.
        output_channels: classes.
        features: of each stage, at most five.
        pooling: after each stage, a size per axis, which also says whether the network is 2D or 3D.
    """

    def __init__(
        self,
        input_channels: int,
        output_channels: int,
        *,
        features: Sequence[int],
        pooling: Sequence[tuple[int, ...]],
    ) -> None:
        super().__init__()
        dims = len(pooling[0])
        n_convs = N_CONV_PER_STAGE[: len(features)]
        inputs = [input_channels, *features[:-1]]
        self.encoder = nn.ModuleList(
            convolutions(dims, [before] + [width] * n_conv)
            for before, width, n_conv in zip(inputs, features, n_convs, strict=True)
        )
        self.decoder = nn.ModuleList(
            convolutions(dims, [width] * n_conv + [after])
            for (after, width), n_conv in reversed(list(zip(pairwise(features), n_convs[1:], strict=True)))
        )
        self.last = convolutions(dims, [features[0]] * n_convs[0])
        self.head = CONV[dims](features[0], output_channels, 3, padding=1)
        self.pools = nn.ModuleList(POOL[dims](size, return_indices=True) for size in pooling)
        self.unpools = nn.ModuleList(UNPOOL[dims](size) for size in reversed(pooling))
        self.apply(he_initialisation)

    def forward(self, x: Tensor) -> Tensor:
        places = []
        for stage, pool in zip(self.encoder, self.pools, strict=True):
            x, maxima = pool(stage(x))
            places.append(maxima)
        for stage, unpool in zip([*self.decoder, self.last], self.unpools, strict=True):
            x = stage(unpool(x, places.pop()))
        logits: Tensor = self.head(x)
        return logits


def convolutions(dims: int, channels: Sequence[int]) -> nn.Sequential:
    """3 x 3 (x 3) convolutions through these numbers of channels, each with normalisation and ReLU."""
    layers: list[nn.Module] = []
    for before, after in pairwise(channels):
        layers += [
            CONV[dims](before, after, 3, padding=1),
            NORM[dims](after, affine=True),
            nn.ReLU(inplace=True),
        ]
    return nn.Sequential(*layers)


def he_initialisation(module: nn.Module) -> None:
    """As published: He et al., Delving Deep into Rectifiers (2015)."""
    if isinstance(module, nn.Conv2d | nn.Conv3d):
        nn.init.kaiming_normal_(module.weight, nonlinearity="relu")
        if module.bias is not None:
            nn.init.zeros_(module.bias)


def segnet(topology: Topology, input_channels: int, output_channels: int) -> SegNet:
    """SegNet with the features and strides of nnU-Net's plan, where it has five or more stages."""
    pooling = topology.strides[1 : 1 + len(N_CONV_PER_STAGE)]
    features = topology.features[: len(pooling)]
    return SegNet(input_channels, output_channels, features=features, pooling=pooling)
