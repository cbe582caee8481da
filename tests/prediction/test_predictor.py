"""The whole-scan predictor, against nnU-Net's own where both must agree."""

from __future__ import annotations

import copy
import weakref
from collections.abc import Callable, Iterator
from types import SimpleNamespace
from typing import Any

import pytest
import torch
from nnunetv2.inference.predict_from_raw_data import nnUNetPredictor

from nnunetv2_raemd.architecture.raemd_net import RAEMDNet
from nnunetv2_raemd.errors import UserError
from nnunetv2_raemd.prediction.nnunet_predictor import AnyNetworkPredictor
from nnunetv2_raemd.prediction.predictor import WholeScanPredictor
from nnunetv2_raemd.prediction.slice_stream import stream_logits
from nnunetv2_raemd.volumes.boxes import Box

MakeNetwork = Callable[..., RAEMDNet]


def predictor(
    kind: type[Any],
    network: torch.nn.Module,
    mirroring: tuple[int, ...] | None = None,
    *,
    gaussian: bool = True,
) -> Any:
    """A predictor with windows of 4 slices of 16 x 12 pixels."""
    made = kind(device=torch.device("cpu"), allow_tqdm=False, use_gaussian=gaussian)
    made.network = network
    made.allowed_mirroring_axes = mirroring
    made.configuration_manager = SimpleNamespace(
        patch_size=[4, 16, 12], network_arch_init_kwargs={"strides": [1, 2, 2]}
    )
    made.label_manager = SimpleNamespace(num_segmentation_heads=2)
    return made


@pytest.mark.parametrize(
    ("device", "wanted", "kept"),
    [("cuda", True, True), ("cuda", False, False), ("cpu", True, False), ("cpu", False, False)],
)
def test_results_stay_on_a_gpu_only_and_where_wanted(device: str, wanted: bool, kept: bool) -> None:
    made = WholeScanPredictor(device=torch.device(device), perform_everything_on_device=wanted)
    assert made.perform_everything_on_device is kept


@pytest.mark.parametrize("gaussian", [False, True])
@pytest.mark.parametrize("mirroring", [None, (1, 2), (0, 1, 2)])
@pytest.mark.parametrize("shape", [(11, 16, 12), (9, 37, 20), (2, 9, 30)])
def test_without_recurrence_all_is_as_with_nnu_nets_own_predictor(
    network: MakeNetwork, shape: tuple[int, int, int], mirroring: tuple[int, ...] | None, gaussian: bool
) -> None:
    # slices then do not see each other, so it does not matter which window they are taken from
    net, image = network(n_recurrent_stages=0).float(), torch.rand(2, *shape)
    ours, stock = (
        predictor(kind, net, mirroring, gaussian=gaussian).predict_sliding_window_return_logits(image)
        for kind in (AnyNetworkPredictor, nnUNetPredictor)
    )
    assert ours.shape == stock.shape == (2, *shape)
    assert ours.dtype == stock.dtype
    if gaussian:  # at the borders nnU-Net's weights are too small for half precision
        ours, stock = ours[..., 3:-3, 3:-3], stock[..., 3:-3, 3:-3]
    torch.testing.assert_close(ours, stock, rtol=1e-2, atol=1e-2)


def test_one_window_gives_what_the_network_gives(network: MakeNetwork) -> None:
    net, image = network().float(), torch.rand(2, 4, 16, 12)
    logits = predictor(WholeScanPredictor, net).predict_sliding_window_return_logits(image)
    with torch.inference_mode():
        torch.testing.assert_close(logits.float(), net(image[None])[0], rtol=1e-3, atol=1e-3)


def test_a_scan_flipped_along_the_slices_gives_the_flipped_result_with_mirroring(
    network: MakeNetwork,
) -> None:
    made = predictor(WholeScanPredictor, network().float(), mirroring=(0,))
    image = torch.rand(2, 10, 16, 12)  # windows of 4 lie symmetrically in 10 slices
    logits = made.predict_sliding_window_return_logits(image)
    flipped = made.predict_sliding_window_return_logits(image.flip(1))
    torch.testing.assert_close(flipped.flip(1), logits, rtol=5e-3, atol=5e-3)


def test_other_networks_are_left_to_nnu_net() -> None:
    net, image = torch.nn.Conv3d(2, 2, 1), torch.rand(2, 11, 20, 12)
    ours = predictor(AnyNetworkPredictor, net, (1,)).predict_sliding_window_return_logits(image)
    stock = predictor(nnUNetPredictor, net, (1,)).predict_sliding_window_return_logits(image)
    torch.testing.assert_close(ours, stock, rtol=0, atol=0)


@pytest.mark.parametrize("other_network", [False, True])
def test_nan_is_refused_instead_of_becoming_background(network: MakeNetwork, other_network: bool) -> None:
    image = torch.rand(2, 4, 16, 12)
    image[0, 1, 2, 3] = torch.nan
    net = torch.nn.Conv3d(2, 2, 1) if other_network else network().float()
    with pytest.raises(UserError, match="NaN"):
        predictor(AnyNetworkPredictor, net).predict_sliding_window_return_logits(image)


@pytest.mark.parametrize("weight", [torch.nan, torch.inf, 1e6])
def test_a_result_that_is_not_finite_is_refused(network: MakeNetwork, weight: float) -> None:
    net: Any = network().float()
    torch.nn.init.constant_(net.decoder.seg_layers[-1].bias, weight)  # 1e6 exceeds half precision
    with pytest.raises(UserError, match="not finite"):
        predictor(WholeScanPredictor, net).predict_sliding_window_return_logits(torch.rand(2, 9, 16, 12))


