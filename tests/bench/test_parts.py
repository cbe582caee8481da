"""Which parts are found and how their times are added up."""

from __future__ import annotations

from collections import Counter
from contextlib import nullcontext

import pytest
import torch
from torch import nn

from nnunetv2_raemd.bench.parts import Part, by_part, part_runs, parts_of
from nnunetv2_raemd.bench.peers import make_peers
from nnunetv2_raemd.bench.sizes import Sizes

SIZES = Sizes(32, slices=4, sequence=2, features=8)  # 4 stages


def test_every_block_of_the_network_is_found_where_it_lies() -> None:
    peer = make_peers(["raemd-dense"], SIZES)[0]
    found = parts_of(peer.build(deep_supervision=True))
    n_stages = peer.configuration["architecture"]["arch_kwargs"]["n_stages"]
    counts = Counter((part.name, part.inside) for part in found)
    assert counts["multi-scale", None] == counts["dense", None] == n_stages
    assert counts["decoder", None] == counts["attention", "decoder"] == n_stages - 1
    assert counts["recurrence", None] >= 1
    assert "encoder" not in {part.name for part in found}  # nothing but its blocks


def test_a_plain_convolution_of_the_encoder_belongs_to_the_encoder() -> None:
    peer = make_peers(["raemd"], SIZES)[0]
    found = {(part.name, part.inside) for part in parts_of(peer.build(deep_supervision=True))}
    assert found == {
        ("encoder", None),
        ("multi-scale", "encoder"),
        ("recurrence", None),
        ("decoder", None),
    }


def test_without_parts_there_is_a_plain_encoder_and_decoder() -> None:
    network = make_peers(["raemd-off"], SIZES)[0].build(deep_supervision=True)
    assert {part.name for part in parts_of(network)} == {"encoder", "decoder"}


def test_running_the_parts_leaves_the_network_as_it_was() -> None:
    peer = make_peers(["raemd"], SIZES)[0]
    network = peer.build(deep_supervision=True)
    before = {name: value.clone() for name, value in network.state_dict().items()}
    runs = part_runs(network, torch.randn(peer.batch_shape), nullcontext)
    ran: list[nn.Module] = []
    for part, _ in runs:
        part.module.register_forward_hook(lambda module, _inputs, _output: ran.append(module))
    for _, run in runs:
        run()
    assert {id(part.module) for part, _ in runs} == {id(module) for module in ran}
    torch.testing.assert_close(dict(network.state_dict()), before, rtol=0, atol=0)
    assert all(parameter.grad is None for parameter in network.parameters())


def test_inner_parts_are_taken_out_of_outer_ones() -> None:
    module = nn.Identity()
    measured = [
        (Part("encoder", None, module), 5.0),
        (Part("dense", "encoder", module), 3.0),
        (Part("decoder", None, module), 4.0),
        (Part("attention", "decoder", module), 1.0),
        (Part("decoder", None, module), 2.0),
    ]
    assert by_part(measured, 15.0) == pytest.approx(
        {"encoder": 2.0, "dense": 3.0, "decoder": 5.0, "attention": 1.0, "other": 4.0}
    )
