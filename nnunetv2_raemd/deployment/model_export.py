"""From a model as nnU-Net stores it to a folder that is handed on: written whole, verified, or not at all."""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping
from dataclasses import replace
from importlib import metadata
from pathlib import Path, PurePosixPath
from typing import Any

from nnunetv2_raemd.confidence.calibration import Calibration
from nnunetv2_raemd.confidence.calibration_file import FILE_NAME as CALIBRATION
from nnunetv2_raemd.confidence.calibration_file import save_calibration
from nnunetv2_raemd.deployment.accuracy_loss import MAX_DICE_LOSS
from nnunetv2_raemd.deployment.export_choices import ExportOptions, check_options, check_output
from nnunetv2_raemd.deployment.export_verification import loss_of_networks, loss_of_soup, verify_logits
from nnunetv2_raemd.deployment.exported_network import openvino_network
from nnunetv2_raemd.deployment.int8_export import Models, quantize_folds
from nnunetv2_raemd.deployment.model_card import FILE_NAME as CARD_NAME
from nnunetv2_raemd.deployment.model_card import model_card
from nnunetv2_raemd.deployment.model_description import (
    NNUNET_FILES,
    SOUP,
    GraphFormat,
    ModelDescription,
    graph_name,
    weights_name,
    write_description,
)
from nnunetv2_raemd.deployment.model_graphs import ModelGraphs, export_graphs
from nnunetv2_raemd.deployment.onnx_graph import refer_to
from nnunetv2_raemd.deployment.plan_agreement import is_of_plan
from nnunetv2_raemd.deployment.source_model import SourceModel, with_weights
from nnunetv2_raemd.deployment.weights_file import average, offsets_in, save_weights
from nnunetv2_raemd.errors import UserError
from nnunetv2_raemd.extras import needs_extra
from nnunetv2_raemd.version import __version__
from nnunetv2_raemd.whole_files import whole_folder

LogitsCheck = Callable[[SourceModel, ModelGraphs, ModelDescription, int], dict[str, Any]]
"""As `verify_logits`, whose arguments these are."""
PACKAGES = ("nnunetv2", "torch", "onnx", "openvino", "nncf")


def export_model(
    source: SourceModel, output: Path, options: ExportOptions, *, verify: LogitsCheck = verify_logits
) -> ModelDescription:
    """Write the model to a new folder.

    Args:
        verify: compares the graphs with torch, which takes minutes of large slices. Benchmarks of random
            weights do without.

    Raises:
        UserError: if the folder exists, the network cannot be exported, a package is missing, or the exported
            network does not give what torch's gives. Then nothing is left behind.
    """
    check_options(options, source.folds)
    check_output(output)
    with whole_folder(output) as folder:
        figures: dict[str, Any] = {}
        if options.soup:
            source, figures = _soup(source, options)
        description = _describe(source, options)
        graphs = _graphs(source, options)
        if graphs is not None:
            description = replace(description, positions=graphs.positions)
            n_cases = options.counts.validation
            figures["logits"] = verify(source, graphs, description, n_cases)
        figures |= _write(folder, source, graphs, description, options)
        description = replace(description, verification=figures)
        _write_nnunet_files(folder, description)
        if source.calibration is not None:
            save_calibration(_without_names(source.calibration), folder / CALIBRATION)
        card = model_card(description, source.summaries or {}, source.calibration)
        (folder / CARD_NAME).write_text(card, encoding="utf-8")
        write_description(description, folder)
    return description


def _soup(source: SourceModel, options: ExportOptions) -> tuple[SourceModel, dict[str, Any]]:
    """The model with one fold, the mean of all; raises `UserError` where that costs accuracy."""
    if any(fold not in source.cases for fold in source.folds):
        raise UserError("--soup is validated: preprocess the dataset, and set nnUNet_preprocessed")
    weights = average([source.weights_of(fold) for fold in source.folds])
    loss = loss_of_soup(source, with_weights(source.network, weights), options.counts.validation)
    if not loss.is_acceptable:
        raise UserError(
            f"--soup was refused, because mean Dice falls by more than {MAX_DICE_LOSS} or lesions are lost "
            f"against the ensemble of the folds: {loss}. Export without --soup"
        )
    return source.with_single_fold(SOUP, weights), {"soup": [str(loss)]}


