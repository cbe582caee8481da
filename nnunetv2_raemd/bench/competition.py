"""All peers in one process, taking turns, on equally many slices."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

import torch
from torch import nn

from nnunetv2_raemd.bench.benchmark_result import Timing
from nnunetv2_raemd.bench.clock import Run, in_turns, pairwise_ratio, seconds, spread
from nnunetv2_raemd.bench.peers import REFERENCE, Peer
from nnunetv2_raemd.bench.prediction_times import ForwardPass
from nnunetv2_raemd.bench.session import Session
from nnunetv2_raemd.bench.sizes import Sizes
from nnunetv2_raemd.bench.training_step import TrainingStep

WARM_UP_STEPS = 2


@dataclass(frozen=True)
class Competitor:
    """A peer, ready to train; its first step took longer where the network is compiled.

    `slices` of the size of the benchmark make its batch.
    """

    peer: Peer
    step: TrainingStep
    first_step_s: float
    slices: float


def prepare(peers: Sequence[Peer], sizes: Sizes, session: Session) -> tuple[list[Competitor], dict[str, str]]:
    """The competitors, and why others cannot compete."""
    ready, skipped = [], {}
    for peer in peers:
        session.say(f"first step of {peer.label}")
        try:
            ready.append(_competitor(peer, sizes, session.device))
        except torch.cuda.OutOfMemoryError as error:
            skipped[peer.name] = f"does not fit the memory: {str(error).splitlines()[0]}"
            torch.cuda.empty_cache()
    return ready, skipped


def _competitor(peer: Peer, sizes: Sizes, device: torch.device) -> Competitor:
    torch.manual_seed(0)
    step = TrainingStep(peer, device)
    first_step_s = seconds(step, device)
    for _ in range(WARM_UP_STEPS):
        step()
    return Competitor(peer, step, first_step_s, math.prod(peer.batch_shape) / sizes.size**2)


def reference_name(competitors: Sequence[Competitor]) -> str:
    """nnU-Net's 2d if it competes, else the first."""
    names = [competitor.peer.name for competitor in competitors]
    return REFERENCE if REFERENCE in names else names[0]


def time_training(competitors: Sequence[Competitor], session: Session) -> dict[str, Timing]:
    """Training steps."""
    for competitor in competitors:
        prepare_network(competitor.step.network, training=True)
    runs: dict[str, Run] = {competitor.peer.name: competitor.step for competitor in competitors}
    return _timings(competitors, in_turns(runs, session.rounds("training steps"), session.device))


def time_forward(competitors: Sequence[Competitor], session: Session) -> dict[str, Timing]:
    """The networks alone, as in prediction."""
    runs: dict[str, Run] = {}
    for competitor in competitors:
        prepare_network(competitor.step.network, training=False)
        runs[competitor.peer.name] = ForwardPass(competitor.step.network, competitor.step.images)
    for run in runs.values():
        run()
    return _timings(competitors, in_turns(runs, session.rounds("inference"), session.device))


def _timings(competitors: Sequence[Competitor], measured: dict[str, list[float]]) -> dict[str, Timing]:
    per_slice = {
        competitor.peer.name: [value / competitor.slices for value in measured[competitor.peer.name]]
        for competitor in competitors
    }
    reference = per_slice[reference_name(competitors)]
    return {
        name: Timing(
            seconds=measured[name],
            spread=spread(measured[name]),
            slices_per_s=1 / spread(values).median,
            ratio=pairwise_ratio(values, reference),
        )
        for name, values in per_slice.items()
    }


def prepare_network(network: nn.Module, *, training: bool) -> None:
    """Switch what nnU-Net switches between training and prediction."""
    network.train(training)
    network.decoder.deep_supervision = training  # type: ignore[union-attr]
