"""How a training step grows with one of the sizes, or shrinks with threads."""

from __future__ import annotations

from collections.abc import Iterable, Sequence

import torch

from nnunetv2_raemd.bench.benchmark_result import ScalingPoint
from nnunetv2_raemd.bench.competition import prepare, time_training
from nnunetv2_raemd.bench.peers import make_peers
from nnunetv2_raemd.bench.session import Session
from nnunetv2_raemd.bench.sizes import Sizes
from nnunetv2_raemd.bench.sweep import CHANGES, THREADS, Sweep


def check_sweep(sweep: Sweep, names: Iterable[str], sizes: Sizes) -> None:
    """Raise a `UserError` now rather than after minutes of measuring if a value does not suit."""
    names = list(names)
    for value in sweep.values:
        make_peers(names, CHANGES[sweep.setting](sizes, value))


def run_sweep(sweep: Sweep, names: Sequence[str], sizes: Sizes, session: Session) -> list[ScalingPoint]:
    """Training steps of all peers with each of the values; what does not fit the memory is left out."""
    threads = torch.get_num_threads()
    points = []
    for value in sweep.values:
        if sweep.setting == THREADS:
            torch.set_num_threads(value)
        changed = CHANGES[sweep.setting](sizes, value)
        competitors, _ = prepare(make_peers(names, changed), changed, session)
        session.say(f"{sweep.setting} {value}")
        timings = time_training(competitors, session) if competitors else {}
        points += [
            ScalingPoint(sweep.setting, value, c.peer.name, c.slices, timings[c.peer.name])
            for c in competitors
        ]
    torch.set_num_threads(threads)
    return points
