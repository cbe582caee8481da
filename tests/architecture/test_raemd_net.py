"""The assembled network: nnU-Net's contract, the parts, and what each slice sees."""

from __future__ import annotations

import copy
from typing import Any

import pytest
import torch
from dynamic_network_architectures.architectures.unet import PlainConvUNet
from dynamic_network_architectures.initialization.weight_init import InitWeights_He
from torch import Tensor, nn

from nnunetv2_raemd.architecture import RAEMDNet
from nnunetv2_raemd.architecture.conv_lstm import BidirectionalConvLSTM

PLAN: dict[str, Any] = {
    "n_stages": 4,
    "features_per_stage": [8, 16, 24, 32],
    "kernel_sizes": [[1, 3, 3]] * 4,
    "strides": [[1, 1, 1], [1, 2, 2], [1, 2, 2], [1, 2, 1]],
    "n_conv_per_stage": [2, 2, 3, 2],
    "n_conv_per_stage_decoder": [2, 2, 1],
    "conv_bias": True,
    "norm_op": nn.InstanceNorm2d,
    "norm_op_kwargs": {"eps": 1e-5, "affine": True},
    "dropout_op": None,
    "dropout_op_kwargs": None,
    "nonlin": nn.LeakyReLU,
    "nonlin_kwargs": {"inplace": True},
}
PARTS_OFF: dict[str, Any] = {
    "multi_scale": False,
    "dense": False,
    "attention": False,
    "n_recurrent_stages": 0,
}


def plain_unet(input_channels: int, num_classes: int, deep_supervision: bool) -> PlainConvUNet:
    in_plane = {key: [size[-2:] for size in PLAN[key]] for key in ("kernel_sizes", "strides")}
    return PlainConvUNet(
        input_channels=input_channels,
        num_classes=num_classes,
        conv_op=nn.Conv2d,
        deep_supervision=deep_supervision,
        **{**PLAN, **in_plane},
    )


def raemd_net(**changes: Any) -> RAEMDNet:
    """As if trained: what the recurrence adds is something."""
    torch.manual_seed(0)
    network = RAEMDNet(1, 2, **{**PLAN, **changes})
    network.apply(network.initialize)
    if network.encoder.recurrence is not None:
        nn.init.kaiming_normal_(network.encoder.recurrence.projection.weight)
    return network


@pytest.mark.parametrize("n_slices", [1, 2, 7])
@pytest.mark.parametrize(("channels", "classes"), [(1, 2), (3, 5)])
def test_shapes(n_slices: int, channels: int, classes: int) -> None:
    network = RAEMDNet(channels, classes, **PLAN, deep_supervision=True)
    outputs = network(torch.randn(2, channels, n_slices, 16, 24))
    sizes = [(16, 24), (8, 12), (4, 6)]
    assert [tuple(o.shape) for o in outputs] == [(2, classes, n_slices, *size) for size in sizes]
    network.decoder.deep_supervision = False
    assert network(torch.randn(2, channels, n_slices, 16, 24)).shape == (2, classes, n_slices, 16, 24)


def test_anisotropic_kernels_and_one_number_for_all_stages() -> None:
    network = RAEMDNet(
        1,
        2,
        n_stages=3,
        features_per_stage=6,
        kernel_sizes=[[1, 1, 3], 3, (3, 3)],
        strides=[1, 2, [1, 1, 2]],
        n_conv_per_stage=1,
        n_conv_per_stage_decoder=1,
    )
    assert network(torch.randn(1, 1, 2, 8, 12)).shape == (1, 2, 2, 8, 12)


