"""Graphs whose convolutions compute with 8 bit integers, by NNCF."""

from __future__ import annotations

import logging
import os
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any

import numpy as np
import torch
from torch import Tensor, nn

from nnunetv2_raemd.architecture.slices import fold_slices
from nnunetv2_raemd.deployment.model_description import DECODE, ENCODE, RECUR, WHOLE
from nnunetv2_raemd.deployment.signal_stack import kept_signal_stack
from nnunetv2_raemd.extras import needs_extra
from nnunetv2_raemd.prediction.sliced_network import SlicedNetwork

if TYPE_CHECKING:
    import openvino

Inputs = list[np.ndarray]
Graphs = Mapping[str, "openvino.Model"]
Validate = Callable[[str, "openvino.Model"], float]
"""From a part and a graph in its place to what the whole network then reaches; higher is better."""


def calibration_inputs(
    network: nn.Module, blocks: Iterable[Tensor], positions: Sequence[int]
) -> dict[str, list[Inputs]]:
    """What each part of a network is given when it sees these blocks (C, T, H, W)."""
    collected: dict[str, list[Inputs]] = {}
    with torch.inference_mode():
        for block in blocks:
            for part, tensors in _inputs_of_parts(network, block, positions):
                collected.setdefault(part, []).append([tensor.numpy() for tensor in tensors])
    return collected


def _inputs_of_parts(
    network: nn.Module, block: Tensor, positions: Sequence[int]
) -> Iterator[tuple[str, Sequence[Tensor]]]:
    if not isinstance(network, SlicedNetwork):
        yield WHOLE, [block[None]]
        return
    slices = fold_slices(block[None])
    yield ENCODE, [slices]
    features = network.encode(slices)
    if positions:
        yield RECUR, [features[i] for i in positions]
    yield DECODE, network.recur(features, len(slices))


def quantize(graph: openvino.Model, inputs: list[Inputs]) -> openvino.Model:
    """The graph with convolutions in int8, calibrated on these inputs."""
    with _nncf() as nncf:
        quantized: openvino.Model = nncf.quantize(
            graph.clone(), _dataset(nncf, graph, inputs), subset_size=len(inputs)
        )
    return quantized


def quantize_with_care(
    graph: openvino.Model, inputs: list[Inputs], validate: Callable[[Any], float], max_loss: float
) -> openvino.Model:
    """As `quantize`; layers go back to floating point one by one until no more than `max_loss` is lost."""
    with _nncf() as nncf:
        dataset = _dataset(nncf, graph, inputs)
        quantized: openvino.Model = nncf.quantize_with_accuracy_control(
            graph.clone(),
            calibration_dataset=dataset,
            validation_dataset=dataset,
            validation_fn=lambda compiled, _: (validate(compiled), None),
            max_drop=max_loss,
            subset_size=len(inputs),
        )
    return quantized


def _dataset(nncf: Any, graph: openvino.Model, inputs: list[Inputs]) -> Any:
    names = [entry.any_name for entry in graph.inputs]
    return nncf.Dataset([dict(zip(names, values, strict=True)) for values in inputs])


@contextmanager
def _nncf() -> Iterator[Any]:
    """NNCF without its reports to Intel, which it sends unless told that it is being tested, and quiet."""
    os.environ.setdefault("NNCF_CI", "1")
    with needs_extra("int8"):
        import nncf  # noqa: PLC0415 - an extra
    logger = logging.getLogger("nncf")
    before = logger.level
    logger.setLevel(logging.ERROR)
    try:
        with kept_signal_stack():  # it compiles models, too
            yield nncf
    finally:
        logger.setLevel(before)
