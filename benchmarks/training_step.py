"""Time and memory of a training step, part by part, beside nnU-Net's own networks.

    python benchmarks/training_step.py [--size 96] [--features 16] [--slices 16] [--rounds 7] [--threads 4]

All networks take turns in one process on the same slices, so that a noisy machine disturbs them alike.
Printed are the median time of forward, loss, backward and optimizer step relative to nnU-Net's 2d in the
same round, the values that the step keeps for its backward pass, and the parameters.
"""

from __future__ import annotations

import argparse
import statistics
import time
from collections.abc import Callable
from typing import Any

import torch
from dynamic_network_architectures.architectures.unet import PlainConvUNet
from torch import Tensor, nn

from nnunetv2_raemd.architecture import RAEMDNet

N_SLICES = 8
PARTS_OFF: dict[str, Any] = {
    "multi_scale": False,
    "dense": False,
    "attention": False,
    "n_recurrent_stages": 0,
}


def topology(size: int, features: int) -> dict[str, Any]:
    """nnU-Net's 2d topology for slices of `size` pixels: stages down to 4 to 7 pixels."""
    n_stages = max(2, size.bit_length() - 2)
    return {
        "n_stages": n_stages,
        "features_per_stage": [min(512, features * 2**i) for i in range(n_stages)],
        "kernel_sizes": [[3, 3]] * n_stages,
        "strides": [[1, 1]] + [[2, 2]] * (n_stages - 1),
        "n_conv_per_stage": [2] * n_stages,
        "n_conv_per_stage_decoder": [2] * (n_stages - 1),
        "conv_bias": True,
        "norm_op": nn.InstanceNorm2d,
        "norm_op_kwargs": {"eps": 1e-5, "affine": True},
        "nonlin": nn.LeakyReLU,
        "nonlin_kwargs": {"inplace": True},
        "deep_supervision": True,
    }


def in_3d(arguments: dict[str, Any]) -> dict[str, Any]:
    """The same topology with 3D convolutions; slices are pooled while there are some to pool."""
    n_stages = arguments["n_stages"]
    return {
        **arguments,
        "kernel_sizes": [[3, 3, 3]] * n_stages,
        "strides": [[1, 1, 1]] + [[2, 2, 2] if i < 1 else [1, 2, 2] for i in range(n_stages - 1)],
        "features_per_stage": [min(320, features) for features in arguments["features_per_stage"]],
        "norm_op": nn.InstanceNorm3d,
    }


def networks(arguments: dict[str, Any]) -> dict[str, nn.Module]:
    """The peers, nnU-Net's 2d first."""
    n_stages = arguments["n_stages"]
    steps = [
        ("parts off", {}),
        ("+ multi-scale", {"multi_scale": True}),
        ("+ dense", {"dense": True}),
        ("+ attention", {"attention": True}),
        ("+ recurrence, from stride 4", {"n_recurrent_stages": n_stages - 2, "hidden_divisor": 8}),
        ("+ recurrence, from stride 2", {"n_recurrent_stages": n_stages - 1}),
        ("+ recurrence, everywhere", {"n_recurrent_stages": n_stages}),
    ]
    peers: dict[str, nn.Module] = {
        "nnU-Net 2d": PlainConvUNet(input_channels=1, num_classes=2, conv_op=nn.Conv2d, **arguments)
    }
    parts = dict(PARTS_OFF)
    for name, added in steps:
        parts |= added
        peers[name] = RAEMDNet(1, 2, **arguments, **parts)
    peers["nnU-Net 3d"] = PlainConvUNet(
        input_channels=1, num_classes=2, conv_op=nn.Conv3d, **in_3d(arguments)
    )
    return peers


def training_step(network: nn.Module, batch: Tensor) -> Callable[[], float]:
    """A function that does one training step and returns its seconds."""
    optimizer = torch.optim.SGD(network.parameters(), lr=1e-3)

    def step() -> float:
        started = time.perf_counter()
        optimizer.zero_grad(set_to_none=True)
        loss: Tensor = sum(output.square().mean() for output in network(batch))  # type: ignore[assignment]
        loss.backward()
        optimizer.step()
        return time.perf_counter() - started

    return step


def values_kept(network: nn.Module, batch: Tensor) -> int:
    """Values that the forward pass keeps for the backward pass, parameters left out."""
    kept: dict[int, Tensor] = {}

    def remember(tensor: Tensor) -> Tensor:
        kept[tensor.untyped_storage()._cdata] = tensor
        return tensor

    with torch.autograd.graph.saved_tensors_hooks(remember, lambda tensor: tensor):
        outputs = network(batch)
    parameters = {parameter.untyped_storage()._cdata for parameter in network.parameters()}
    del outputs
    return sum(
        tensor.untyped_storage().nbytes() // tensor.element_size()
        for storage, tensor in kept.items()
        if storage not in parameters
    )


def main() -> None:
    """Measure and print the table."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawTextHelpFormatter)
    for name, default in (("size", 96), ("features", 16), ("slices", 16), ("rounds", 7), ("threads", 4)):
        parser.add_argument(f"--{name}", type=int, default=default)
    options = parser.parse_args()
    torch.set_num_threads(options.threads)
    torch.manual_seed(0)
    sequences = torch.randn(options.slices // N_SLICES, 1, N_SLICES, options.size, options.size)
    peers = networks(topology(options.size, options.features))
    batches = {name: sequences for name in peers}
    batches["nnU-Net 2d"] = sequences.transpose(1, 2).flatten(0, 1)
    steps = {name: training_step(network, batches[name]) for name, network in peers.items()}
    for step in steps.values():
        step()
    seconds: dict[str, list[float]] = {name: [] for name in steps}
    for _ in range(options.rounds):
        for name, step in steps.items():
            seconds[name].append(step())
    print("| network | step, s | relative to 2d | values kept per slice, million | parameters, million |")
    print("|---|---|---|---|---|")
    for name, network in peers.items():
        ratio = statistics.median(a / b for a, b in zip(seconds[name], seconds["nnU-Net 2d"], strict=True))
        kept = values_kept(network, batches[name]) / options.slices / 1e6
        parameters = sum(parameter.numel() for parameter in network.parameters()) / 1e6
        median = statistics.median(seconds[name])
        print(f"| {name} | {median:.3f} | {ratio:.2f} | {kept:.1f} | {parameters:.1f} |")


if __name__ == "__main__":
    main()