def test_without_parts_it_is_nnunets_plain_unet_slice_by_slice() -> None:
    plain = plain_unet(1, 2, deep_supervision=True)
    network = RAEMDNet(1, 2, **PLAN, **PARTS_OFF, deep_supervision=True)
    # nnU-Net's modules list their convolutions twice, and its decoder holds the encoder once more
    theirs = [m for m in plain.modules() if isinstance(m, nn.Conv2d | nn.ConvTranspose2d | nn.InstanceNorm2d)]
    ours = [m for m in network.modules() if isinstance(m, nn.Conv2d | nn.ConvTranspose2d | nn.InstanceNorm2d)]
    assert len(theirs) == len(ours)
    for kind in (nn.Conv2d, nn.ConvTranspose2d, nn.InstanceNorm2d):
        for source, target in zip(
            (m for m in theirs if isinstance(m, kind)), (m for m in ours if isinstance(m, kind)), strict=True
        ):
            target.load_state_dict(source.state_dict())
    volume = torch.randn(2, 1, 3, 16, 24)
    slices = volume.transpose(1, 2).reshape(6, 1, 16, 24)
    for ours_stage, theirs_stage in zip(network(volume), plain(slices), strict=True):
        expected = theirs_stage.reshape(2, 3, *theirs_stage.shape[1:]).transpose(1, 2)
        torch.testing.assert_close(ours_stage, expected)


@pytest.mark.parametrize("n_recurrent_stages", [0, 1, 4])
def test_a_slice_sees_the_others_only_through_the_recurrence(n_recurrent_stages: int) -> None:
    network = raemd_net(n_recurrent_stages=n_recurrent_stages)
    x = torch.randn(1, 1, 4, 16, 24, requires_grad=True)
    (gradient,) = torch.autograd.grad(network(x)[:, :, 0].sum(), x)
    seen = gradient.abs().sum((0, 1, 3, 4)) > 0
    assert seen.tolist() == [True] + [n_recurrent_stages > 0] * 3


@pytest.mark.parametrize("n_recurrent_stages", [0, 1, 3, 4])
def test_only_recur_needs_all_slices_of_a_sequence(n_recurrent_stages: int) -> None:
    """Slices may be encoded and decoded one by one, and the sequence may come in any cut."""
    network = raemd_net(n_recurrent_stages=n_recurrent_stages).double().eval()
    volume = torch.randn(1, 1, 5, 16, 24, dtype=torch.float64)
    slices = volume[0].transpose(0, 1)
    one_by_one = [network.encode(image[None]) for image in slices]
    features = [torch.cat(stage) for stage in zip(*one_by_one, strict=True)]
    n_before = 4 - max(0, n_recurrent_stages - 1)
    sizes = [(8, 16, 24), (16, 8, 12), (24, 4, 6), (32, 2, 6)][:n_before]
    assert [tuple(stage.shape) for stage in features] == [(5, *size) for size in sizes]
    fused = network.recur(features, 5)
    assert all(after is before for after, before in zip(fused[:-1], features[:-1], strict=True))
    logits = torch.cat([network.decode([stage[t : t + 1] for stage in fused])[0] for t in range(5)])
    torch.testing.assert_close(logits.transpose(0, 1)[None], network(volume))


@pytest.mark.parametrize(
    ("part", "off", "absent"),
    [
        ("multi_scale", False, "MultiScaleBlock"),
        ("dense", False, "DenseBlock"),
        ("attention", False, "ResidualAttention"),
        ("n_recurrent_stages", 0, "BidirectionalConvLSTM"),
    ],
)
def test_each_part_can_be_left_out_alone(part: str, off: object, absent: str) -> None:
    everything = {"MultiScaleBlock", "DenseBlock", "ResidualAttention", "BidirectionalConvLSTM"}

    def parts(network: nn.Module) -> set[str]:
        return {type(module).__name__ for module in network.modules()} & everything

    assert parts(raemd_net()) == everything
    assert parts(raemd_net(**{part: off})) == everything - {absent}


