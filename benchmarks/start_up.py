"""From the command to the first slices of `raemd predict --model`, by every backend.

    python benchmarks/start_up.py --size 512 --features 32 [--backends torch openvino] [--rounds 3]

An exported RAEMD-Net with random weights predicts a scan of two sequences. The process ends with the first
slices that come out of the network, for which a whole sequence is encoded, and says how long that took and
how long the same slices take once more: the rest is start-up, which is importing, reading model and scan,
preprocessing and compiling graphs. Times are of the processor, of one thread, in a process of its own each.
"""

from __future__ import annotations

import argparse
import json
import os
import subprocess
import sys
import tempfile
from pathlib import Path

import torch
from scan_memory import SEQUENCE, WAYS, exported, predict_command, say, untrained, write_scan

N_SLICES = 2 * SEQUENCE
ENDS_WITH_FIRST_SLICES = """
import json, os, time
from nnunetv2_raemd import cli
from nnunetv2_raemd.prediction import predictor

stream_logits = predictor.stream_logits

def first_slices(*arguments):
    times = []
    for _ in range(2):
        next(stream_logits(*arguments))
        times.append(time.process_time())
    os.write(1, ("\\n" + json.dumps(times)).encode())
    os._exit(0)

predictor.stream_logits = first_slices
cli.main()
"""


def start_up(command: list[str]) -> tuple[float, float, float]:
    """Seconds until the first slices come out; start-up and the network's share of these."""
    started = [sys.executable, "-c", ENDS_WITH_FIRST_SLICES, *command]
    one_thread = {**os.environ, "OMP_NUM_THREADS": "1"}
    finished = subprocess.run(started, stdout=subprocess.PIPE, text=True, check=True, env=one_thread)
    first, second = json.loads(finished.stdout.splitlines()[-1])
    return first, 2 * first - second, second - first


def main() -> None:
    """Print a row for every backend."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawTextHelpFormatter)
    parser.add_argument("--size", type=int, default=512)
    parser.add_argument("--features", type=int, default=32)
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument(
        "--backends", nargs="+", default=["torch", "onnxruntime", "openvino"], choices=list(WAYS)
    )
    options = parser.parse_args()
    torch.set_num_threads(1)
    source = untrained(options.size, options.features)
    with tempfile.TemporaryDirectory(prefix="raemd_start_") as name:
        folder = Path(name)
        write_scan(N_SLICES, options.size, folder / "images")
        print("| backend | first slices, s | start-up, s | network, s |\n|---|---|---|---|", flush=True)
        for way in options.backends:
            model = exported(source, way, folder)
            command = predict_command(model, folder / "images", folder / "out", *WAYS[way][-1])
            times = []
            for _ in range(options.rounds):
                times.append(start_up(command))
                say(f"{way}: first slices {times[-1][0]:.2f} s, of which network {times[-1][2]:.2f} s")
            cells = [", ".join(f"{seconds:.2f}" for seconds in kind) for kind in zip(*times, strict=True)]
            print(f"| {way} | {' | '.join(cells)} |", flush=True)


if __name__ == "__main__":
    main()
