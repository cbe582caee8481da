"""Scans predicted by RAEMD-Net on every backend that is installed, beside nnU-Net's 2d in torch."""

from __future__ import annotations

import json
import time
from collections.abc import Callable, Iterator, Sequence
from dataclasses import asdict, dataclass
from importlib.util import find_spec
from pathlib import Path

import torch
from nnunetv2.utilities.plans_handling.plans_handler import PlansManager
from torch import nn

from nnunetv2_raemd.bench.clock import Spread, pairwise_ratio
from nnunetv2_raemd.bench.peers import REFERENCE, Peer, make_peers
from nnunetv2_raemd.bench.prediction_times import ScanPrediction, new_predictor
from nnunetv2_raemd.bench.session import Session
from nnunetv2_raemd.bench.sized_plans import DATASET_JSON
from nnunetv2_raemd.bench.sizes import Sizes
from nnunetv2_raemd.deployment.exported_network import openvino_network
from nnunetv2_raemd.deployment.logit_agreement import noise_blocks
from nnunetv2_raemd.deployment.model_description import GraphFormat, ModelDescription, Precision
from nnunetv2_raemd.deployment.model_graphs import ModelGraphs, export_graphs
from nnunetv2_raemd.deployment.network_backend import Backend
from nnunetv2_raemd.deployment.quantization import calibration_inputs, quantize
from nnunetv2_raemd.deployment.source_model import SourceModel
from nnunetv2_raemd.prediction.predictor import WholeScanPredictor
from nnunetv2_raemd.whole_files import write_text

RAEMD = "raemd"
N_CALIBRATION = 4  # blocks of noise
Runs = dict[str, Callable[[], object]]


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
    """Predict a scan, in turns, without mirroring; the weights are random.

    It has the slices of a training step, at least two sequences: the windows of a short scan overlap less
    than those of a whole one.

    Raises:
        UserError: if the packages for the export are missing.
    """
    reference, raemd = make_peers([REFERENCE, RAEMD], sizes)
    shape = (max(sizes.slices, 2 * sizes.sequence), *sizes.patch_2d)
    torch.manual_seed(0)
    network = reference.build(deep_supervision=False).eval()
    first = reference.label
    runs: Runs = {first: ScanPrediction(reference, network, shape, session.device, mirroring=False)}
    for name, other in _networks(raemd, session):
        runs[name] = ScanPrediction(
            raemd, other, shape, session.device, mirroring=False, kind=WholeScanPredictor
        )
    measured = _measure(runs, session)
    return [
        BackendTiming(
            name,
            tuple(wall for wall, _ in times),
            tuple(processor for _, processor in times),
            _ratio(times, measured[first], 0),
            _ratio(times, measured[first], 1),
        )
        for name, times in measured.items()
    ]


def _ratio(times: list[tuple[float, float]], reference: list[tuple[float, float]], kind: int) -> Spread:
    return pairwise_ratio([one[kind] for one in times], [one[kind] for one in reference])


def _measure(runs: Runs, session: Session) -> dict[str, list[tuple[float, float]]]:
    for name, run in runs.items():
        session.say(f"first scan: {name}")
        run()
    measured: dict[str, list[tuple[float, float]]] = {name: [] for name in runs}
    for round_ in session.rounds("scans"):
        names = list(runs)
        for name in reversed(names) if round_ % 2 else names:
            wall, processor = time.perf_counter(), time.process_time()
            runs[name]()
            measured[name].append((time.perf_counter() - wall, time.process_time() - processor))
    return measured


def _networks(peer: Peer, session: Session) -> Iterator[tuple[str, nn.Module]]:
    """RAEMD-Net in torch and by every backend, under the names of the table."""
    network = peer.build(deep_supervision=False).eval()
    yield "RAEMD-Net, torch", network
    source = _source(peer, network, session)
    session.say("export")
    graphs = export_graphs(source)
    description = _description(source, graphs)
    weights = source.weights_of("0")
    for backend in Backend:
        if backend is not Backend.TORCH and find_spec(backend.value):
            yield f"RAEMD-Net, {backend.value}", graphs.network(backend, weights, description)
    if find_spec("openvino"):
        yield from _openvino_networks(source, graphs, description)


def _openvino_networks(
    source: SourceModel, graphs: ModelGraphs, description: ModelDescription
) -> Iterator[tuple[str, nn.Module]]:
    """In bfloat16 and, with NNCF, in int8; calibrated on noise, since only the time counts here."""
    models = graphs.openvino(source.weights_of("0"))
    candidates = {"bfloat16": (models, "bf16")}
    if find_spec("nncf"):
        noise = noise_blocks(source.n_channels, source.patch_size, N_CALIBRATION)
        inputs = calibration_inputs(source.network, noise, graphs.positions)
        int8 = {part: quantize(model, inputs[part]) for part, model in models.items()}
        candidates |= {"int8": (int8, "f32"), "int8, bfloat16": (int8, "bf16")}
    for name, (parts, hint) in candidates.items():
        yield f"RAEMD-Net, openvino, {name}", openvino_network(parts, description, hint)


def _source(peer: Peer, network: nn.Module, session: Session) -> SourceModel:
    predictor = new_predictor(session.device, mirroring=False, kind=WholeScanPredictor)
    plans = PlansManager(peer.plan)
    configuration = plans.get_configuration(peer.configuration_name)
    weights = network.state_dict()
    predictor.manual_initialization(network, plans, configuration, [weights], DATASET_JSON, "", None)
    return SourceModel(predictor, peer.configuration_name, ("0",), {})


def _description(source: SourceModel, graphs: ModelGraphs) -> ModelDescription:
    plans = source.predictor.plans_manager.plans
    return ModelDescription(
        "",
        source.configuration,
        source.folds,
        None,
        GraphFormat.ONNX,
        Precision.FLOAT32,
        plans,
        DATASET_JSON,
        n_slices=source.n_slices,
        positions=graphs.positions,
    )


def write_timings(times: Sequence[BackendTiming], file: Path) -> None:
    """Write all timings as JSON; raises `UserError` where the file cannot be written."""
    write_text(file, json.dumps([asdict(timing) for timing in times], indent=1) + "\n")
