"""Maps of uncertainty: against the formulas on all passes at once, and back on the grid of the scan."""

from __future__ import annotations

import copy
import itertools
from collections.abc import Callable
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest
import SimpleITK as sitk
import torch
from numpy.typing import NDArray
from scipy.stats import entropy

from nnunetv2_raemd.architecture.raemd_net import RAEMDNet
from nnunetv2_raemd.prediction.pass_spread import KINDS, STEPS, PassSpread, SpreadMap
from nnunetv2_raemd.prediction.predictor import WholeScanPredictor
from nnunetv2_raemd.prediction.uncertainty_maps import write_maps

MakeNetwork = Callable[..., RAEMDNet]
EVERYWHERE = (slice(None), slice(None))


def predictor(networks: list[RAEMDNet], mirroring: tuple[int, ...] | None) -> WholeScanPredictor:
    """One window of 4 slices of 16 x 12 pixels."""
    made = WholeScanPredictor(device=torch.device("cpu"), allow_tqdm=False)
    made.network = networks[0]
    made.fold_networks = networks
    made.allowed_mirroring_axes = mirroring
    made.configuration_manager = SimpleNamespace(patch_size=[4, 16, 12])
    made.label_manager = SimpleNamespace(num_segmentation_heads=2, has_regions=False)
    return made


def filled(spread: PassSpread) -> NDArray[np.float32]:
    """Both maps, (2, Z, Y, X)."""
    return np.concatenate([one.filled() for one in spread.maps()])


def folds(network: MakeNetwork) -> list[RAEMDNet]:
    first = network().float()
    second = copy.deepcopy(first)
    for weight in second.parameters():
        torch.nn.init.normal_(weight, std=0.3)
    return [first, second]


@pytest.mark.parametrize("mirroring", [None, (1, 2)])
def test_the_maps_are_those_of_all_passes(network: MakeNetwork, mirroring: tuple[int, ...] | None) -> None:
    """By scipy's entropy of the probabilities of each fold and mirrored image."""
    networks, image = folds(network), torch.rand(2, 4, 16, 12)
    passes = []
    flips = [()] if mirroring is None else [(), (2,), (3,), (2, 3)]
    for net, axes in itertools.product(networks, flips):
        with torch.inference_mode():
            logits = net(image.flip(axes)[None])[0].flip(axes)
        passes.append(logits.softmax(0).numpy())
    expected = entropy(np.mean(passes, axis=0))
    shared = np.mean([entropy(one) for one in passes], axis=0)
    made = predictor(networks, mirroring)
    made.spread = PassSpread(regions=False)
    made.predict_sliding_window_return_logits(image)
    found = filled(made.spread)
    np.testing.assert_allclose(found[0], expected, atol=5e-4)
    np.testing.assert_allclose(found[1], expected - shared, atol=5e-4)
    assert found[1].max() > 0.01


def test_folds_one_after_the_other_give_the_same(network: MakeNetwork) -> None:
    """As nnU-Net's predictor goes through them; tiles that overlap, and a padded scan."""
    networks, image = folds(network), torch.rand(2, 7, 20, 11)
    together = predictor(networks, (1,))
    together.spread = PassSpread(regions=False)
    together.predict_sliding_window_return_logits(image)
    spread = PassSpread(regions=False)
    for net in networks:
        one = predictor([net], (1,))
        one.spread = spread
        one.predict_sliding_window_return_logits(image)
    assert filled(together.spread).shape == (2, 7, 20, 11)
    np.testing.assert_allclose(filled(spread), filled(together.spread), atol=5e-4)


def test_one_pass_agrees_with_itself(network: MakeNetwork) -> None:
    made = predictor([network().float()], None)
    made.spread = PassSpread(regions=False)
    made.predict_sliding_window_return_logits(torch.rand(2, 4, 16, 12))
    entropies, disagreement = filled(made.spread)
    assert disagreement.max() < 5e-4
    assert 0 < entropies.max() <= np.log(2) + 1e-5


@pytest.mark.parametrize("n_passes", [1, 4, 12, 20])
@pytest.mark.parametrize("regions", [False, True])
def test_what_all_passes_are_sure_of_is_certain(n_passes: int, regions: bool) -> None:
    """Of both kinds of heads and for all usual numbers of passes: nothing is lost by integers."""
    spread = PassSpread(regions=regions)
    spread.begin((2, 1, 1, 2))
    logits = torch.tensor([[99.0, -99.0], [-99.0, 99.0]]).reshape(1, 2, 1, 2)
    for _ in range(n_passes):
        spread.add(EVERYWHERE, (), slice(0, 1), logits, torch.full((1, 2), 1 / n_passes))
    spread.end((slice(None),) * 3)
    assert filled(spread).max() == 0


