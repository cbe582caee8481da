"""A size of the benchmark, or its number of threads, and the values that it is to take."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace

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
