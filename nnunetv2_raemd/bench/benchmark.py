"""The whole benchmark: what is measured, in which order."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from datetime import datetime

from nnunetv2_raemd.architecture import RAEMDNet
from nnunetv2_raemd.bench.benchmark_result import PeerResult, Result, ScanTiming, Timing
from nnunetv2_raemd.bench.clock import seconds, spread
from nnunetv2_raemd.bench.competition import (
    Competitor,
    prepare,
    prepare_network,
    reference_name,
    time_forward,
    time_training,
)
from nnunetv2_raemd.bench.cost import cost_of
from nnunetv2_raemd.bench.machine import describe_machine
from nnunetv2_raemd.bench.parts import by_part, part_runs
from nnunetv2_raemd.bench.peers import make_peers
from nnunetv2_raemd.bench.prediction_times import ForwardPass
from nnunetv2_raemd.bench.roofline import Limits, best_limits, measure_limits, roofline
from nnunetv2_raemd.bench.scaling import check_sweep, run_sweep
from nnunetv2_raemd.bench.scan_times import small_scan, time_scans, whole_scan
from nnunetv2_raemd.bench.session import Session
from nnunetv2_raemd.bench.sized_plans import SCAN_SHAPE
from nnunetv2_raemd.bench.sizes import Sizes
from nnunetv2_raemd.bench.step_memory import step_memory
from nnunetv2_raemd.bench.sweep import Sweep
from nnunetv2_raemd.bench.training_step import nnunet_compiles
from nnunetv2_raemd.errors import UserError


@dataclass(frozen=True)
class Task:
    """What to compare. `predict_whole_scan` measures a scan that otherwise is scaled up from a small one."""

    names: tuple[str, ...]
    sizes: Sizes
    predict_whole_scan: bool = False
    sweeps: tuple[Sweep, ...] = ()
    command: str = ""


def run_benchmark(task: Task, session: Session) -> Result:
    """Measure everything.

    Raises:
        UserError: if names or sizes are wrong, or no network fits the memory.
    """
    for sweep in task.sweeps:
        check_sweep(sweep, task.names, task.sizes)
    peers = make_peers(task.names, task.sizes)
    machine = describe_machine(session.device)  # first: what it cannot describe must not cost the timings
    session.say("limits of the device")
    limits = measure_limits(session.device)
    competitors, skipped = prepare(peers, task.sizes, session)
    if not competitors:
        raise UserError(f"no network could be run ({skipped}): give a smaller --size or fewer --slices")
    training, forward, scans = _time(competitors, task, session)
    limits = best_limits(limits, measure_limits(session.device))
    session.say("arithmetic, bytes and memory")
    measured = [
        _peer_result(c, limits, training[c.peer.name], forward[c.peer.name], scans[c.peer.name])
        for c in competitors
    ]
    parts = _parts(competitors, session)
    reference = reference_name(competitors)
    names = [competitor.peer.name for competitor in competitors]
    competitors.clear()  # their memory is for the networks of other sizes now
    return Result(
        date=datetime.now().astimezone().isoformat(timespec="seconds"),
        command=task.command,
        machine=machine,
        sizes=task.sizes,
        rounds=session.n_rounds,
        scan_shape=SCAN_SHAPE,
        limits=limits,
        reference=reference,
        peers=measured,
        skipped=skipped,
        parts_s=parts,
        scaling=[point for sweep in task.sweeps for point in run_sweep(sweep, names, task.sizes, session)],
    )


def _time(
    competitors: Sequence[Competitor], task: Task, session: Session
) -> tuple[dict[str, Timing], dict[str, Timing], dict[str, list[ScanTiming]]]:
    """Training steps, inference and scans of every peer."""
    training = time_training(competitors, session)
    forward = time_forward(competitors, session)
    if task.predict_whole_scan:
        scans = time_scans(whole_scan(competitors, task.sizes), replace(session, n_rounds=1))
    else:
        fewer = replace(session, n_rounds=max(1, session.n_rounds // 2))
        scans = time_scans(small_scan(competitors, task.sizes), fewer)
    return training, forward, scans


def _peer_result(
    competitor: Competitor, limits: Limits, training: Timing, forward: Timing, scans: list[ScanTiming]
) -> PeerResult:
    peer, step = competitor.peer, competitor.step
    prepare_network(step.network, training=False)
    forward_cost = cost_of(ForwardPass(step.network, step.images))
    prepare_network(step.network, training=True)
    training_cost = cost_of(step.eagerly)
    memory_bytes, memory_kind = step_memory(step)
    return PeerResult(
        name=peer.name,
        label=peer.label,
        patch_size=peer.configuration["patch_size"],
        batch_size=peer.configuration["batch_size"],
        slices=competitor.slices,
        parameters=sum(parameter.numel() for parameter in step.network.parameters()),
        compiled=nnunet_compiles(step.device),
        first_step_s=competitor.first_step_s,
        training=training,
        forward=forward,
        scans=scans,
        memory_bytes=memory_bytes,
        memory_kind=memory_kind,
        training_cost=training_cost,
        forward_cost=forward_cost,
        training_roofline=roofline(training_cost, limits, training.spread.median),
        forward_roofline=roofline(forward_cost, limits, forward.spread.median),
    )


def _parts(competitors: Sequence[Competitor], session: Session) -> dict[str, dict[str, float]]:
    """Seconds of each part of a training step of RAEMD-Net, with whatever parts are on."""
    return {
        competitor.peer.name: _parts_of(competitor, session)
        for competitor in competitors
        if isinstance(competitor.step.network, RAEMDNet)
    }


def _parts_of(competitor: Competitor, session: Session) -> dict[str, float]:
    step = competitor.step
    runs = part_runs(step.network, step.images, step.precision)
    for _, run in runs:
        run()
    measured: list[list[float]] = [[] for _ in runs]
    steps = []
    for _ in session.rounds(f"parts of {competitor.peer.label}"):
        steps.append(seconds(step.eagerly, session.device))
        for values, (_, run) in zip(measured, runs, strict=True):
            values.append(seconds(run, session.device))
    medians = [(part, spread(values).median) for (part, _), values in zip(runs, measured, strict=True)]
    return by_part(medians, spread(steps).median)