def test_three_classes_by_scipy() -> None:
    """Two passes that disagree about one voxel."""
    spread = PassSpread(regions=False)
    spread.begin((3, 1, 1, 1))
    passes = [[0.7, 0.2, 0.1], [0.1, 0.1, 0.8]]
    for one in passes:
        logits = torch.tensor(one).log().reshape(1, 3, 1, 1)
        spread.add(EVERYWHERE, (), slice(0, 1), logits, torch.full((1, 1), 0.5))
    spread.end((slice(None),) * 3)
    expected = entropy(np.mean(passes, axis=0))
    disagreement = expected - np.mean([entropy(one) for one in passes])
    assert filled(spread).ravel().tolist() == pytest.approx([expected, disagreement], abs=2e-4)


def test_the_maps_take_as_much_memory_as_the_logits(network: MakeNetwork) -> None:
    """Of background and one label in half precision: 4 bytes a voxel."""
    made = predictor([network().float()], None)
    made.spread = PassSpread(regions=False)
    logits = made.predict_sliding_window_return_logits(torch.rand(2, 8, 16, 12))
    held = {id(one.means): one.means.nbytes for one in made.spread.maps()}
    assert sum(held.values()) == logits.nbytes == 4 * 8 * 16 * 12


def test_regions_have_each_their_own_entropy() -> None:
    """ln 2 for a region at 0.5, 0 for one that is certain: their mean."""
    spread = PassSpread(regions=True)
    spread.begin((2, 1, 1, 1))
    logits = torch.tensor([0.0, 100.0]).reshape(1, 2, 1, 1)
    spread.add(EVERYWHERE, (), slice(0, 1), logits, torch.ones(1, 1))
    spread.end((slice(None),) * 3)
    assert filled(spread).ravel().tolist() == pytest.approx([np.log(2) / 2, 0], abs=1e-4)


def test_a_run_that_was_broken_off_does_not_count() -> None:
    spread = PassSpread(regions=False)
    one = torch.ones(1, 1)
    assert spread.empty
    spread.begin((2, 1, 1, 1))
    spread.add(EVERYWHERE, (), slice(0, 1), torch.zeros(1, 2, 1, 1), one)
    spread.begin((2, 1, 1, 1))
    spread.add(EVERYWHERE, (), slice(0, 1), torch.tensor([9.0, -9.0]).reshape(1, 2, 1, 1), one)
    spread.end((slice(None),) * 3)
    assert filled(spread).max() < 1e-3


def test_maps_lie_on_the_grid_of_the_scan(tmp_path: Path) -> None:
    """Cropped, transposed and resampled by a factor of two before; back where they were."""
    geometry = {"spacing": (0.5, 1.0, 2.0), "origin": (1.0, 2, 3), "direction": (1.0, 0, 0, 0, 1, 0, 0, 0, 1)}
    properties = {
        "spacing": [2.0, 1.0, 0.5],
        "shape_before_cropping": (6, 8, 10),  # in the transposed order: y, z, x here
        "shape_after_cropping_and_before_resampling": (4, 6, 8),
        "bbox_used_for_cropping": [[1, 5], [2, 8], [0, 8]],
        "sitk_stuff": geometry,
    }
    plans: Any = SimpleNamespace(transpose_forward=[1, 0, 2], transpose_backward=[1, 0, 2])
    asked: list[Any] = []

    def nearest(maps: Any, shape: Any, current: Any, new: Any) -> Any:
        asked.append((tuple(shape), list(current), list(new)))
        return np.repeat(maps, 2, axis=3)

    settings = {"resampling_fn_probabilities": "nearest", "resampling_fn_probabilities_kwargs": {}}
    configuration: Any = SimpleNamespace(
        spacing=[1.0, 2.0, 1.0], configuration=settings, resampling_fn_probabilities=nearest
    )
    means = np.random.default_rng(0).integers(0, STEPS, (2, 4, 6, 4), np.int16)
    maps = [SpreadMap(kind, means, False) for kind in KINDS]
    files = write_maps(maps, properties, plans, configuration, tmp_path / "scan")
    assert [file.name for file in files] == ["scan_entropy.nii.gz", "scan_mutual_information.nii.gz"]
    assert asked == 2 * [((4, 6, 8), [1.0, 2.0, 1.0], [1.0, 2.0, 0.5])]
    image = sitk.ReadImage(str(files[1]))
    assert (image.GetSpacing(), image.GetOrigin()) == (geometry["spacing"], geometry["origin"])
    found = sitk.GetArrayFromImage(image)
    assert found.shape == (8, 6, 10)
    expected = maps[1].filled()
    for z, y, x in ((2, 1, 0), (7, 4, 7), (5, 3, 2)):
        assert found[z, y, x] == pytest.approx(float(expected[0, y - 1, z - 2, x // 2]))
    assert found[:2].max() == found[..., 8:].max() == 0