def test_weights_load_with_deep_supervision_on_or_off() -> None:
    trained, for_prediction = raemd_net(deep_supervision=True), raemd_net(deep_supervision=False)
    with torch.no_grad():
        for parameter in trained.parameters():
            parameter.add_(0.1)
    for_prediction.load_state_dict(trained.state_dict())
    x = torch.randn(1, 1, 2, 16, 24)
    assert torch.equal(trained(x)[0], for_prediction(x))


def test_feature_map_size_is_half_of_what_training_keeps() -> None:
    """One stage down, counted by hand per pixel; what slices keep that is no map is negligible."""
    network = RAEMDNet(
        1,
        3,
        n_stages=2,
        features_per_stage=[4, 8],
        kernel_sizes=3,
        strides=[1, 2],
        n_conv_per_stage=2,
        n_conv_per_stage_decoder=1,
        norm_op_kwargs={"eps": 1e-5, "affine": True},
        nonlin_kwargs={"inplace": True},
        n_recurrent_stages=0,
    )
    # entry before and after its normalisation, 2 layers before and after theirs, all together
    encoder_fine = 1 + (2 + 2) + 2 * (1 + 1) + 4  # and the image
    encoder_coarse = (4 + 4) + 2 * (2 + 2) + 8
    decoder = (4 + 4) + 1 + 4  # before and after normalisation, spatial attention, their product
    n_slices, fine, coarse = 5, 64 * 64, 32 * 32
    expected = n_slices * (fine * (encoder_fine + decoder) + coarse * encoder_coarse) / 2
    assert network.compute_conv_feature_map_size((n_slices, 64, 64)) == pytest.approx(expected, rel=0.005)


@pytest.mark.parametrize("n_recurrent_stages", [1, 3, 4])
def test_feature_map_size_with_recurrence_is_half_of_what_a_step_keeps(n_recurrent_stages: int) -> None:
    """The CPU's normalization, which runs here, keeps up to 4 % more than the GPU's, which is counted."""
    network = raemd_net(n_recurrent_stages=n_recurrent_stages, deep_supervision=True)
    kept: dict[int, Tensor] = {}

    def keep(tensor: Tensor) -> Tensor:
        kept[tensor.untyped_storage().data_ptr()] = tensor
        return tensor

    with torch.autograd.graph.saved_tensors_hooks(keep, lambda tensor: tensor):
        outputs = network(torch.randn(1, 1, 5, 32, 48))
    assert outputs[0].requires_grad
    for parameter in network.parameters():
        kept.pop(parameter.untyped_storage().data_ptr(), None)
    expected = sum(tensor.untyped_storage().nbytes() for tensor in kept.values()) / 4 / 2
    assert network.compute_conv_feature_map_size((5, 32, 48)) == pytest.approx(expected, rel=0.04)


def test_feature_map_size_without_parts_is_that_of_the_plain_unet() -> None:
    network = RAEMDNet(1, 2, **PLAN, **PARTS_OFF, deep_supervision=True)
    plain = plain_unet(1, 2, deep_supervision=True)
    expected = 3 * plain.compute_conv_feature_map_size((64, 96))
    assert network.compute_conv_feature_map_size((3, 64, 96)) == pytest.approx(expected, rel=0.04)


def test_initialisation_keeps_the_forget_gates_open() -> None:
    lstm = next(m for m in raemd_net().modules() if isinstance(m, BidirectionalConvLSTM))
    bias = lstm.input_conv.bias
    assert bias is not None
    assert (bias.unflatten(0, (2, 4, -1))[:, 1] == 1).all()


def test_channels_last_gives_the_same_result() -> None:
    network = raemd_net().double()
    x = torch.randn(2, 1, 3, 16, 24, dtype=torch.float64)
    other = copy.deepcopy(network).to(memory_format=torch.channels_last)
    torch.testing.assert_close(other(x), network(x))