def _describe(source: SourceModel, options: ExportOptions) -> ModelDescription:
    predictor = source.predictor
    return ModelDescription(
        trainer=predictor.trainer_name,
        configuration=source.configuration,
        folds=source.folds,
        mirroring_axes=None
        if predictor.allowed_mirroring_axes is None
        else tuple(int(axis) for axis in predictor.allowed_mirroring_axes),
        graph_format=options.graph_format,
        precision=options.precision,
        plans=predictor.plans_manager.plans,
        dataset=predictor.dataset_json,
        of_plan=is_of_plan(source),
        n_slices=source.n_slices,
        size_multiple=source.size_multiple,
        postprocessing=source.postprocessing,
        versions={"nnunetv2-raemd": __version__, **_versions()},
        license=options.license,
    )


def _versions() -> dict[str, str]:
    found = {}
    for package in PACKAGES:
        try:
            found[package] = metadata.version(package)
        except metadata.PackageNotFoundError:
            continue
    return found


def _graphs(source: SourceModel, options: ExportOptions) -> ModelGraphs | None:
    if options.graph_format is GraphFormat.NONE:
        return None
    return export_graphs(source)


def _write(
    folder: Path,
    source: SourceModel,
    graphs: ModelGraphs | None,
    description: ModelDescription,
    options: ExportOptions,
) -> dict[str, Any]:
    """Weights and graphs, and what was measured of them."""
    for fold in source.folds:
        save_weights(source.weights_of(fold), _path(folder, weights_name(fold)))
    figures: dict[str, Any] = {}
    if graphs is None:
        return figures
    if options.graph_format is GraphFormat.ONNX:
        _write_onnx(folder, graphs, description)
        return figures
    models = {fold: graphs.openvino(source.weights_of(fold)) for fold in source.folds}
    if options.precision.is_int8:
        quantized = quantize_folds(source, graphs, description, options.counts)
        models = {fold: result.models for fold, result in quantized.items()}
        figures["int8"] = [f"fold {f}: {result.how}, {result.loss}" for f, result in quantized.items()]
    if options.precision.hint == "bf16":
        figures["bfloat16"] = [_verify_bfloat16(source, models, description, options)]
    _write_openvino(folder, models)
    return figures


def _verify_bfloat16(
    source: SourceModel,
    models: Mapping[str, Models],
    description: ModelDescription,
    options: ExportOptions,
) -> str:
    """What computing in bfloat16 costs; raises `UserError` where that is too much."""
    if any(fold not in source.cases for fold in source.folds):
        raise UserError("--bf16 is validated: preprocess the dataset, and set nnUNet_preprocessed")
    networks = {fold: openvino_network(parts, description, "bf16") for fold, parts in models.items()}
    loss = loss_of_networks(source, networks, options.counts.validation)
    if not loss.is_acceptable:
        raise UserError(
            f"--bf16 was refused, because mean Dice falls by more than {MAX_DICE_LOSS} or lesions are lost: "
            f"{loss}. Export without --bf16"
        )
    return str(loss)


def _write_nnunet_files(folder: Path, description: ModelDescription) -> None:
    """Plan and labels, which model.json has too, as nnU-Net's own tools and ours look for them."""
    for name, content in zip(NNUNET_FILES, (description.plans, description.dataset), strict=True):
        (folder / name).write_text(json.dumps(content, indent=1) + "\n", encoding="utf-8")


def _without_names(calibration: Calibration) -> Calibration:
    """The calibration with numbers for cases, whose names may tell whose scans they are."""
    return replace(calibration, case_ids=tuple(str(n + 1) for n in range(len(calibration.case_ids))))


def _path(folder: Path, name: PurePosixPath) -> Path:
    path = folder.joinpath(*name.parts)
    path.parent.mkdir(parents=True, exist_ok=True)
    return path


def _write_onnx(folder: Path, graphs: ModelGraphs, description: ModelDescription) -> None:
    """One graph for all folds; other readers of ONNX find the weights of the first where it refers to."""
    first = weights_name(description.folds[0])
    offsets = offsets_in(folder.joinpath(*first.parts))
    for part, graph in graphs.graphs.items():
        refer_to(graph, first, offsets)
        _path(folder, graph_name(part, GraphFormat.ONNX, "")).write_bytes(graph.SerializeToString())


def _write_openvino(folder: Path, models: Mapping[str, Models]) -> None:
    with needs_extra("openvino"):
        import openvino  # noqa: PLC0415 - an extra
    for fold, parts in models.items():
        for part, model in parts.items():
            file = _path(folder, graph_name(part, GraphFormat.OPENVINO, fold))
            try:
                openvino.save_model(model, file, compress_to_fp16=False)
            except RuntimeError as error:
                raise UserError(
                    f"OpenVINO cannot write {file} ({error}): is there space left on the disc?"
                ) from error
