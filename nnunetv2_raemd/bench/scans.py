"""Seconds per scan of 300 x 512 x 512 with nnU-Net's predictor, measured whole or on a small one."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace

from torch import nn

from nnunetv2_raemd.bench.clock import in_turns, pairwise_ratio, spread
from nnunetv2_raemd.bench.competition import Competitor, prepare_network, reference_name
from nnunetv2_raemd.bench.peers import Peer, make_peers
from nnunetv2_raemd.bench.plan import PATCHES_OF_SCAN, SCAN_SHAPE
from nnunetv2_raemd.bench.prediction import ScanPrediction, n_windows, voxels_predicted
from nnunetv2_raemd.bench.result import ScanTiming
from nnunetv2_raemd.bench.session import Session
from nnunetv2_raemd.bench.sizes import Sizes

SEQUENCES_IN_SMALL_SCAN = 2


@dataclass(frozen=True)
class ScanTask:
    """A scan of that shape (slices, rows, columns) and the networks to predict it."""

    networks: list[tuple[Peer, nn.Module]]
    shape: tuple[int, ...]
    reference: str


def small_scan(competitors: Sequence[Competitor], sizes: Sizes) -> ScanTask:
    """A scan of two sequences, as wide as the slices that the networks were trained on."""
    shape = (SEQUENCES_IN_SMALL_SCAN * sizes.sequence, *sizes.patch_2d)
    networks = [(competitor.peer, competitor.step.network) for competitor in competitors]
    return ScanTask(networks, shape, reference_name(competitors))


def whole_scan(competitors: Sequence[Competitor], sizes: Sizes) -> ScanTask:
    """The scan itself, by untrained networks with the patches that nnU-Net plans for it."""
    for_scan = replace(sizes, size=PATCHES_OF_SCAN[2][0], patch_3d=PATCHES_OF_SCAN[3])
    peers = make_peers((competitor.peer.name for competitor in competitors), for_scan)
    networks = [(peer, peer.build(deep_supervision=False)) for peer in peers]
    return ScanTask(networks, SCAN_SHAPE, reference_name(competitors))


def time_scans(task: ScanTask, session: Session) -> dict[str, list[ScanTiming]]:
    """For every peer, prediction without and with mirroring."""
    for _, network in task.networks:
        prepare_network(network, training=False)
    without, with_ = (_time_scans(task, session, mirroring=mirroring) for mirroring in (False, True))
    return {peer.name: [without[peer.name], with_[peer.name]] for peer, _ in task.networks}


def _time_scans(task: ScanTask, session: Session, *, mirroring: bool) -> dict[str, ScanTiming]:
    runs = {
        peer.name: ScanPrediction(peer, network, task.shape, session.device, mirroring=mirroring)
        for peer, network in task.networks
    }
    what = f"scan {'with' if mirroring else 'without'} mirroring"
    measured = in_turns(runs, session.rounds(what), session.device)
    whole = {
        peer.name: [value * scale_to_whole_scan(peer, task.shape) for value in measured[peer.name]]
        for peer, _ in task.networks
    }
    return {
        peer.name: ScanTiming(
            mirroring=mirroring,
            measured_shape=task.shape,
            n_windows=n_windows(task.shape, peer.configuration["patch_size"]),
            n_windows_whole_scan=n_windows(SCAN_SHAPE, peer.patch_of_scan),
            seconds=measured[peer.name],
            whole_scan_s=spread(whole[peer.name]),
            ratio=pairwise_ratio(whole[peer.name], whole[task.reference]),
            scaled=task.shape != SCAN_SHAPE,
        )
        for peer, _ in task.networks
    }


def scale_to_whole_scan(peer: Peer, shape: Sequence[int]) -> float:
    """How many times as many voxels pass through the network for the whole scan; 1 for that one itself."""
    whole = voxels_predicted(SCAN_SHAPE, peer.patch_of_scan)
    return whole / voxels_predicted(shape, peer.configuration["patch_size"])