def test_compiles_to_one_graph() -> None:
    network = raemd_net(deep_supervision=True).train()
    compiled = torch.compile(network, backend="aot_eager", fullgraph=True)
    x = torch.randn(2, 1, 3, 16, 24)
    outputs = compiled(x)
    for output, expected in zip(outputs, network(x), strict=True):
        torch.testing.assert_close(output, expected)
    sum(output.square().mean() for output in outputs).backward()
    assert all(parameter.grad is not None for parameter in network.parameters())


def test_trains_in_half_precision_to_the_same_logits() -> None:
    network = raemd_net()
    x = torch.randn(2, 1, 3, 16, 24)
    with torch.autocast("cpu", dtype=torch.bfloat16):
        output = network(x)
        output.float().square().mean().backward()
    expected = network(x)
    assert (output - expected).norm() < 0.05 * expected.norm()
    assert all(p.grad is not None and p.grad.isfinite().all() for p in network.decoder.stages.parameters())


def test_gradients_of_the_whole_network() -> None:
    network = RAEMDNet(
        1,
        2,
        n_stages=2,
        features_per_stage=[3, 4],
        kernel_sizes=3,
        strides=[1, 2],
        n_conv_per_stage=1,
        n_conv_per_stage_decoder=2,
        nonlin=nn.Tanh,
        n_recurrent_stages=1,
    ).double()

    def logits(x: Tensor) -> Tensor:
        output = network(x)
        assert isinstance(output, Tensor)
        return output

    assert torch.autograd.gradcheck(
        logits, torch.randn(1, 1, 2, 4, 4, dtype=torch.float64, requires_grad=True)
    )


def test_nan_in_the_image_is_an_error_in_prediction() -> None:
    x = torch.zeros(1, 1, 2, 16, 24)
    x[0, 0, 1, 3, 3] = torch.nan
    with pytest.raises(ValueError, match="NaN"):
        raemd_net().eval()(x)


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"strides": [[1, 1, 1], [2, 2, 2], [1, 2, 2], [1, 2, 2]]}, r"\[1, r, c\]"),
        ({"features_per_stage": [8, 16]}, "features_per_stage must have 4 entries"),
        ({"n_stages": 1}, "at least 2 stages"),
        ({"n_recurrent_stages": 5}, "not between 0 and 4"),
    ],
)
def test_arguments_that_do_not_fit(changes: dict[str, Any], message: str) -> None:
    with pytest.raises(ValueError, match=message):
        raemd_net(**changes)


def test_input_of_the_wrong_rank() -> None:
    with pytest.raises(ValueError, match="batch, channel, slice"):
        raemd_net()(torch.zeros(1, 1, 16, 24))


def test_the_recurrence_begins_at_nothing_and_learns() -> None:
    """Before training each slice is segmented as if it were alone; the first step changes that."""
    torch.manual_seed(0)
    network = RAEMDNet(1, 2, **PLAN).double()
    network.apply(network.initialize)
    sequence = torch.randn(1, 1, 3, 16, 16, dtype=torch.float64)

    def differs() -> bool:
        together = network(sequence)
        alone = torch.cat([network(sequence[:, :, i : i + 1]) for i in range(3)], dim=2)
        return not torch.allclose(together, alone)

    assert not differs()
    optimizer = torch.optim.SGD(network.parameters(), lr=0.1)
    network(sequence).square().mean().backward()
    optimizer.step()
    assert differs()


@pytest.mark.parametrize(
    "layer", [nn.Conv2d(8, 16, 3), nn.ConvTranspose2d(8, 16, 2), nn.Conv2d(4, 4, 1, bias=False)]
)
def test_convolutions_start_as_nnunets(layer: nn.Module) -> None:
    """He initialization with the slope of nnU-Net's LeakyReLU, number by number."""
    torch.manual_seed(3)
    expected = copy.deepcopy(layer)
    InitWeights_He(1e-2)(expected)
    torch.manual_seed(3)
    RAEMDNet.initialize(layer)
    assert all(
        torch.equal(one, other) for one, other in zip(layer.parameters(), expected.parameters(), strict=True)
    )
