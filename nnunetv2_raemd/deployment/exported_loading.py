"""An exported model, loaded to predict with one of the backends."""

from __future__ import annotations

import warnings
from collections.abc import Mapping
from contextlib import redirect_stdout
from importlib.util import find_spec
from io import StringIO
from pathlib import Path, PurePosixPath
from typing import Any, cast

import torch
from nnunetv2.utilities.find_objects import recursive_find_trainer_class_by_name
from nnunetv2.utilities.label_handling.label_handling import determine_num_input_channels
from nnunetv2.utilities.plans_handling.plans_handler import ConfigurationManager, PlansManager
from torch import nn

from nnunetv2_raemd.confidence.calibration_file import FILE_NAME as CALIBRATION
from nnunetv2_raemd.deployment.exported_network import (
    network_of,
    onnxruntime_session,
    openvino_network,
    part_names,
)
from nnunetv2_raemd.deployment.graph_sessions import read_openvino
from nnunetv2_raemd.deployment.model_description import (
    ADVICE,
    FILE_NAME,
    GraphFormat,
    ModelDescription,
    Precision,
    checked_file,
    graph_name,
    weights_name,
)
from nnunetv2_raemd.deployment.model_postprocessing import postprocessor_of
from nnunetv2_raemd.deployment.network_backend import Backend
from nnunetv2_raemd.deployment.onnx_graph import first_line, read_graph, with_weights
from nnunetv2_raemd.deployment.plan_network import plan_network
from nnunetv2_raemd.deployment.weights_file import as_arrays, load_weights
from nnunetv2_raemd.errors import UserError
from nnunetv2_raemd.nnunet_files.network_name import check_networks_are_known
from nnunetv2_raemd.nnunet_files.plans_file import Plans
from nnunetv2_raemd.nnunet_files.trainer_lookup import naming_missing_trainer
from nnunetv2_raemd.prediction.predictor import WholeScanPredictor


def load_exported(
    folder: Path,
    description: ModelDescription,
    backend: Backend | None,
    precision: Precision,
    **settings: Any,
) -> WholeScanPredictor:
    """A predictor with the folds of a description, and its post-processing.

    Args:
        folder: what the description is of.
        backend: None for the fastest that is installed and that the folder serves.

    Raises:
        UserError: as `ExportedModel.load`.
    """
    check_networks_are_known(cast("Plans", description.plans), folder / FILE_NAME)
    backend = backend or default_backend(description)
    _check_backend(description, backend, settings.get("device"))
    with redirect_stdout(StringIO()):  # nnU-Net tells how it looks for trainers
        predictor = _predictor(description, folder, **settings)
        predictor.postprocessor = postprocessor_of(description, str(folder / FILE_NAME))
        predictor.fold_networks = [
            _fold_network(folder, fold, description, backend, precision) for fold in description.folds
        ]
    predictor.network = predictor.fold_networks[0]
    return predictor


def _predictor(description: ModelDescription, folder: Path, **settings: Any) -> WholeScanPredictor:
    """With plan and labels; networks are still to come."""
    predictor = _predictor_class(description)(**settings)
    try:
        plans = PlansManager(description.plans)
        predictor.configuration_manager = plans.get_configuration(description.configuration)
        predictor.label_manager = plans.get_label_manager(description.dataset)
    except (AssertionError, AttributeError, KeyError, RuntimeError, TypeError, ValueError) as error:
        raise UserError(f"nnU-Net cannot read the plan in {folder / FILE_NAME}: {error!r}") from error
    predictor.plans_manager, predictor.dataset_json = plans, description.dataset
    predictor.trainer_name, predictor.model_folder = description.trainer, folder
    _check_calibration(folder, description)
    predictor.allowed_mirroring_axes = description.mirroring_axes
    return predictor


def _check_calibration(folder: Path, description: ModelDescription) -> None:
    """Raise a `UserError` for a calibration that is not as it was exported, or that another model brought."""
    file = folder / CALIBRATION
    if CALIBRATION in description.files:
        checked_file(folder, PurePosixPath(CALIBRATION), description)
    elif file.exists():
        raise UserError(
            f"{file} was not exported with this model, so that its confidences may be another's: remove it, "
            "or calibrate the trained model and export it again"
        )


def _predictor_class(description: ModelDescription) -> type[WholeScanPredictor]:
    """nnU-Net's own, which takes seconds to import, only for networks that are predicted as it does."""
    if description.n_slices is not None:
        return WholeScanPredictor
    from nnunetv2_raemd.prediction.nnunet_predictor import AnyNetworkPredictor  # noqa: PLC0415 - see above

    return AnyNetworkPredictor


