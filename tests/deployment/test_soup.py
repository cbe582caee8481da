"""The mean of the folds' weights in their place: measured, and refused where it finds less."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import torch
from safetensors.numpy import load_file
from small_plans import plan, raemd_arguments
from tiny_models import source_model, trained_weights

from nnunetv2_raemd.deployment.export_choices import ExportOptions
from nnunetv2_raemd.deployment.exported_model import ExportedModel
from nnunetv2_raemd.deployment.model_description import SOUP, GraphFormat, read_description
from nnunetv2_raemd.deployment.model_export import export_model
from nnunetv2_raemd.deployment.source_model import SourceModel
from nnunetv2_raemd.errors import UserError

OPTIONS = ExportOptions(GraphFormat.NONE, soup=True)


def test_folds_that_are_close_become_one(trained: SourceModel, tmp_path: Path) -> None:
    folder = tmp_path / "model"
    export_model(trained, folder, OPTIONS)
    description = read_description(folder)
    assert description.folds == (SOUP,)
    (figures,) = description.verification["soup"]
    assert "mean Dice" in figures
    assert "0 of " in figures
    assert figures in (folder / "README.md").read_text(encoding="utf-8")
    (file,) = (folder / "weights").iterdir()
    first, second = (trained.weights_of(fold) for fold in trained.folds)
    for name, value in load_file(str(file)).items():
        expected = (first[name].double().numpy() + second[name].double().numpy()) / 2
        np.testing.assert_allclose(value, expected, rtol=1e-6, atol=1e-7)
    predictor = ExportedModel(folder).load(device=torch.device("cpu"), allow_tqdm=False)
    assert len(predictor.fold_networks) == 1


def test_folds_that_have_learned_differently_stay_apart(tmp_path: Path) -> None:
    """Each finds the spheres by filters of its own, whose mean finds nothing."""
    untrained = source_model(plan(raemd_arguments()))
    weights = [trained_weights(untrained, seed=seed) for seed in (0, 1)]
    source = source_model(plan(raemd_arguments()), folds=("0", "1"), weights=weights)
    with pytest.raises(UserError, match=r"--soup was refused.*mean Dice \d\.\d+ instead of 0\.\d+, \d of \d"):
        export_model(source, tmp_path / "model", OPTIONS)
    assert list(tmp_path.iterdir()) == []


def test_one_fold_has_no_mean(tmp_path: Path) -> None:
    with pytest.raises(UserError, match="more than one with -f"):
        export_model(source_model(plan(raemd_arguments())), tmp_path / "model", OPTIONS)


def test_without_cases_nobody_knows_what_it_costs(tmp_path: Path) -> None:
    source = source_model(plan(raemd_arguments()), folds=("0", "1"))
    source.cases.clear()  # type: ignore[attr-defined]
    with pytest.raises(UserError, match="preprocess the dataset"):
        export_model(source, tmp_path / "model", OPTIONS)
