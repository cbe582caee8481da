"""How a training step grows with one of the sizes, or shrinks with threads."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, replace

import torch

from nnunetv2_raemd.bench.benchmark_result import ScalingPoint
from nnunetv2_raemd.bench.competition import prepare, time_training
from nnunetv2_raemd.bench.peers import make_peers
from nnunetv2_raemd.bench.session import Session
from nnunetv2_raemd.bench.sizes import Sizes
from nnunetv2_raemd.errors import UserError

THREADS = "threads"
CHANGES: dict[str, Callable[[Sizes, int], Sizes]] = {
    # as many sequences of another length
    "sequence": lambda sizes, value: replace(
        sizes, sequence=value, slices=value * sizes.n_sequences, patch_3d=()
    ),
    "slices": lambda sizes, value: replace(sizes, slices=value, patch_3d=()),
    "size": lambda sizes, value: replace(sizes, size=value, patch_3d=()),
    THREADS: lambda sizes, _: sizes,
}


@dataclass(frozen=True)
class Sweep:
    """A setting and the values it is to take."""

    setting: str
    values: tuple[int, ...]


def parse_sweep(text: str) -> Sweep:
    """`size:64,128` to a sweep.

    Raises:
        UserError: if it is not of that form.
    """
    setting, _, numbers = text.partition(":")
    values = numbers.split(",")
    if setting not in CHANGES or not all(value.isdecimal() and int(value) > 0 for value in values):
        raise UserError(
            f"--scaling {text}: give one of {', '.join(CHANGES)} and its values, as in size:64,128,256"
        )
    return Sweep(setting, tuple(map(int, values)))


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
