"""A streamed column of slices, against the network run on each window by itself."""

from __future__ import annotations

import weakref
from collections.abc import Callable

import pytest
import torch

from nnunetv2_raemd.architecture.raemd_net import RAEMDNet
from nnunetv2_raemd.prediction.column import Column
from nnunetv2_raemd.prediction.slice_stream import stream_logits
from nnunetv2_raemd.prediction.slice_windows import slice_windows

CPU = torch.device("cpu")
MakeNetwork = Callable[..., RAEMDNet]


@pytest.mark.parametrize("n_slices", [3, 4, 11])
@pytest.mark.parametrize("n_recurrent_stages", [0, 1, 2, 3])
@torch.inference_mode()
def test_each_slice_gets_what_the_network_gives_for_its_window(
    network: MakeNetwork, n_slices: int, n_recurrent_stages: int
) -> None:
    net = network(n_recurrent_stages)
    column = torch.rand(2, n_slices, 16, 12, dtype=torch.double)
    streamed = list(stream_logits(net, Column(column), slice_windows(n_slices, 4), CPU))
    assert streamed[-1][0].last == n_slices
    for window, logits in streamed:
        whole_window = net(column[None, :, window.start : window.stop])[0]
        wanted = whole_window[:, window.first - window.start : window.last - window.start]
        torch.testing.assert_close(logits.transpose(0, 1), wanted, rtol=1e-9, atol=1e-9)


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
