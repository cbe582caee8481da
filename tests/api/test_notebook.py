"""The notebook of the docs runs from its first to its last cell."""

from __future__ import annotations

import io
from contextlib import redirect_stdout
from pathlib import Path
from typing import Any

import matplotlib.pyplot as plt
import pytest
from small_plans import plan, raemd_arguments
from tiny_models import source_model, trained_weights

from nnunetv2_raemd.deployment.export_choices import ExportOptions
from nnunetv2_raemd.deployment.model_description import GraphFormat
from nnunetv2_raemd.deployment.model_export import export_model

NOTEBOOK = Path(__file__).resolve().parents[2] / "docs" / "predict-from-python.ipynb"


def test_the_notebook_runs(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Its cells are plain Python, which needs no kernel in a process of its own."""
    nbformat = pytest.importorskip("nbformat", reason="nbformat is not installed")
    content = plan(raemd_arguments())
    content["configurations"]["2d"]["spacing"] = [5.5, 5.5]  # the phantom's, which has few pixels in it
    source = source_model(content, weights=[trained_weights(source_model(content))])
    export_model(source, tmp_path / "model", ExportOptions(GraphFormat.NONE))
    notebook = nbformat.read(NOTEBOOK, as_version=4)
    nbformat.validate(notebook)
    cells = [cell.source for cell in notebook.cells if cell.cell_type == "code"]
    assert cells[0] == 'MODEL_DIR = "MODEL_DIR"'
    monkeypatch.chdir(tmp_path)
    plt.switch_backend("agg")
    names: dict[str, Any] = {}
    printed = io.StringIO()
    with redirect_stdout(printed):
        for number, cell in enumerate([f"MODEL_DIR = {str(tmp_path / 'model')!r}", *cells[1:]]):
            exec(compile(cell, f"cell {number} of {NOTEBOOK.name}", "exec"), names)
    plt.close("all")
    assert "nodule" in printed.getvalue()
    assert {file.name for file in tmp_path.iterdir()} == {"model"}
