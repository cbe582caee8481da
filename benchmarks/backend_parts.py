"""Time of RAEMD-Net's thirds by every backend that is installed, beside nnU-Net's 2d in torch.

    python benchmarks/backend_parts.py --size 256 --features 32 [--sequence 8] [--rounds 5]

A step along a scan is measured: half a sequence of new slices is encoded, a whole sequence goes through the
recurrence, and half of one is decoded, some slices at a time as in prediction; nnU-Net's 2d predicts as many
slices one by one. The process keeps freed memory for all of them. All take turns, by processor time of one
thread, in ms: the least of the rounds, and the median. Weights are random.
"""

from __future__ import annotations

import argparse
import time
from collections.abc import Callable
from functools import partial
from typing import Any

import numpy as np
import torch
from torch import Tensor

from nnunetv2_raemd.bench.backend_networks import backend_networks
from nnunetv2_raemd.bench.peers import REFERENCE, make_peers
from nnunetv2_raemd.bench.session import Session
from nnunetv2_raemd.bench.sizes import Sizes
from nnunetv2_raemd.freed_memory import keep_freed_memory
from nnunetv2_raemd.prediction.slice_stream import slices_at_a_time

Runs = dict[tuple[str, str], Callable[[], object]]


def thirds(name: str, network: Any, slices: Tensor) -> Runs:
    """Each third of a network on what the ones before make of slices (T, 1, H, W)."""
    n_slices, half = len(slices), len(slices) // 2
    at_a_time = slices_at_a_time(slices.shape[-2:], slices.device)
    features = network.encode(slices)
    fused = network.recur(features, n_slices)
    read = slices[:half].split(at_a_time)
    held = list(zip(*(values[:half].split(at_a_time) for values in fused), strict=True))
    return {
        (name, "encode"): lambda: [network.encode(some) for some in read],
        (name, "recur"): partial(network.recur, features, n_slices),
        (name, "decode"): lambda: [network.decode(some) for some in held],
    }


def main() -> None:
    """Print a row for every backend."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawTextHelpFormatter)
    parser.add_argument("--size", type=int, default=256)
    parser.add_argument("--features", type=int, default=32)
    parser.add_argument("--sequence", type=int, default=8)
    parser.add_argument("--rounds", type=int, default=5)
    options = parser.parse_args()
    torch.set_num_threads(1)
    keep_freed_memory()
    sizes = Sizes(options.size, 2 * options.sequence, options.sequence, options.features)
    reference, raemd = make_peers([REFERENCE, "raemd"], sizes)
    slices = torch.randn(options.sequence, 1, options.size, options.size)
    nnunet = reference.build(deep_supervision=False).eval()
    runs: Runs = {(reference.label, "all"): lambda: [nnunet(one) for one in slices[::2].split(1)]}
    measured: dict[tuple[str, str], list[float]] = {}
    session = Session(torch.device("cpu"), options.rounds, lambda message: print(message, flush=True))
    with torch.inference_mode():
        network = raemd.build(deep_supervision=False).eval()
        for name, make in backend_networks(raemd, network, session):
            runs |= thirds(name, make(), slices)
        for _ in session.rounds("thirds"):
            for key, run in runs.items():
                start = time.process_time()
                run()
                measured.setdefault(key, []).append(1000 * (time.process_time() - start))
    print("| network | part | least, ms | median, ms |\n|---|---|---|---|")
    for (name, part), times in measured.items():
        print(f"| {name} | {part} | {min(times):.0f} | {np.median(times):.0f} |")


if __name__ == "__main__":
    main()