def test_out_of_memory_is_met_by_results_in_main_memory_after_the_device_was_freed(
    network: MakeNetwork, monkeypatch: pytest.MonkeyPatch
) -> None:
    made, image = predictor(WholeScanPredictor, network().float()), torch.rand(2, 9, 16, 12)
    wanted = made.predict_sliding_window_return_logits(image)
    stream = stream_logits
    taken: list[Any] = []

    def exhausted(*arguments: Any) -> Iterator[Any]:
        if not taken:
            on_device = torch.zeros(5)
            taken.append(weakref.ref(on_device))
            raise torch.cuda.OutOfMemoryError
        assert taken[0]() is None
        yield from stream(*arguments)

    monkeypatch.setattr("nnunetv2_raemd.prediction.predictor.stream_logits", exhausted)
    made.perform_everything_on_device = True
    torch.testing.assert_close(made.predict_sliding_window_return_logits(image), wanted, rtol=0, atol=0)


def test_a_compiled_network_is_predicted_by_as_itself(network: MakeNetwork) -> None:
    net, image = network().float(), torch.rand(2, 9, 16, 12)
    wanted = predictor(WholeScanPredictor, net).predict_sliding_window_return_logits(image)
    lazily: Any = torch.compile(net)  # nothing is compiled until it is called
    compiled = predictor(WholeScanPredictor, lazily)
    torch.testing.assert_close(compiled.predict_sliding_window_return_logits(image), wanted, rtol=0, atol=0)


@pytest.mark.parametrize("mirroring", [None, (0, 2)])
@pytest.mark.parametrize(
    "part", [(slice(5, 9), slice(20, 30), slice(3, 18)), (slice(0, 1), slice(36, 37), slice(0, 20))]
)
def test_a_part_of_a_scan_larger_than_the_patch_comes_out_as_in_the_whole_scan(
    network: MakeNetwork, part: Box, mirroring: tuple[int, ...] | None
) -> None:
    made = predictor(WholeScanPredictor, network().float(), mirroring)
    image = torch.rand(2, 13, 37, 20)
    whole = made.predict_sliding_window_return_logits(image)
    found = made.within(part).predict_sliding_window_return_logits(image)
    torch.testing.assert_close(found, whole[:, part[0], part[1], part[2]], rtol=0, atol=0)


def test_of_a_scan_no_larger_than_the_patch_a_part_is_seen_alone(network: MakeNetwork) -> None:
    """With no more pixels around it than the strides of the network ask for."""
    net = network().float()
    made = predictor(WholeScanPredictor, net)
    image = torch.rand(2, 4, 15, 12)
    found = made.within((slice(1, 3), slice(2, 9), slice(5, 12))).predict_sliding_window_return_logits(image)
    with torch.inference_mode():  # row 2 with one row more on the far side, columns 5 to 12 with one before
        alone = net(image[None, :, :, 2:10, 4:12])[0].half()
    torch.testing.assert_close(found, alone[:, 1:3, 0:7, 1:8], rtol=1e-3, atol=1e-3)


def test_only_what_shows_the_part_is_computed(network: MakeNetwork, monkeypatch: pytest.MonkeyPatch) -> None:
    net = network().float()
    seen: list[int] = []
    encode = net.encode

    def counted(slices: torch.Tensor) -> list[torch.Tensor]:
        seen.append(len(slices))
        return encode(slices)

    monkeypatch.setattr(net, "encode", counted)
    made = predictor(WholeScanPredictor, net)
    made.within((slice(9, 10), slice(0, 1), slice(0, 1))).predict_sliding_window_return_logits(
        torch.rand(2, 20, 32, 24)
    )
    # windows of 4 begin at every second slice: those from 6 and from 8 hold slice 9; one tile, the corner
    assert sum(seen) == 6


@pytest.mark.parametrize("held", [False, True])
@pytest.mark.parametrize("other_network", [False, True])
def test_the_weights_of_all_folds_are_averaged(network: MakeNetwork, held: bool, other_network: bool) -> None:
    net: torch.nn.Module = torch.nn.Conv3d(2, 2, 1) if other_network else network().float()
    image = torch.rand(2, 9, 16, 12)
    made = predictor(AnyNetworkPredictor, net)
    first = copy.deepcopy(net.state_dict())
    second = {name: weight * 0.9 for name, weight in first.items()}
    single = []
    for weights in (first, second):
        net.load_state_dict(weights)
        single.append(made.predict_sliding_window_return_logits(image))
    made.list_of_parameters = [first, second]
    if held:
        made.hold_folds()
    averaged = made.predict_logits_from_preprocessed_data(image)
    torch.testing.assert_close(averaged, (single[0] + single[1]) / 2, rtol=1e-3, atol=2e-3)


@pytest.mark.parametrize("held", [False, True])
def test_the_first_network_is_that_of_the_first_fold(network: MakeNetwork, held: bool) -> None:
    """Also once nnU-Net's network holds the weights of the last."""
    net: Any = network().float()
    made = predictor(AnyNetworkPredictor, net)
    first = copy.deepcopy(net.state_dict())
    last = {name: weight * 0.9 for name, weight in first.items()}
    made.list_of_parameters = [first, last]
    net.load_state_dict(last)
    if held:
        made.hold_folds()
    found = made.first_network().state_dict()
    assert all(torch.equal(found[name], weight) for name, weight in first.items())
    exported = predictor(WholeScanPredictor, torch.nn.Identity())
    exported.fold_networks = [net, torch.nn.Identity()]
    assert exported.first_network() is net
