"""An exported model, ready to predict with one of the backends."""

from __future__ import annotations

import warnings
from collections.abc import Mapping
from contextlib import redirect_stdout
from dataclasses import dataclass
from enum import Enum
from importlib.util import find_spec
from io import StringIO
from pathlib import Path, PurePosixPath
from typing import Any

import numpy as np
import torch
from nnunetv2.utilities.find_objects import recursive_find_trainer_class_by_name
from nnunetv2.utilities.label_handling.label_handling import determine_num_input_channels
from nnunetv2.utilities.plans_handling.plans_handler import ConfigurationManager, PlansManager
from torch import nn

from nnunetv2_raemd.confidence.calibration_file import FILE_NAME as CALIBRATION
from nnunetv2_raemd.deployment.exported_network import network_of, part_names
from nnunetv2_raemd.deployment.graph_sessions import (
    OnnxRuntimeSession,
    Session,
    compile_openvino,
    read_openvino,
)
from nnunetv2_raemd.deployment.model_description import (
    FILE_NAME,
    GraphFormat,
    ModelDescription,
    Precision,
    checked_file,
    graph_name,
    read_description,
    weights_name,
)
from nnunetv2_raemd.deployment.onnx_graph import read_graph, with_weights
from nnunetv2_raemd.deployment.weights_file import load_weights
from nnunetv2_raemd.errors import UserError
from nnunetv2_raemd.prediction.model_loading import ModelIdentity
from nnunetv2_raemd.prediction.predictor import WholeScanPredictor


class Backend(str, Enum):
    """What runs the network."""

    TORCH = "torch"
    OPENVINO = "openvino"
    ONNXRUNTIME = "onnxruntime"


@dataclass(frozen=True)
class ExportedModel:
    """A folder that `raemd export` wrote, and how to run it.

    Attributes:
        backend: None for the fastest that is installed and that the folder serves.
        folds: some of those exported; none for all.
        precision: None for that of the export; float32 may take the place of bfloat16.
    """

    path: Path
    backend: Backend | None = None
    folds: tuple[str, ...] = ()
    precision: Precision | None = None

    def folder(self) -> Path:
        """Where it lies; raises `UserError` where no model is there."""
        read_description(self.path)
        return self.path

    def identity(self) -> ModelIdentity:
        """By nnU-Net's names, and the exported weights."""
        description = read_description(self.path)
        folds = _folds(self.folds, description)
        plans = description.plans
        return ModelIdentity(
            f"{description.trainer}__{plans['plans_name']}__{description.configuration}",
            plans["dataset_name"],
            folds,
            f"exported, {description.precision.value}",
            tuple(checked_file(self.path, weights_name(fold), description) for fold in folds),
        )

    def load(self, *, trust_checkpoint: bool = False, **settings: Any) -> WholeScanPredictor:
        """A predictor with its folds. Nothing in the folder is executed: there is nothing to trust.

        Raises:
            UserError: if the folder or a file in it is missing, damaged, changed or of a newer version, or
                the backend is not installed, cannot run the model, or is asked to run elsewhere than on the
                CPU.
        """
        folder = self.path.resolve()
        description = read_description(folder)
        backend = self.backend or default_backend(description)
        _check_backend(description, backend, settings.get("device"))
        with redirect_stdout(StringIO()):  # nnU-Net tells how it looks for trainers
            predictor = _predictor(description, folder, **settings)
            predictor.fold_networks = [
                _fold_network(folder, fold, description, backend, self.precision or description.precision)
                for fold in _folds(self.folds, description)
            ]
        predictor.network = predictor.fold_networks[0]
        return predictor


def _folds(wanted: tuple[str, ...], description: ModelDescription) -> tuple[str, ...]:
    if missing := [fold for fold in wanted if fold not in description.folds]:
        raise UserError(
            f"the model has no fold {', '.join(missing)}, but {', '.join(description.folds)}: choose among "
            "these with -f"
        )
    return wanted or description.folds


def _predictor(description: ModelDescription, folder: Path, **settings: Any) -> WholeScanPredictor:
    """With plan and labels; networks are still to come."""
    predictor = WholeScanPredictor(**settings)
    try:
        plans = PlansManager(description.plans)
        predictor.configuration_manager = plans.get_configuration(description.configuration)
        predictor.label_manager = plans.get_label_manager(description.dataset)
    except (AssertionError, AttributeError, KeyError, RuntimeError, TypeError, ValueError) as error:
        raise UserError(f"nnU-Net cannot read the plan in {folder / FILE_NAME}: {error!r}") from error
    predictor.plans_manager, predictor.dataset_json = plans, description.dataset
    predictor.trainer_name, predictor.model_folder = description.trainer, folder
    if CALIBRATION in description.files:
        checked_file(folder, PurePosixPath(CALIBRATION), description)
    predictor.allowed_mirroring_axes = description.mirroring_axes
    return predictor


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
    sessions = {
        part: _session(folder, part, fold, description, backend, precision)
        for part in part_names(description)
    }
    return network_of(sessions, description)


def _session(
    folder: Path,
    part: str,
    fold: str,
    description: ModelDescription,
    backend: Backend,
    precision: Precision,
) -> Session:
    graph_file = checked_file(folder, graph_name(part, description.graph_format, fold), description)
    threads = torch.get_num_threads()
    if description.graph_format is GraphFormat.OPENVINO:
        checked_file(
            folder, graph_name(part, description.graph_format, fold).with_suffix(".bin"), description
        )
        return compile_openvino(read_openvino(graph_file), threads, precision.hint)
    weights_file = checked_file(folder, weights_name(fold), description)
    graph = with_weights(read_graph(graph_file), as_arrays(load_weights(weights_file)))
    if backend is Backend.OPENVINO:
        return compile_openvino(read_openvino(graph), threads, precision.hint)
    return OnnxRuntimeSession(graph, threads)


def as_arrays(weights: Mapping[str, torch.Tensor]) -> dict[str, np.ndarray]:
    """The weights for those who know no tensors."""
    return {name: value.numpy() for name, value in weights.items()}


def _torch_network(folder: Path, fold: str, description: ModelDescription) -> nn.Module:
    plans = PlansManager(description.plans)
    configuration = plans.get_configuration(description.configuration)
    weights = load_weights(checked_file(folder, weights_name(fold), description))
    network = build_network(description.trainer, plans, configuration, description.dataset)
    try:
        network.load_state_dict(weights)
    except RuntimeError as error:
        raise UserError(
            f"the weights in {folder} are of another network than its plan names: it was exported by another "
            f"version of nnunetv2-raemd than the installed one. {str(error)[:300]}"
        ) from error
    return network.eval()


def build_network(
    trainer_name: str, plans: PlansManager, configuration: ConfigurationManager, dataset: Mapping[str, Any]
) -> nn.Module:
    """The network as the trainer builds it for predictions.

    Raises:
        UserError: if no such trainer is installed, or it cannot build it.
    """
    trainer = recursive_find_trainer_class_by_name(trainer_name)
    if trainer is None:
        raise UserError(
            f"the trainer {trainer_name} is not installed here: use --backend openvino or onnxruntime, which "
            "do without it"
        )
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
