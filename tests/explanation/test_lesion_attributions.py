"""What is said of a lesion, on networks whose reasons are known."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
import torch
from torch import Tensor, nn

from nnunetv2_raemd.architecture.raemd_net import RAEMDNet
from nnunetv2_raemd.architecture.slices import fold_slices
from nnunetv2_raemd.explanation import gradient_attribution
from nnunetv2_raemd.explanation.attention_masks import attention_masks
from nnunetv2_raemd.explanation.faithfulness import SHARES, faithfulness, random_attribution
from nnunetv2_raemd.explanation.gradient_attribution import (
    grad_cam,
    integrated_gradients,
    surroundings,
)
from nnunetv2_raemd.explanation.lesion_explanation import ABOUT, explain
from nnunetv2_raemd.explanation.lesion_window import LesionWindow, cut_window, lesion_window
from nnunetv2_raemd.explanation.slice_reliance import SliceReliance, slice_reliance

SHAPE = (5, 8, 8)


class Linear(nn.Module):
    """Log odds of a lesion: a weighted sum of the whole image, the same at every voxel."""

    def __init__(self, weights: Tensor) -> None:
        super().__init__()
        self.weights = weights

    def forward(self, image: Tensor) -> Tensor:
        odds = (image[:, 0] * self.weights).sum((1, 2, 3)) - 1
        own = odds[:, None, None, None].expand(-1, *image.shape[2:])
        return torch.stack([torch.zeros_like(own), own], dim=1)


def window_of(image: Tensor, roi: Tensor) -> LesionWindow:
    return LesionWindow(image[None, None], roi, (0, 0, 0), 1, False)


@pytest.fixture
def window() -> LesionWindow:
    """Two slices of a lesion of 1 in surroundings of 0."""
    roi = torch.zeros(SHAPE, dtype=torch.bool)
    roi[2:4, 3:5, 3:5] = True
    return window_of(roi.float(), roi)


@pytest.fixture
def network() -> Callable[..., RAEMDNet]:
    def make(**parts: Any) -> RAEMDNet:
        torch.manual_seed(0)
        made = RAEMDNet(
            1,
            2,
            n_stages=3,
            features_per_stage=[4, 6, 8],
            kernel_sizes=3,
            strides=[1, 2, 2],
            n_conv_per_stage=2,
            n_conv_per_stage_decoder=2,
            **parts,
        )
        for weight in made.parameters():
            nn.init.normal_(weight, std=0.3)
        return made.eval()

    return make


def test_integrated_gradients_of_a_linear_network_are_its_weights(window: LesionWindow) -> None:
    weights = torch.rand(SHAPE, generator=torch.Generator().manual_seed(0))
    found = integrated_gradients(Linear(weights), window)
    torch.testing.assert_close(found, weights * (window.image - surroundings(window))[0, 0])


def test_integrated_gradients_add_up_to_the_change_of_the_score(
    network: Callable[..., RAEMDNet], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(gradient_attribution, "N_STEPS", 256)  # random weights make sharp bends
    net = network()
    image = torch.rand(SHAPE, generator=torch.Generator().manual_seed(1))
    roi = torch.zeros(SHAPE, dtype=torch.bool)
    roi[2, 2:5, 2:5] = True
    window = window_of(image, roi)
    with torch.inference_mode():
        change = window.score(net(window.image)) - window.score(net(surroundings(window)))
    assert float(integrated_gradients(net, window).sum()) == pytest.approx(float(change), rel=0.15, abs=0.05)


def test_grad_cam_of_a_layer_by_hand() -> None:
    """Logits are 3 times the second feature: its mean gradient, times the feature."""

    class Layered(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.features = nn.Identity()

        def forward(self, image: Tensor) -> Tensor:
            slices = fold_slices(image)
            features = self.features(torch.cat([torch.ones_like(slices), slices], dim=1))
            own = 3 * features[:, 1]
            return torch.stack([torch.zeros_like(own), own])[None]

    image = torch.rand(SHAPE, generator=torch.Generator().manual_seed(1))
    roi = torch.zeros(SHAPE, dtype=torch.bool)
    roi[2, :4, :4] = True
    net = Layered()
    found = grad_cam(net, net.features, window_of(image, roi))
    expected = torch.zeros(SHAPE)
    expected[2] = image[2] * 3 / (8 * 8)  # 16 of 64 pixels, each a sixteenth of the score
    torch.testing.assert_close(found, expected)


def test_attention_is_what_the_last_stage_multiplies_with(network: Callable[..., RAEMDNet]) -> None:
    net, image = network(), torch.rand(SHAPE, generator=torch.Generator().manual_seed(2))
    window = window_of(image, torch.ones(SHAPE, dtype=torch.bool))
    found = attention_masks(net, window)
    assert found is not None
    inputs: list[Tensor] = []
    last: Any = net.decoder.stages[-1].attention
    last.register_forward_pre_hook(lambda _module, given: inputs.append(given[0]))
    with torch.inference_mode():
        net(window.image)
        torch.testing.assert_close(found.spatial, last.spatial(inputs[0])[:, 0])
        torch.testing.assert_close(found.channels, last.channel(inputs[0])[0].flatten())
    assert attention_masks(network(attention=False), window) is None


def test_reliance_ends_with_what_the_whole_network_says(network: Callable[..., RAEMDNet]) -> None:
    net, image = network(), torch.rand(SHAPE, generator=torch.Generator().manual_seed(3))
    roi = torch.zeros(SHAPE, dtype=torch.bool)
    roi[1, 2:6, 2:6] = True
    window = window_of(image, roi)
    found = slice_reliance(net, window)
    assert len(found.by_reach) == 4  # the middle slice is 1 of 5: three lie on its other side
    with torch.inference_mode():
        whole = window.probability(net(window.image))[0, 1][roi[1]].mean()
        alone = window.probability(net(window.image[:, :, 1:2]))[0, 0][roi[1]].mean()
    assert found.by_reach[-1] == pytest.approx(float(whole), abs=1e-5)
    assert found.by_reach[0] == pytest.approx(float(alone), abs=1e-5)
    without = slice_reliance(network(n_recurrent_stages=0), window)
    assert without.by_reach == pytest.approx([without.by_reach[0]] * 4, abs=1e-6)
    assert without.reach == 0


@pytest.mark.parametrize(
    ("curve", "reach"),
    [
        ((0.2, 0.5, 0.9, 0.9), 2),
        ((0.9, 0.5, 0.3, 0.3), 2),
        ((0.5, 0.9, 0.6, 0.9), 3),
        ((0.5, 0.5), 0),
        ((0.3,), 0),
    ],
)
def test_the_reach_is_where_nine_tenths_of_the_change_stay(curve: tuple[float, ...], reach: int) -> None:
    assert SliceReliance(curve).reach == reach


def test_the_right_reasons_beat_chance_and_wrong_ones(window: LesionWindow) -> None:
    net = Linear(window.roi.float())
    right, wrong = window.roi.float(), 1 - window.roi.float()
    good, bad = faithfulness(net, window, right), faithfulness(net, window, wrong)
    chance = faithfulness(net, window, random_attribution(window, 0))
    assert good.deletion < chance.deletion <= bad.deletion
    assert good.insertion > chance.insertion >= bad.insertion
    assert (good.inside, bad.inside) == (1, 0)
    assert good.by_chance == pytest.approx(8 / 320)
    assert chance.inside == pytest.approx(8 / 320, rel=0.3)


def test_deletion_by_hand(window: LesionWindow) -> None:
    """Of eight voxels that are 1, n have the value of their surroundings; the others have no weight."""
    found = faithfulness(Linear(window.roi.float()), window, window.roi.float())
    values = surroundings(window)[0, 0][window.roi]
    numbers = [min(round(share * 320), 8) for share in SHARES]
    left = [8 - n + float(values[:n].sum()) - 1 for n in numbers]
    assert found.deletion == pytest.approx(np.mean([1 / (1 + np.exp(-odds)) for odds in left]), abs=1e-6)


def test_all_kinds_of_a_lesion(network: Callable[..., RAEMDNet], window: LesionWindow) -> None:
    found = explain(network(), window, kinds=frozenset(ABOUT))
    assert found.maps.keys() == ABOUT.keys()
    for values in found.maps.values():
        assert values.shape == SHAPE
        assert float(values.min()) == pytest.approx(0, abs=0.05)
        assert float(values.max()) == 1
    assert found.channels is not None
    assert found.reliance is not None
    assert explain(network(), window, kinds=frozenset()).maps == {}


@pytest.mark.parametrize(
    ("centre", "start", "first"),
    [((9, 20, 20), (7, 16, 16), 7), ((0, 0, 0), (0, 0, 0), 0), ((19, 39, 39), (15, 32, 32), 15)],
)
def test_windows_stay_within_the_image(centre: tuple[int, ...], start: tuple[int, ...], first: int) -> None:
    image = torch.arange(20.0).reshape(1, 20, 1, 1).expand(1, 20, 40, 40)
    window, found = cut_window(image, centre, (5, 8, 8))
    assert (window.shape, found) == ((1, 1, 5, 8, 8), start)
    assert window[0, 0, :, 0, 0].tolist() == list(range(first, first + 5))


def test_windows_of_small_images_are_padded_evenly() -> None:
    window, start = cut_window(torch.ones(1, 2, 40, 5), (0, 20, 2), (5, 8, 8))
    assert start == (-1, 16, -1)
    assert window[0, 0, :, 0, 3].tolist() == [0, 1, 1, 0, 0]
    assert window[0, 0, 1, 0].tolist() == [0, 1, 1, 1, 1, 1, 0, 0]


class Bright(nn.Module):
    """Predicts what is brighter than a half."""

    def forward(self, image: Tensor) -> Tensor:
        return torch.cat([0.5 - image, image - 0.5], dim=1)


def test_the_lesion_of_a_window_is_the_nearest_predicted() -> None:
    image = torch.zeros(1, 9, 20, 20)
    image[0, 4, 8:11, 8:11] = 1
    image[0, 4, 8:11, 13:15] = 1
    window = lesion_window(Bright(), image, (4, 9, 9), (5, 12, 12), head=1, regions=False)
    assert window is not None
    assert int(window.roi.sum()) == 9
    assert window.middle == 2
    assert (
        lesion_window(Bright(), torch.ones(1, 9, 20, 20), (4, 9, 9), (1, 4, 4), head=0, regions=True) is None
    )
