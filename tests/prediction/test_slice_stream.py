"""A streamed column of slices, against the network run on each window by itself."""

from __future__ import annotations

import weakref
from collections.abc import Callable

import pytest
import torch

from nnunetv2_raemd.architecture.raemd_net import RAEMDNet
from nnunetv2_raemd.prediction import slice_stream
from nnunetv2_raemd.prediction.column import Column
from nnunetv2_raemd.prediction.slice_stream import stream_logits
from nnunetv2_raemd.prediction.slice_windows import slice_windows

CPU = torch.device("cpu")
MakeNetwork = Callable[..., RAEMDNet]


def stream(net: RAEMDNet, column: torch.Tensor, window_size: int) -> torch.Tensor:
    """All logits (Z, classes, H, W), checked to come in the order of slices."""
    streamed = list(stream_logits(net, Column(column), slice_windows(column.shape[1], window_size), CPU))
    assert [i for done, _ in streamed for i in range(done.start, done.stop)] == list(range(column.shape[1]))
    return torch.cat([logits for _, logits in streamed])


@pytest.mark.parametrize("n_slices", [3, 4])
@pytest.mark.parametrize("n_recurrent_stages", [0, 1, 2, 3])
@torch.inference_mode()
def test_one_window_gives_what_the_network_gives(
    network: MakeNetwork, n_slices: int, n_recurrent_stages: int
) -> None:
    net, column = network(n_recurrent_stages), torch.rand(2, n_slices, 16, 12, dtype=torch.double)
    torch.testing.assert_close(stream(net, column, 4).transpose(0, 1), net(column[None])[0])


@pytest.mark.parametrize("n_recurrent_stages", [0, 1, 2, 3])
@torch.inference_mode()
def test_what_windows_make_of_a_slice_is_averaged_by_its_depth_in_them(
    network: MakeNetwork, n_recurrent_stages: int
) -> None:
    net, column = network(n_recurrent_stages), torch.rand(2, 6, 16, 12, dtype=torch.double)
    # windows of 4 at 0 and 2: slices 2 and 3 are in both, with the weights 2 and 1, 1 and 2
    in_first, in_second = (net.recur(net.encode(column[:, a : a + 4].transpose(0, 1)), 4) for a in (0, 2))
    (*finer, first), (*_, second) = in_first, in_second
    mixed = torch.stack([(2 * first[2] + second[0]) / 3, (first[3] + 2 * second[1]) / 3])
    finer = [torch.cat((stage, other[2:])) for stage, other in zip(finer, in_second[:-1], strict=True)]
    wanted = net.decode([*finer, torch.cat((first[:2], mixed, second[2:]))])[0]
    torch.testing.assert_close(stream(net, column, 4), wanted)


@torch.inference_mode()
def test_each_slice_is_encoded_and_decoded_once(network: MakeNetwork) -> None:
    net, seen = network(), {"encoded": 0, "decoded": 0}

    def count(name: str) -> Callable[..., None]:
        def hook(_module: object, inputs: tuple[torch.Tensor, ...], _output: object) -> None:
            seen[name] += len(inputs[0])

        return hook

    net.encoder.stages[0].register_forward_hook(count("encoded"))
    net.decoder.stages[-1].register_forward_hook(count("decoded"))
    for _ in stream_logits(net, Column(torch.rand(2, 29, 8, 8).double()), slice_windows(29, 8), CPU):
        pass
    assert seen == {"encoded": 29, "decoded": 29}


@pytest.mark.parametrize(("at_a_time", "wanted"), [(1, [1] * 7), (3, [3, 3, 1]), (9, [7])])
@torch.inference_mode()
def test_large_slices_are_encoded_and_decoded_some_at_a_time(
    network: MakeNetwork, monkeypatch: pytest.MonkeyPatch, at_a_time: int, wanted: list[int]
) -> None:
    monkeypatch.setattr(slice_stream, "PIXELS_AT_A_TIME", at_a_time * 16 * 12)
    net, column = network(), torch.rand(2, 7, 16, 12, dtype=torch.double)
    encoded, decoded = list[int](), list[int]()
    expected = net(column[None])[0]
    for third, seen in ((net.encoder.stages[0], encoded), (net.decoder.stages[-1], decoded)):
        third.register_forward_hook(lambda _module, inputs, _output, seen=seen: seen.append(len(inputs[0])))
    torch.testing.assert_close(stream(net, column, 7).transpose(0, 1), expected)
    assert encoded == decoded == wanted


@torch.inference_mode()
def test_the_decoder_is_given_what_the_encoder_made_without_copies(
    network: MakeNetwork, monkeypatch: pytest.MonkeyPatch
) -> None:
    net, made, given = network(), list[torch.Tensor](), list[torch.Tensor]()
    encode, decode = net.encode, net.decode

    def encoded(slices: torch.Tensor) -> list[torch.Tensor]:
        features = encode(slices)
        made.extend(features[:-1])  # the last are what the recurrence changes
        return features

    def decoded(features: list[torch.Tensor]) -> list[torch.Tensor]:
        given.extend(features[:-1])
        return decode(features)

    monkeypatch.setattr(net, "encode", encoded)
    monkeypatch.setattr(net, "decode", decoded)
    stream(net, torch.rand(2, 14, 8, 8).double(), 8)  # windows at 0, 3 and 6
    of_encoder = {values.untyped_storage().data_ptr() for values in made}
    assert {values.untyped_storage().data_ptr() for values in given} == of_encoder


@torch.inference_mode()
def test_memory_does_not_grow_with_the_number_of_slices(network: MakeNetwork) -> None:
    net, slices_alive = network(), 0

    def count_while_alive(_module: object, _inputs: object, output: torch.Tensor) -> None:
        nonlocal slices_alive
        slices_alive += len(output)
        weakref.finalize(output.untyped_storage(), release, len(output))

    def release(n_slices: int) -> None:
        nonlocal slices_alive
        slices_alive -= n_slices

    net.encoder.stages[0].register_forward_hook(count_while_alive)
    most = []
    for _ in stream_logits(net, Column(torch.rand(2, 300, 8, 8).double()), slice_windows(300, 8), CPU):
        most.append(slices_alive)
    assert max(most) <= 8 + 4  # a window, and what was encoded together with its first slices
