"""RAEMD-Net run by every backend that is installed, as networks to predict with."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from functools import partial
from importlib.util import find_spec

from nnunetv2.utilities.plans_handling.plans_handler import PlansManager
from torch import nn

from nnunetv2_raemd.bench.peers import Peer
from nnunetv2_raemd.bench.prediction_times import new_predictor
from nnunetv2_raemd.bench.session import Session
from nnunetv2_raemd.bench.sized_plans import DATASET_JSON
from nnunetv2_raemd.deployment.exported_network import openvino_network
from nnunetv2_raemd.deployment.logit_agreement import noise_blocks
from nnunetv2_raemd.deployment.model_description import GraphFormat, ModelDescription, Precision
from nnunetv2_raemd.deployment.model_graphs import ModelGraphs, export_graphs
from nnunetv2_raemd.deployment.network_backend import Backend
from nnunetv2_raemd.deployment.quantization import calibration_inputs, quantize
from nnunetv2_raemd.deployment.source_model import SourceModel
from nnunetv2_raemd.prediction.nnunet_predictor import AnyNetworkPredictor

Named = tuple[str, Callable[[], nn.Module]]
N_CALIBRATION = 1  # block of noise: only the time counts


def backend_networks(peer: Peer, network: nn.Module, session: Session) -> Iterator[Named]:
    """What makes a network in torch and by every backend, under the names of the table.

    Raises:
        UserError: if the packages for the export are missing.
    """
    yield "RAEMD-Net, torch", lambda: network
    source = _source(peer, network, session)
    session.say("export")
    graphs = export_graphs(source)
    description = _description(source, graphs)
    weights = source.weights_of("0")
    for backend in Backend:
        if backend is not Backend.TORCH and find_spec(backend.value):
            yield f"RAEMD-Net, {backend.value}", partial(graphs.network, backend, weights, description)
    if find_spec("openvino"):
        yield from _openvino_networks(source, graphs, description)


def _openvino_networks(
    source: SourceModel, graphs: ModelGraphs, description: ModelDescription
) -> Iterator[Named]:
    """In bfloat16 and, with NNCF, in int8; calibrated on noise, since only the time counts here."""
    models = graphs.openvino(source.weights_of("0"))
    candidates = {"bfloat16": (models, "bf16")}
    if find_spec("nncf"):
        noise = noise_blocks(source.n_channels, source.patch_size, N_CALIBRATION)
        inputs = calibration_inputs(source.network, noise, graphs.positions)
        int8 = {part: quantize(model, inputs[part]) for part, model in models.items()}
        candidates |= {"int8": (int8, "f32"), "int8, bfloat16": (int8, "bf16")}
    for name, (parts, hint) in candidates.items():
        yield f"RAEMD-Net, openvino, {name}", partial(openvino_network, parts, description, hint)


def _source(peer: Peer, network: nn.Module, session: Session) -> SourceModel:
    predictor = new_predictor(session.device, mirroring=False, kind=AnyNetworkPredictor)
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
