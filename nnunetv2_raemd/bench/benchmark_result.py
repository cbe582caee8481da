"""What a benchmark found, and the JSON file that keeps it."""

from __future__ import annotations

import json
from dataclasses import asdict, dataclass, field
from pathlib import Path

from nnunetv2_raemd.bench.clock import Spread
from nnunetv2_raemd.bench.cost import Cost
from nnunetv2_raemd.bench.machine import Machine
from nnunetv2_raemd.bench.roofline import Limits, Roofline
from nnunetv2_raemd.bench.sizes import Sizes
from nnunetv2_raemd.whole_files import write_text

SCHEMA = 1


@dataclass(frozen=True)
class Timing:
    """Repeated measurements: seconds in the order of the rounds, and what follows from them.

    `ratio` is to the reference peer, round by round and for equal numbers of slices.
    """

    seconds: list[float]
    spread: Spread
    slices_per_s: float
    ratio: Spread


@dataclass(frozen=True)
class ScanTiming:
    """Prediction of a small scan, and what it means for a whole one.

    `command` is whose predictor it was: nnUNetv2_predict's or that of raemd predict, which moves windows of a
    single slice over the scan.
    `whole_scan_s` is per scan of `Result.scan_shape`. If `scaled`, it is the measured time multiplied by the
    voxels that pass through the network for the whole scan in the windows of its own plan, over those for the
    measured one; otherwise it was measured.
    """

    command: str
    mirroring: bool
    measured_shape: tuple[int, ...]
    n_windows: int
    n_windows_whole_scan: int
    seconds: list[float]
    whole_scan_s: Spread
    ratio: Spread
    scaled: bool


@dataclass(frozen=True)
class PeerResult:
    """All about one network; costs and memory are of one training step or forward pass with `slices`."""

    name: str
    label: str
    patch_size: list[int]
    batch_size: int
    slices: float
    parameters: int
    compiled: bool
    first_step_s: float
    training: Timing
    forward: Timing
    scans: list[ScanTiming]
    memory_bytes: int
    memory_kind: str
    training_cost: Cost
    forward_cost: Cost
    training_roofline: Roofline
    forward_roofline: Roofline


@dataclass(frozen=True)
class ScalingPoint:
    """A training step of a peer with one setting changed."""

    setting: str
    value: int
    peer: str
    slices: float
    training: Timing


@dataclass(frozen=True)
class Result:
    """A whole benchmark. `skipped` says per peer why it could not be run."""

    date: str
    command: str
    machine: Machine
    sizes: Sizes
    rounds: int
    scan_shape: tuple[int, int, int]
    limits: Limits
    reference: str
    peers: list[PeerResult]
    skipped: dict[str, str] = field(default_factory=dict)
    parts_s: dict[str, dict[str, float]] = field(default_factory=dict)
    scaling: list[ScalingPoint] = field(default_factory=list)
    schema: int = SCHEMA


def part_names(result: Result) -> list[str]:
    """Of all parts that any network has, "other" last."""
    names = dict.fromkeys(name for parts in result.parts_s.values() for name in parts)
    return sorted(names, key=lambda name: name == "other")


def to_json(result: Result) -> str:
    """As text, with the fields named as in the classes."""
    return json.dumps(asdict(result), indent=2)


def write_json(result: Result, file: Path) -> None:
    """Write whole or not at all.

    Raises:
        UserError: if it cannot be written.
    """
    write_text(file, to_json(result))
