"""What an export measures before it is handed over."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import asdict
from importlib.util import find_spec
from typing import Any

from torch import Tensor, nn

from nnunetv2_raemd.deployment.accuracy_loss import Loss, joined, loss_between, measure
from nnunetv2_raemd.deployment.logit_agreement import MAX_OTHER_LABELS, TOLERANCE, compare, noise_blocks
from nnunetv2_raemd.deployment.model_description import ModelDescription
from nnunetv2_raemd.deployment.model_graphs import ModelGraphs
from nnunetv2_raemd.deployment.network_backend import Backend
from nnunetv2_raemd.deployment.source_model import SourceModel
from nnunetv2_raemd.errors import UserError

PACKAGES = {Backend.OPENVINO: "openvino", Backend.ONNXRUNTIME: "onnxruntime"}


def installed_backends() -> list[Backend]:
    """Those that can run a graph here."""
    return [backend for backend, package in PACKAGES.items() if find_spec(package)]


def verify_logits(
    source: SourceModel, graphs: ModelGraphs, description: ModelDescription, n_cases: int
) -> dict[str, Any]:
    """Compare every installed backend with torch, for every fold, and say what came out.

    Raises:
        UserError: if one differs by more than the tolerances of `logit_agreement`.
    """
    figures: dict[str, Any] = {
        "tolerance": TOLERANCE,
        "other_labels_allowed": MAX_OTHER_LABELS,
        "backends": {},
    }
    for fold in source.folds:
        blocks = source.blocks_of(fold, n_cases)
        figures["blocks"] = "validation cases" if blocks else "noise, as no preprocessed case was at hand"
        for backend in installed_backends():
            network = graphs.network(backend, source.weights_of(fold), description)
            agreement = compare(source.network_of(fold), network, blocks or _noise(source))
            if not agreement.is_equal:
                raise UserError(
                    f"fold {fold}: {backend.value} gives other logits than torch: they differ by up to "
                    f"{agreement.largest_difference:.3g}, where the largest is "
                    f"{agreement.largest_logit:.3g}, and {agreement.other_labels:.2%} of the labels are "
                    "others. Nothing was exported; this is a bug worth reporting"
                )
            figures["backends"].setdefault(backend.value, {})[fold] = asdict(agreement)
    return figures


def _noise(source: SourceModel) -> Iterator[Tensor]:
    return noise_blocks(source.n_channels, source.patch_size)


def loss_of_networks(source: SourceModel, networks: Mapping[str, nn.Module], n_cases: int) -> Loss:
    """What networks lose against torch's of the same fold on its validation cases, all folds together."""
    before, after = [], []
    for fold, network in networks.items():
        cases = source.cases[fold]
        ids = cases.validation[:n_cases]
        before.append(measure(source.predictor_with(source.network_of(fold)), cases, ids))
        after.append(measure(source.predictor_with(network), cases, ids))
    return loss_between(joined(before), joined(after))


def loss_of_soup(source: SourceModel, soup: nn.Module, n_cases: int) -> Loss:
    """What the mean of the folds' weights loses against the mean of their predictions.

    Both know each case from training, in all folds except the one that it was held back from.
    """
    networks = [source.network_of(fold) for fold in source.folds]
    before, after = [], []
    for fold in source.folds:
        cases = source.cases[fold]
        ids = cases.validation[:n_cases]
        before.append(measure(source.predictor_with(*networks), cases, ids))
        after.append(measure(source.predictor_with(soup), cases, ids))
    return loss_between(joined(before), joined(after))
