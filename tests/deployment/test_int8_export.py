"""int8: what is accepted runs, what costs too much is refused with the figures of every attempt."""

from __future__ import annotations

import copy
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import torch
from small_plans import plan, raemd_arguments
from tiny_models import source_model, trained_weights

from nnunetv2_raemd.deployment import accuracy_loss, model_export
from nnunetv2_raemd.deployment.export_choices import CaseCounts, ExportOptions
from nnunetv2_raemd.deployment.exported_model import ExportedModel
from nnunetv2_raemd.deployment.model_description import GraphFormat, Precision, read_description
from nnunetv2_raemd.deployment.model_export import export_model
from nnunetv2_raemd.deployment.model_graphs import export_graphs
from nnunetv2_raemd.deployment.network_backend import Backend
from nnunetv2_raemd.deployment.source_model import SourceModel
from nnunetv2_raemd.errors import UserError

pytest.importorskip("onnxscript", reason="the extra onnx is not installed")
pytest.importorskip("nncf", reason="the extra int8 is not installed")
pytestmark = pytest.mark.slow

INT8 = ExportOptions(GraphFormat.OPENVINO, Precision.INT8, counts=CaseCounts(calibration=2, validation=1))
SETTINGS: dict[str, Any] = {"device": torch.device("cpu"), "allow_tqdm": False, "use_mirroring": False}


@pytest.fixture(scope="module")
def source() -> Iterator[SourceModel]:
    """A network without recurrence: two graphs to quantize, traced once, which takes seconds."""
    content = plan(raemd_arguments(n_recurrent_stages=0, n_conv_per_stage=[1, 1]))
    source = source_model(content, weights=[trained_weights(source_model(content))])
    graphs = export_graphs(source)
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(model_export, "export_graphs", lambda _: copy.deepcopy(graphs))
        yield source


def test_int8_that_loses_nothing_is_exported_and_runs(source: SourceModel, tmp_path: Path) -> None:
    export_model(source, tmp_path / "model", INT8)
    description = read_description(tmp_path / "model")
    assert "lesions lost" in description.verification["int8"][0]
    graphs = list((tmp_path / "model" / "network").rglob("*.xml"))
    assert len(graphs) == 2
    assert all("FakeQuantize" in graph.read_text(encoding="utf-8") for graph in graphs)
    predictor = ExportedModel(tmp_path / "model", Backend.OPENVINO).load(**SETTINGS)
    image = source.cases["0"].image("2")
    ours = predictor.predict_logits_from_preprocessed_data(image)
    reference = source.predictor_with(source.network_of("0")).predict_logits_from_preprocessed_data(image)
    assert torch.mean((ours.argmax(0) != reference.argmax(0)).double()) < 0.01
    assert not torch.equal(ours, reference)


def test_int8_that_costs_too_much_is_refused_with_all_figures(
    source: SourceModel, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(accuracy_loss, "MAX_DICE_LOSS", -2.0)  # even to gain would not be enough
    with pytest.raises(UserError, match="int8 was refused for fold 0") as refused:
        export_model(source, tmp_path / "model", INT8)
    message = str(refused.value)
    for attempt in ("all layers: mean Dice", "without the layers that cost most", "none in encode"):
        assert attempt in message
    assert not (tmp_path / "model").exists()


def test_without_cases_int8_says_what_it_needs(source: SourceModel, tmp_path: Path) -> None:
    alone = source_model(plan(raemd_arguments(n_recurrent_stages=0, n_conv_per_stage=[1, 1])))
    alone.cases.clear()  # type: ignore[attr-defined]
    with pytest.raises(UserError, match="preprocess the dataset"):
        export_model(alone, tmp_path / "model", INT8)
