"""What a device could reach at best: the roofline model (Williams et al., CACM 2009).

A step that does so much arithmetic and moves so many bytes takes at least the longer of the two times.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace

import torch

from nnunetv2_raemd.bench.clock import seconds
from nnunetv2_raemd.bench.cost import Cost

# Large enough that a faster memory nearer to the processor does not hold them
MATRIX_SIZE = {"cpu": 1536, "cuda": 8192}
COPY_BYTES = {"cpu": 2**28, "cuda": 2**31}
REPEATS = 7


@dataclass(frozen=True)
class Limits:
    """Measured on the device: a matrix product in training's number format, and a copy (read + write)."""

    flops_per_s: float
    bytes_per_s: float
    number_format: str


@dataclass(frozen=True)
class Roofline:
    """`bound` names what takes longer, "arithmetic" or "memory"; `least_s` how long it takes.

    `fraction` is `least_s` divided by the measured time. It can exceed 1 for a compiled network, since bytes
    are counted as if nothing were fused, and where convolutions need less arithmetic than their definition.
    """

    bound: str
    least_s: float
    fraction: float


def roofline(cost: Cost, limits: Limits, measured_s: float) -> Roofline:
    """How near a run that took `measured_s` is to the device's limits."""
    arithmetic_s = cost.flops / limits.flops_per_s
    memory_s = cost.bytes / limits.bytes_per_s
    least_s = max(arithmetic_s, memory_s)
    return Roofline("arithmetic" if arithmetic_s >= memory_s else "memory", least_s, least_s / measured_s)


def measure_limits(device: torch.device) -> Limits:
    """The best of a few runs each: a limit is not disturbed upwards."""
    number_format = torch.float16 if device.type == "cuda" else torch.float32
    n = MATRIX_SIZE[device.type]
    a, b, product = (torch.rand((n, n), device=device).to(number_format) for _ in range(3))
    matrix_s = _best(lambda: torch.mm(a, b, out=product), device)
    source = torch.ones(COPY_BYTES[device.type], dtype=torch.uint8, device=device)
    target = torch.empty_like(source)
    copy_s = _best(lambda: target.copy_(source), device)
    return Limits(2 * n**3 / matrix_s, 2 * source.numel() / copy_s, str(number_format).removeprefix("torch."))


def best_limits(first: Limits, *others: Limits) -> Limits:
    """The highest rates of several measurements, since other work on the machine only lowers them."""
    measured = (first, *others)
    return replace(
        first,
        flops_per_s=max(limits.flops_per_s for limits in measured),
        bytes_per_s=max(limits.bytes_per_s for limits in measured),
    )


def _best(run: Callable[[], object], device: torch.device) -> float:
    run()
    return min(seconds(run, device) for _ in range(REPEATS))
