"""The networks of other designs: sizes, published parameter counts, what is theirs and what is not."""

from __future__ import annotations

import sys
from collections.abc import Callable
from typing import Any

import pytest
import torch
from torch import Tensor, nn

from nnunetv2_raemd.baselines import swin_unetr as swin_unetr_module
from nnunetv2_raemd.baselines.attention_unet import attention_unet
from nnunetv2_raemd.baselines.padding import Padded, padded_size
from nnunetv2_raemd.baselines.segnet import SegNet, segnet
from nnunetv2_raemd.baselines.swin_unetr import swin_unetr
from nnunetv2_raemd.baselines.topology import Topology
from nnunetv2_raemd.baselines.unet_plus_plus import unet_plus_plus
from nnunetv2_raemd.errors import UserError

FLAT = Topology(features=(4, 8, 16, 16), strides=((1, 1), (2, 2), (2, 2), (2, 2)))
THICK_SLICES = Topology(features=(4, 8, 16, 16), strides=((1, 1, 1), (1, 2, 2), (2, 2, 2), (2, 2, 2)))
NETWORKS = [attention_unet, segnet, swin_unetr, unet_plus_plus]
MONAIS = [attention_unet, swin_unetr, unet_plus_plus]


@pytest.fixture(autouse=True)
def narrow_swin_unetr(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(swin_unetr_module, "FEATURE_SIZE", 12)
    torch.manual_seed(0)


def count_weights(module: nn.Module) -> int:
    return sum(weight.numel() for weight in module.parameters())


# --- all of them -------------------------------------------------------------------------------------------


@pytest.mark.parametrize("build", NETWORKS)
@pytest.mark.parametrize(
    ("topology", "size"),
    [(FLAT, (40, 24)), (FLAT, (16, 16)), (THICK_SLICES, (4, 24, 16))],
    ids=["2d", "one pixel at the bottom", "3d"],
)
def test_puts_out_logits_of_the_images_size(
    build: Callable[..., nn.Module], topology: Topology, size: tuple[int, ...]
) -> None:
    network = build(topology, 2, 3)
    logits = network(torch.randn(2, 2, *size))
    assert isinstance(logits, Tensor)
    assert logits.shape == (2, 3, *size)
    logits.square().mean().backward()
    # DDP demands it of every weight
    assert not [name for name, weight in network.named_parameters() if weight.grad is None]


@pytest.mark.parametrize("build", NETWORKS)
def test_a_case_does_not_depend_on_the_rest_of_its_batch(build: Callable[..., nn.Module]) -> None:
    """As it would with batch normalisation, in training mode."""
    network = build(FLAT, 1, 2).train()
    images = torch.randn(2, 1, 24, 24)
    torch.testing.assert_close(network(images)[:1], network(images[:1]), rtol=1e-4, atol=1e-4)


@pytest.mark.parametrize("build", MONAIS)
def test_says_how_to_install_monai(build: Callable[..., nn.Module], monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "monai.networks.nets", None)
    with pytest.raises(UserError, match=r'pip install "nnunetv2-raemd\[baselines\]"'):
        build(FLAT, 1, 2)


# --- SegNet ------------------------------------------------------------------------------------------------


def test_segnets_encoder_is_vgg16() -> None:
    """The convolutions of VGG16 have 14,714,688 weights (configuration D of Simonyan and Zisserman)."""
    network = SegNet(3, 2, features=(64, 128, 256, 512, 512), pooling=5 * [(2, 2)])
    convolutions = [module for module in network.encoder.modules() if isinstance(module, nn.Conv2d)]
    assert len(convolutions) == 13
    assert sum(map(count_weights, convolutions)) == 14_714_688
    decoder = [
        module
        for part in (network.decoder, network.last, network.head)
        for module in part.modules()
        if isinstance(module, nn.Conv2d)
    ]
    assert len(decoder) == 13


def test_segnet_takes_the_first_five_stages_of_the_plan() -> None:
    strides = ((1, 1), *7 * ((2, 2),))
    network = segnet(Topology(features=(1, 2, 3, 4, 5, 6, 6, 6), strides=strides), 1, 2)
    assert [pool.kernel_size for pool in network.pools] == 5 * [(2, 2)]
    encoder: Any = network.encoder
    assert [stage[0].out_channels for stage in encoder] == [1, 2, 3, 4, 5]


def test_segnet_puts_maxima_back_where_they_were() -> None:
    """With identities for convolutions, by hand: of each 2 x 2 square only the maximum is left."""
    network: Any = SegNet(1, 1, features=(1,), pooling=[(2, 2)])
    network.encoder[0] = network.last = network.head = nn.Identity()
    image = torch.tensor([[1.0, 2.0, 0.0, 7.0], [4.0, 3.0, 6.0, 5.0]])
    expected = torch.tensor([[0.0, 0.0, 0.0, 7.0], [4.0, 0.0, 0.0, 0.0]])
    torch.testing.assert_close(network(image[None, None])[0, 0], expected)


# --- MONAI's -----------------------------------------------------------------------------------------------


def test_attention_unet_has_a_gate_per_skip_connection() -> None:
    network = attention_unet(FLAT, 1, 2)
    gates = [module for module in network.modules() if type(module).__name__ == "AttentionBlock"]
    assert len(gates) == len(FLAT.features) - 1


def test_attention_unet_has_the_plans_strides() -> None:
    network = attention_unet(THICK_SLICES, 1, 2)
    strides = [
        module.stride for module in network.modules() if type(module) is nn.Conv3d and max(module.stride) > 1
    ]
    assert sorted(strides) == sorted(THICK_SLICES.strides[1:])


def test_unet_plus_plus_has_the_features_of_the_plan() -> None:
    strides = ((1, 1), *5 * ((2, 2),))
    padded: Any = unet_plus_plus(Topology(features=(2, 4, 6, 8, 10, 12), strides=strides), 1, 2)
    network = padded.network.network
    encoder = [getattr(network, f"conv_{stage}_0") for stage in range(5)]
    widths = [[m for m in stage.modules() if isinstance(m, nn.Conv2d)][-1].out_channels for stage in encoder]
    assert widths == [2, 4, 6, 8, 10]


def test_swin_unetr_is_the_published_one(monkeypatch: pytest.MonkeyPatch) -> None:
    """62 M parameters for CT and the 14 classes of BTCV (Tang et al., arXiv 2111.14791, Table S.3)."""
    monkeypatch.undo()
    volumetric = Topology(features=(32, 64), strides=((1, 1, 1), (2, 2, 2)))
    assert count_weights(swin_unetr(volumetric, 1, 14)) == pytest.approx(62e6, rel=0.01)


# --- padding -----------------------------------------------------------------------------------------------


class Recorder(nn.Module):
    """Puts out what comes in."""

    def forward(self, x: Tensor) -> Tensor:
        self.seen = x
        return x


def test_padding_adds_zeros_and_cuts_them_off_again() -> None:
    image = torch.randn(1, 1, 3, 5)
    recorder = Recorder()
    padded = Padded(recorder, multiple_of=4)
    torch.testing.assert_close(padded(image), image)
    seen = recorder.seen
    assert seen.shape == (1, 1, 4, 8)
    torch.testing.assert_close(seen[..., :3, :5], image)
    assert seen.count_nonzero() == 15


@pytest.mark.parametrize(
    ("size", "padded"),
    [((32, 64), [32, 64]), ((33, 1), [64, 32]), ((20, 30), [32, 64]), ((32, 32, 32), [32, 32, 64])],
)
def test_padded_sizes_by_hand(size: tuple[int, ...], padded: list[int]) -> None:
    assert padded_size(size, 32) == padded