def default_backend(description: ModelDescription) -> Backend:
    """OpenVINO, ONNX Runtime, torch: the first that is installed and that the folder has a graph for."""
    if description.graph_format is not GraphFormat.NONE and find_spec("openvino"):
        return Backend.OPENVINO
    if description.graph_format is GraphFormat.ONNX and find_spec("onnxruntime"):
        return Backend.ONNXRUNTIME
    return Backend.TORCH


def _check_backend(description: ModelDescription, backend: Backend, device: torch.device | None) -> None:
    formats = {
        Backend.ONNXRUNTIME: [GraphFormat.ONNX],
        Backend.OPENVINO: [GraphFormat.ONNX, GraphFormat.OPENVINO],
    }
    usable = formats.get(backend)
    if usable is not None and description.graph_format not in usable:
        raise UserError(
            f"the model was exported as {description.graph_format.value}, which {backend.value} does not "
            f"run: export it with --format {' or '.join(graphs.value for graphs in usable)}, or choose "
            "another --backend"
        )
    if usable is not None and device is not None and device.type != "cpu":
        raise UserError(f"{backend.value} runs on the CPU: give -device cpu, or --backend torch")


def _fold_network(
    folder: Path, fold: str, description: ModelDescription, backend: Backend, precision: Precision
) -> nn.Module:
    if backend is Backend.TORCH:
        return _torch_network(folder, fold, description)
    try:
        return _graph_network(folder, fold, description, backend, precision)
    except (UserError, MemoryError):
        raise
    except Exception as error:  # of whatever runtime cannot run a graph
        raise UserError(
            f"{backend.value} cannot run the graphs in {folder / 'network'}: {first_line(error)}. {ADVICE}"
        ) from error


def _graph_network(
    folder: Path, fold: str, description: ModelDescription, backend: Backend, precision: Precision
) -> nn.Module:
    if description.graph_format is GraphFormat.OPENVINO:
        files = {part: _openvino_file(folder, part, fold, description) for part in part_names(description)}
        graphs = {part: read_openvino(file) for part, file in files.items()}
        return openvino_network(graphs, description, precision.hint)
    weights = as_arrays(load_weights(checked_file(folder, weights_name(fold), description)))
    names = {part: graph_name(part, description.graph_format, fold) for part in part_names(description)}
    without = {part: read_graph(checked_file(folder, name, description)) for part, name in names.items()}
    if backend is Backend.OPENVINO:
        graphs = {part: read_openvino(with_weights(graph, weights)) for part, graph in without.items()}
        return openvino_network(graphs, description, precision.hint)
    sessions = {
        part: onnxruntime_session(graph, weights, part, description) for part, graph in without.items()
    }
    return network_of(sessions, description)


def _openvino_file(folder: Path, part: str, fold: str, description: ModelDescription) -> Path:
    name = graph_name(part, description.graph_format, fold)
    checked_file(folder, name.with_suffix(".bin"), description)
    return checked_file(folder, name, description)


def _torch_network(folder: Path, fold: str, description: ModelDescription) -> nn.Module:
    plans = PlansManager(description.plans)
    configuration = plans.get_configuration(description.configuration)
    weights = load_weights(checked_file(folder, weights_name(fold), description))
    if description.of_plan:
        network = plan_network(plans, configuration, description.dataset)
    else:
        network = trainer_network(description.trainer, plans, configuration, description.dataset)
    try:
        network.load_state_dict(weights)
    except RuntimeError as error:
        raise UserError(
            f"the weights in {folder} are of another network than its plan names: it was exported by another "
            f"version of nnunetv2-raemd than the installed one. {str(error)[:300]}"
        ) from error
    return network.eval()


def trainer_network(
    trainer_name: str, plans: PlansManager, configuration: ConfigurationManager, dataset: Mapping[str, Any]
) -> nn.Module:
    """The network as the trainer builds it for predictions.

    Raises:
        UserError: if no such trainer is installed, or it cannot build it.
    """
    with naming_missing_trainer("use --backend openvino or onnxruntime, which do without it"):
        trainer = recursive_find_trainer_class_by_name(trainer_name)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        network: nn.Module = trainer.build_network_architecture(
            plans,
            configuration,
            determine_num_input_channels(plans, configuration, dataset),
            plans.get_label_manager(dataset).num_segmentation_heads,
            enable_deep_supervision=False,
        )
    return network
