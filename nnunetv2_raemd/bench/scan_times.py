"""Seconds per scan of 300 x 512 x 512, measured whole or on a small one."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace

from nnunetv2.inference.predict_from_raw_data import nnUNetPredictor
from torch import nn

from nnunetv2_raemd.bench.benchmark_result import ScanTiming
from nnunetv2_raemd.bench.clock import in_turns, pairwise_ratio, spread
from nnunetv2_raemd.bench.competition import Competitor, prepare_network, reference_name
from nnunetv2_raemd.bench.peers import Peer, make_peers
from nnunetv2_raemd.bench.prediction_times import ScanPrediction, n_windows, voxels_predicted
from nnunetv2_raemd.bench.session import Session
from nnunetv2_raemd.bench.sized_plans import PATCHES_OF_SCAN, SCAN_SHAPE
from nnunetv2_raemd.bench.sizes import Sizes
from nnunetv2_raemd.prediction.nnunet_predictor import AnyNetworkPredictor

STOCK = "nnUNetv2_predict"
PREDICTORS = {STOCK: nnUNetPredictor, "raemd predict": AnyNetworkPredictor}


@dataclass(frozen=True)
class ScanTask:
    """The networks and, by the name of each, the shape (slices, rows, columns) of the scan to predict."""

    networks: list[tuple[Peer, nn.Module]]
    shapes: Mapping[str, tuple[int, ...]]
    reference: str


def small_scan(competitors: Sequence[Competitor], sizes: Sizes) -> ScanTask:
    """Scans twice as deep as a window, and as wide: that of 3d, a sequence for all others."""
    networks = [(competitor.peer, competitor.step.network) for competitor in competitors]
    patch = (sizes.sequence, *sizes.patch_2d)
    shapes = {peer.name: _twice_as_deep(sizes.patch_3d if _is_3d(peer) else patch) for peer, _ in networks}
    return ScanTask(networks, shapes, reference_name(competitors))


def _is_3d(peer: Peer) -> bool:
    return peer.configuration_name == "3d_fullres"


def _twice_as_deep(patch: Sequence[int]) -> tuple[int, ...]:
    return (2 * patch[0], *patch[1:])


def whole_scan(competitors: Sequence[Competitor], sizes: Sizes) -> ScanTask:
    """The scan itself, by untrained networks with the patches that nnU-Net plans for it."""
    for_scan = replace(sizes, size=PATCHES_OF_SCAN[2][0], patch_3d=PATCHES_OF_SCAN[3])
    peers = make_peers((competitor.peer.name for competitor in competitors), for_scan)
    networks = [(peer, peer.build(deep_supervision=False)) for peer in peers]
    shapes = {peer.name: SCAN_SHAPE for peer in peers}
    return ScanTask(networks, shapes, reference_name(competitors))


def time_scans(task: ScanTask, session: Session) -> dict[str, list[ScanTiming]]:
    """For every peer, prediction without and with mirroring; for RAEMD-Net then the same by raemd predict."""
    for _, network in task.networks:
        prepare_network(network, training=False)
    timings: dict[str, list[ScanTiming]] = {peer.name: [] for peer, _ in task.networks}
    without, with_ = (scan_timings(task, session, mirroring=mirroring) for mirroring in (False, True))
    for name, command in without:
        timings[name] += [without[name, command], with_[name, command]]
    return timings


def scan_timings(task: ScanTask, session: Session, *, mirroring: bool) -> dict[tuple[str, str], ScanTiming]:
    """Prediction of the scans of a task, by peer and command; the networks must be ready to predict."""
    entries = {
        (peer.name, command): (peer, network)
        for command in PREDICTORS
        for peer, network in task.networks
        if command == STOCK or peer.recipe is not None
    }
    runs = {
        key: ScanPrediction(
            peer, network, task.shapes[key[0]], session.device, mirroring=mirroring, kind=PREDICTORS[key[1]]
        )
        for key, (peer, network) in entries.items()
    }
    what = f"scan {'with' if mirroring else 'without'} mirroring"
    measured = in_turns(runs, session.rounds(what), session.device)
    windows = {key: _windows(peer, key[1]) for key, (peer, _) in entries.items()}
    whole = {
        key: [value * scale_to_whole_scan(*windows[key], task.shapes[key[0]]) for value in measured[key]]
        for key in entries
    }
    return {
        key: ScanTiming(
            command=key[1],
            mirroring=mirroring,
            measured_shape=task.shapes[key[0]],
            n_windows=n_windows(task.shapes[key[0]], measured_windows),
            n_windows_whole_scan=n_windows(SCAN_SHAPE, windows_of_scan),
            seconds=measured[key],
            whole_scan_s=spread(whole[key]),
            ratio=pairwise_ratio(whole[key], whole[task.reference, STOCK]),
            scaled=task.shapes[key[0]] != SCAN_SHAPE,
        )
        for key, (measured_windows, windows_of_scan) in windows.items()
    }


def _windows(peer: Peer, command: str) -> tuple[Sequence[int], Sequence[int]]:
    """The windows of the network measured and of its own plan for the whole scan."""
    first = 0 if command == STOCK else 1  # raemd predict computes each slice once, as windows of one slice do
    return peer.configuration["patch_size"][first:], peer.patch_of_scan[first:]


def scale_to_whole_scan(
    windows: Sequence[int], windows_of_scan: Sequence[int], shape: Sequence[int]
) -> float:
    """How many times as many voxels pass through the network for the whole scan; 1 for that one itself."""
    return voxels_predicted(SCAN_SHAPE, windows_of_scan) / voxels_predicted(shape, windows)
