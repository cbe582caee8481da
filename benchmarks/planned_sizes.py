"""Training and prediction with nnU-Net's 32 features and the patches it plans for scans of 300 x 512 x 512.

    python benchmarks/planned_sizes.py [--rounds 3] [--threads 4] [--device cpu]

nnU-Net's 2d (512 x 512) and 3d_fullres (two patches of 96 x 160 x 160) beside RAEMD-Net (8 x 512 x 512), in
turns in one process. It does what `raemd bench --size 512 --features 32 --patch-3d 96 160 160` does, without
what takes hours or more than 16 GB on a CPU: mirroring, memory, arithmetic. About 10 minutes on 4 cores.
"""

from __future__ import annotations

import argparse
from collections.abc import Mapping
from dataclasses import replace

from nnunetv2_raemd.bench.benchmark_result import Timing
from nnunetv2_raemd.bench.benchmark_terminal import ratio_text
from nnunetv2_raemd.bench.competition import Competitor, prepare, prepare_network, time_forward, time_training
from nnunetv2_raemd.bench.machine import use_device
from nnunetv2_raemd.bench.peers import make_peers
from nnunetv2_raemd.bench.scan_times import scan_timings, small_scan
from nnunetv2_raemd.bench.session import Session
from nnunetv2_raemd.bench.sized_plans import PATCHES_OF_SCAN
from nnunetv2_raemd.bench.sizes import Sizes

PEERS = ("nnunet-2d", "nnunet-3d", "raemd")
SEQUENCE = 8  # as planned for that size
SIZES = Sizes(PATCHES_OF_SCAN[2][0], SEQUENCE, SEQUENCE, 32, PATCHES_OF_SCAN[3])
SCAN_ROUNDS = 2


def show_timings(title: str, timings: Mapping[str, Timing]) -> None:
    """Slices of 512 x 512 per second, and ratios to nnU-Net's 2d for as many voxels."""
    for name, timing in timings.items():
        print(
            f"{title} {name}: {timing.slices_per_s:.3f} slices/s, {ratio_text(timing.ratio)} of nnU-Net 2d",
            flush=True,
        )


def show_scans(competitors: list[Competitor], session: Session) -> None:
    """Seconds for a scan of 300 x 512 x 512, from as many windows as lie in one twice as deep as a patch."""
    task = small_scan(competitors, SIZES)
    for _, network in task.networks:
        prepare_network(network, training=False)
    for (name, command), timing in scan_timings(task, session, mirroring=False).items():
        seconds = timing.whole_scan_s.median
        print(
            f"scan {name}, {command}: {seconds:.0f} s, {ratio_text(timing.ratio)} of nnU-Net 2d", flush=True
        )


def main() -> None:
    """Measure and print, one question after the other."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawTextHelpFormatter)
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--threads", type=int, default=4)
    parser.add_argument("--device", default="cpu")
    options = parser.parse_args()
    device = use_device(options.device, options.threads)
    session = Session(device, options.rounds, lambda text: print(f"... {text}", flush=True))
    competitors, skipped = prepare(make_peers(PEERS, SIZES), SIZES, session)
    print(skipped or "all networks fit the memory")
    show_timings("training", time_training(competitors, session))
    show_timings("inference", time_forward(competitors, session))
    show_scans(competitors, replace(session, n_rounds=SCAN_ROUNDS))


if __name__ == "__main__":
    main()
