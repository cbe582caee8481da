"""One export for all tests that read an exported folder."""

from __future__ import annotations

import copy
import shutil
from collections.abc import Callable
from pathlib import Path

import pytest
import torch
from small_plans import plan, raemd_arguments
from tiny_models import random_weights, source_model, trained_weights

from nnunetv2_raemd.deployment import model_export
from nnunetv2_raemd.deployment.export_choices import ExportOptions
from nnunetv2_raemd.deployment.model_export import export_model
from nnunetv2_raemd.deployment.model_graphs import ModelGraphs, export_graphs
from nnunetv2_raemd.deployment.source_model import SourceModel


@pytest.fixture(scope="session", autouse=True)
def _one_thread() -> None:
    torch.set_num_threads(1)


@pytest.fixture(scope="session")
def trained() -> SourceModel:
    """A RAEMD-Net that finds spheres, as two folds that differ a little."""
    untrained = source_model(plan(raemd_arguments()))
    first = trained_weights(untrained)
    noise = random_weights(untrained.network, 1)
    second = {name: value + 0.01 * noise[name] for name, value in first.items()}
    return source_model(plan(raemd_arguments()), folds=("0", "1"), weights=[first, second])


@pytest.fixture(scope="session")
def traced(trained: SourceModel) -> Callable[..., ModelGraphs]:
    """In the place of `export_graphs`: a copy of its graphs, which take seconds to trace."""
    pytest.importorskip("onnxscript", reason="the extra onnx is not installed")
    graphs = export_graphs(trained)
    return lambda _: copy.deepcopy(graphs)


@pytest.fixture(scope="session")
def exported(
    trained: SourceModel, traced: Callable[..., ModelGraphs], tmp_path_factory: pytest.TempPathFactory
) -> Path:
    """The folder that `raemd export` writes for it, in ONNX. Not to be changed."""
    folder = tmp_path_factory.mktemp("exported") / "model"
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(model_export, "export_graphs", traced)
        export_model(trained, folder, ExportOptions(license="CC BY 4.0"))
    return folder


@pytest.fixture
def copied(exported: Path, tmp_path: Path) -> Path:
    """A copy of it to damage."""
    folder = tmp_path / "model"
    shutil.copytree(exported, folder)
    return folder
