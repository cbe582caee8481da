"""What denormal numbers cost on this processor, and whether flushing them to zero helps.

    python benchmarks/denormals.py

Operations of a training step on tensors of usual and of denormal numbers, in turns; medians of single-thread
times.
"""

from __future__ import annotations

import statistics
import time
from collections.abc import Callable

import torch
from torch.nn import functional as F

ROUNDS = 15
SHAPE = (4, 32, 96, 96)
DENORMAL = 1e-41
WEIGHT = torch.randn(32, 32, 3, 3)
OPERATIONS: dict[str, Callable[[torch.Tensor], torch.Tensor]] = {
    "multiplication": lambda x: x * 0.5,
    "leaky ReLU": lambda x: F.leaky_relu(x, 0.01),
    "sigmoid": torch.sigmoid,
    "instance normalisation": F.instance_norm,
    "convolution 3 x 3": lambda x: F.conv2d(x, WEIGHT, padding=1),
}


def seconds(operation: Callable[[torch.Tensor], torch.Tensor], x: torch.Tensor) -> float:
    """Time of one call."""
    start = time.perf_counter()
    operation(x)
    return time.perf_counter() - start


def ratio(operation: Callable[[torch.Tensor], torch.Tensor]) -> float:
    """Median, over rounds, of the time on denormal numbers relative to that on usual ones."""
    usual = torch.randn(SHAPE)
    denormal = usual * DENORMAL
    seconds(operation, usual)
    return statistics.median(seconds(operation, denormal) / seconds(operation, usual) for _ in range(ROUNDS))


def main() -> None:
    """Print the ratios without and with flushing."""
    torch.set_num_threads(1)
    torch.manual_seed(0)
    print(f"{'operation':24}{'as they are':>14}{'flushed':>10}")
    for name, operation in OPERATIONS.items():
        torch.set_flush_denormal(False)
        as_they_are = ratio(operation)
        torch.set_flush_denormal(True)
        print(f"{name:24}{as_they_are:14.2f}{ratio(operation):10.2f}")


if __name__ == "__main__":
    with torch.inference_mode():
        main()
