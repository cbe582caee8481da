"""The notebook of the docs runs from its first to its last cell."""

from __future__ import annotations

from pathlib import Path

import pytest
from small_plans import plan, raemd_arguments
from tiny_models import source_model, trained_weights

from nnunetv2_raemd.deployment.export_choices import ExportOptions
from nnunetv2_raemd.deployment.model_description import GraphFormat
from nnunetv2_raemd.deployment.model_export import export_model

NOTEBOOK = Path(__file__).resolve().parents[2] / "docs" / "predict-from-python.ipynb"


def test_the_notebook_runs(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    nbformat = pytest.importorskip("nbformat", reason="nbformat is not installed")
    nbclient = pytest.importorskip("nbclient", reason="nbclient is not installed")
    weights = trained_weights(source_model(plan(raemd_arguments())))
    source = source_model(plan(raemd_arguments()), weights=[weights])
    export_model(source, tmp_path / "model", ExportOptions(GraphFormat.NONE))
    notebook = nbformat.read(NOTEBOOK, as_version=4)
    nbformat.validate(notebook)
    assert notebook.cells[1].source == 'MODEL_DIR = "MODEL_DIR"'
    notebook.cells[1].source = f"MODEL_DIR = {str(tmp_path / 'model')!r}"
    monkeypatch.setenv("MPLBACKEND", "agg")
    monkeypatch.setenv("IPYTHONDIR", str(tmp_path / "ipython"))
    client = nbclient.NotebookClient(notebook, timeout=600, resources={"metadata": {"path": str(tmp_path)}})
    client.execute()
    printed = [output.get("text", "") for cell in notebook.cells for output in cell.get("outputs", [])]
    assert any("nodule" in text for text in printed)
