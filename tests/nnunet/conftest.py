"""Models trained by nnU-Net's own command, once for all tests of this folder."""

from __future__ import annotations

from pathlib import Path

import pytest
from nnunet_models import PREDICT, RAEMD, SEQUENTIALLY, STOCK, volume
from nnunet_workspace import Workspace, write_volume
from nnunetv2.inference.predict_from_raw_data import predict_entry_point


@pytest.fixture(scope="session")
def training_output(workspace: Workspace) -> str:
    """What nnUNetv2_train of fold 0 prints, as the command of a user."""
    return workspace.run("nnUNetv2_train", 501, "2d", 0, "-tr", RAEMD, "-device", "cpu", "--npz")


@pytest.fixture(scope="session")
def raemd_model(workspace: Workspace, training_output: str) -> Path:
    """The folder of a RAEMD model; fold 0 is trained."""
    return workspace.model(RAEMD, "2d")


@pytest.fixture(scope="session")
def stock_model(workspace: Workspace) -> Path:
    """The folder of a model of nnU-Net's own trainer; fold 0 is trained."""
    workspace.train(501, "2d", 0, "-tr", STOCK, "--npz")
    return workspace.model(STOCK, "2d")


@pytest.fixture(scope="session")
def new_scans(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Scans that were not trained on: a usual one, one with fewer slices than T, and a single slice."""
    folder = tmp_path_factory.mktemp("new_scans")
    for name, shape in {"usual": (13, 44, 37), "few_slices": (3, 40, 40), "one_slice": (1, 40, 40)}.items():
        write_volume(volume(shape), folder / f"{name}_0000.nii.gz")
    return folder


@pytest.fixture(scope="session")
def predictions(
    workspace: Workspace, raemd_model: Path, new_scans: Path, tmp_path_factory: pytest.TempPathFactory
) -> Path:
    """nnUNetv2_predict on the new scans."""
    output = tmp_path_factory.mktemp("predictions")
    options = ("-i", new_scans, "-o", output, "-d", 501, *PREDICT, *SEQUENTIALLY)
    workspace.run_here(predict_entry_point, *options)
    return output
