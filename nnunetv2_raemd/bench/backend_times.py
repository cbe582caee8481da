"""Scans predicted by RAEMD-Net on every backend that is installed, beside nnU-Net's 2d in torch."""

from __future__ import annotations

import json
from collections.abc import Callable, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path

import torch

from nnunetv2_raemd.bench.backend_networks import backend_networks
from nnunetv2_raemd.bench.clock import Spread, pairwise_ratio
from nnunetv2_raemd.bench.file_prediction import ScanFile, without_lesions
from nnunetv2_raemd.bench.own_process import Timed, Times, own_process, timed
from nnunetv2_raemd.bench.peers import REFERENCE, make_peers
from nnunetv2_raemd.bench.prediction_times import ScanPrediction
from nnunetv2_raemd.bench.session import Session
from nnunetv2_raemd.bench.sizes import Sizes
from nnunetv2_raemd.prediction.nnunet_predictor import AnyNetworkPredictor
from nnunetv2_raemd.whole_files import write_text

RAEMD = "raemd"
Runs = dict[str, Timed]


@dataclass(frozen=True)
class BackendTiming:
    """Seconds of a scan by one backend, and their ratios to nnU-Net's 2d in the same round.

    Attributes:
        wall_s, processor_s: in every round; the latter of all threads together, which other work on the
            machine hardly disturbs.
    """

    name: str
    wall_s: tuple[float, ...]
    processor_s: tuple[float, ...]
    wall_ratio: Spread
    processor_ratio: Spread


def time_backends(sizes: Sizes, session: Session) -> list[BackendTiming]:
    """Predict a scan, in turns, without mirroring; the weights are random. nnU-Net does in its own process.

    It has the slices of a training step, at least two sequences: the windows of a short scan overlap less
    than those of a whole one.

    Raises:
        UserError: if the packages for the export are missing.
    """
    reference, raemd = make_peers([REFERENCE, RAEMD], sizes)
    shape = (max(sizes.slices, 2 * sizes.sequence), *sizes.patch_2d)
    with own_process() as apart:
        runs: Runs = {reference.label: apart(_nnunet_on_noise, sizes, shape, session.device)}
        for name, make in backend_networks(raemd, raemd.build(deep_supervision=False).eval(), session):
            prediction = ScanPrediction(
                raemd, make(), shape, session.device, mirroring=False, kind=AnyNetworkPredictor
            )
            runs[name] = timed(prediction)
        return _compared(_measure(runs, session))


def _nnunet_on_noise(sizes: Sizes, shape: tuple[int, ...], device: torch.device) -> Callable[[], object]:
    (peer,) = make_peers([REFERENCE], sizes)
    return ScanPrediction(peer, peer.build(deep_supervision=False).eval(), shape, device, mirroring=False)


def time_file(file: Path, folder: Path, sizes: Sizes, session: Session) -> list[BackendTiming]:
    """Predict a CT in turns, without mirroring, from its file to that of its segmentation.

    nnU-Net does so in its own process. RAEMD-Net does so a second time within the lungs only.

    Args:
        folder: an empty one, for what is predicted and what comes out.

    Raises:
        UserError: if the packages for the export are missing, the file cannot be read, or no lungs are found.
    """
    scan = ScanFile.copied(file, folder)
    scan.check_lungs()
    reference, raemd = make_peers([REFERENCE, RAEMD], sizes)
    ours = without_lesions(raemd.build(deep_supervision=False))
    with own_process() as apart:
        runs: Runs = {
            f"{reference.label}, nnUNetv2_predict": apart(_nnunet_on_file, scan, sizes, session.device)
        }
        for name, make in backend_networks(raemd, ours, session):
            runs[name] = timed(scan.as_raemd(raemd, make(), session.device))
            # another network: OpenVINO's are compiled for the size of slices that they saw last
            runs[f"{name}, --lungs"] = timed(scan.as_raemd(raemd, make(), session.device, lungs=True))
        return _compared(_measure(runs, session))


def _nnunet_on_file(scan: ScanFile, sizes: Sizes, device: torch.device) -> Callable[[], object]:
    (peer,) = make_peers([REFERENCE], sizes)
    return scan.as_nnunet(peer, without_lesions(peer.build(deep_supervision=False)), device)


def _compared(measured: dict[str, list[Times]]) -> list[BackendTiming]:
    """Ratios to the first."""
    first = next(iter(measured.values()))
    return [
        BackendTiming(
            name,
            tuple(wall for wall, _ in times),
            tuple(processor for _, processor in times),
            _ratio(times, first, 0),
            _ratio(times, first, 1),
        )
        for name, times in measured.items()
    ]


def _ratio(times: list[Times], reference: list[Times], kind: int) -> Spread:
    return pairwise_ratio([one[kind] for one in times], [one[kind] for one in reference])


def _measure(runs: Runs, session: Session) -> dict[str, list[Times]]:
    for name, run in runs.items():
        session.say(f"first scan: {name}")
        run()
    measured: dict[str, list[Times]] = {name: [] for name in runs}
    for round_ in session.rounds("scans"):
        names = list(runs)
        for name in reversed(names) if round_ % 2 else names:
            measured[name].append(runs[name]())
    return measured


def write_timings(times: Sequence[BackendTiming], file: Path) -> None:
    """Write all timings as JSON; raises `UserError` where the file cannot be written."""
    write_text(file, json.dumps([asdict(timing) for timing in times], indent=1) + "\n")
