"""Exported graphs against torch, for networks with and without each part, at sizes that were not traced."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import pytest
import torch
from small_plans import N_SLICES, UNET, dataset_json, plan, raemd_arguments, unet_arguments
from tiny_models import source_model
from torch import nn

from nnunetv2_raemd.deployment.graph_sessions import OnnxRuntimeSession
from nnunetv2_raemd.deployment.graph_tracing import export_graph
from nnunetv2_raemd.deployment.logit_agreement import compare, logits_of
from nnunetv2_raemd.deployment.model_description import GraphFormat, ModelDescription, Precision
from nnunetv2_raemd.deployment.model_graphs import export_graphs
from nnunetv2_raemd.deployment.network_backend import Backend
from nnunetv2_raemd.deployment.network_parts import parts_of
from nnunetv2_raemd.deployment.onnx_graph import apart_from_weights
from nnunetv2_raemd.deployment.source_model import SourceModel
from nnunetv2_raemd.deployment.weights_file import as_arrays

pytest.importorskip("onnxscript", reason="the extra onnx is not installed")
pytest.importorskip("onnxruntime", reason="the extra onnx is not installed")
pytest.importorskip("openvino", reason="the extra openvino is not installed")

OFF = {"multi_scale": False, "dense": False, "attention": False, "n_recurrent_stages": 0}
BRIEF = {"n_conv_per_stage": [1, 1]}  # every convolution takes time to trace
REGIONS = {"background": 0, "whole": [1, 2], "core": 2}
CLASSES = {"background": 0, "large": 1, "small": 2}


def nnunet_plan(patch_size: tuple[int, ...]) -> dict[str, Any]:
    """Of nnU-Net's own network."""
    return plan(unet_arguments(len(patch_size)), network=UNET, patch_size=patch_size)


def described(source: SourceModel, positions: tuple[int, ...]) -> ModelDescription:
    return ModelDescription(
        "nnUNetTrainer",
        "2d",
        ("0",),
        None,
        GraphFormat.ONNX,
        Precision.FLOAT32,
        source.predictor.plans_manager.plans,
        source.predictor.dataset_json,
        n_slices=source.n_slices,
        positions=positions,
    )


@pytest.mark.parametrize(
    ("arch_kwargs", "dataset"),
    [
        (raemd_arguments(), dataset_json(CLASSES, n_channels=2)),
        (raemd_arguments(**OFF), dataset_json()),
        (raemd_arguments(**OFF | BRIEF | {"n_recurrent_stages": 2}), dataset_json(REGIONS)),
        (raemd_arguments(n_recurrent_stages=0, **BRIEF), dataset_json()),
    ],
    ids=["all parts, channels and classes", "no part", "recurrence only, regions", "no recurrence"],
)
def test_every_part_of_raemd_net_gives_what_it_gives_in_torch(
    arch_kwargs: dict[str, Any], dataset: Mapping[str, Any]
) -> None:
    n_channels = len(dataset["channel_names"])
    source = source_model(plan(arch_kwargs, n_channels=n_channels), dataset)
    graphs = export_graphs(source)
    assert ("recur" in graphs.graphs) == bool(arch_kwargs["n_recurrent_stages"])
    description = described(source, graphs.positions)
    sizes = [(N_SLICES, 24, 24), (N_SLICES, 16, 40)]
    images = [torch.randn(n_channels, *size) for size in sizes]
    torchs_network: Any = source.network
    for backend in (Backend.ONNXRUNTIME, Backend.OPENVINO):
        network: Any = graphs.network(backend, source.weights_of("0"), description)
        agreement = compare(source.network_of("0"), network, images)
        assert agreement.largest_difference < 1e-4 * agreement.largest_logit
        single = torch.randn(1, n_channels, 24, 24)  # one slice, as at the end of a scan
        for ours, torchs in zip(network.encode(single), torchs_network.encode(single), strict=True):
            torch.testing.assert_close(ours, torchs.detach(), rtol=1e-3, atol=1e-4)


@pytest.mark.parametrize("patch_size", [(16, 24), (8, 16, 24)])
def test_nnu_nets_own_networks_can_be_exported_too(patch_size: tuple[int, ...]) -> None:
    source = source_model(nnunet_plan(patch_size))
    graphs = export_graphs(source)
    assert list(graphs.graphs) == ["network"]
    images = [torch.randn(1, *patch_size), torch.randn(1, *patch_size)]
    for backend in (Backend.ONNXRUNTIME, Backend.OPENVINO):
        network = graphs.network(backend, source.weights_of("0"), described(source, ()))
        assert compare(source.network_of("0"), network, images).largest_difference < 1e-4
        batch = torch.stack(images)
        torch.testing.assert_close(network(batch)[1], logits_of(network, images[1]), rtol=1e-4, atol=1e-4)


def test_equal_weights_stay_apart_in_the_graph() -> None:
    # an optimiser would merge biases that are all zero; in the next fold they may differ
    source = source_model(plan(raemd_arguments(**OFF | BRIEF)))
    zeros = {name: torch.zeros_like(value) for name, value in source.weights_of("0").items()}
    graphs = export_graphs(source_model(plan(raemd_arguments(**OFF | BRIEF)), weights=[zeros]))
    network = graphs.network(Backend.ONNXRUNTIME, source.weights_of("0"), described(source, ()))
    block = torch.randn(1, N_SLICES, 16, 16)
    assert compare(source.network_of("0"), network, [block]).is_equal


class WithConstants(torch.nn.Module):
    """Constants in the code of a part: the exporter names them after it, as it names weights."""

    def __init__(self) -> None:
        super().__init__()
        self.inner = Scaled()

    def forward(self, images: torch.Tensor) -> torch.Tensor:
        scaled: torch.Tensor = self.inner(images)
        return scaled


class Scaled(torch.nn.Conv2d):
    def __init__(self) -> None:
        super().__init__(1, 2, 1)

    def forward(self, images: torch.Tensor) -> torch.Tensor:
        return super().forward(images) * torch.tensor([[[2.0]], [[3.0]]])


def test_constants_of_the_code_are_not_taken_for_weights() -> None:
    source = source_model(nnunet_plan((16, 24)), trainers_network=lambda *_: WithConstants())
    graphs = export_graphs(source)
    names = [initializer.name for initializer in graphs.graphs["network"].graph.initializer]
    assert any("lifted" in name for name in names)
    image = torch.randn(1, 16, 24)
    for backend in (Backend.ONNXRUNTIME, Backend.OPENVINO):
        network = graphs.network(backend, source.weights_of("0"), described(source, ()))
        assert compare(source.network_of("0"), network, [image]).largest_difference < 1e-4


def test_volumes_are_convolved_without_a_bias_as_in_torch() -> None:
    """torch's exporter gives such convolutions a bias of zeros that has two axes."""
    network, image = nn.Conv3d(2, 3, 3, bias=False), torch.randn(2, 2, 5, 6, 7)
    (part,) = parts_of(network, image, None)
    content, weights = apart_from_weights(export_graph(part, any_size=False), as_arrays(network.state_dict()))
    (found,) = OnnxRuntimeSession(content, 1, weights=weights)([image.numpy()])
    with torch.no_grad():
        torch.testing.assert_close(torch.from_numpy(found), network(image))
