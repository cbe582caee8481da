"""What cannot be done ends in a message that says why, and never in a prediction."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
import torch
from nnunet_workspace import SPACING_MM, Workspace, noisy_spheres
from nnunetv2.inference.predict_from_raw_data import nnUNetPredictor

pytestmark = pytest.mark.slow

WITHOUT_THE_PACKAGE = """
import json, sys

class NotInstalled:
    def find_spec(self, name, path=None, target=None):
        if name.partition(".")[0] == "nnunetv2_raemd":
            raise ModuleNotFoundError(f"No module named {name!r}", name=name)

sys.meta_path.insert(0, NotInstalled())
from nnunetv2.utilities.get_network_from_plans import get_network_from_plans
network = json.load(open(sys.argv[1]))["configurations"]["2d"]["architecture"]
get_network_from_plans(
    network["network_class_name"], network["arch_kwargs"], network["_kw_requires_import"], 1, 2
)
"""


def test_a_scan_with_nan_is_not_predicted(
    workspace: Workspace, raemd_model: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """By way of nnU-Net's API: its reader of NIfTI files takes NaN for 0 by itself."""
    monkeypatch.setenv("nnUNet_extTrainer", workspace.variables()["nnUNet_extTrainer"])
    predictor = nnUNetPredictor(device=torch.device("cpu"), allow_tqdm=False)
    predictor.initialize_from_trained_model_folder(str(raemd_model), (0,))
    scan, _ = noisy_spheres(7, (9, 40, 40))
    labels = predictor.predict_single_npy_array(scan[None], {"spacing": SPACING_MM[::-1]})
    assert labels.shape == scan.shape
    scan[4, 20, 20] = np.nan
    with pytest.raises(ValueError, match="NaN"):
        predictor.predict_single_npy_array(scan[None], {"spacing": SPACING_MM[::-1]})


def test_a_raemd_plan_without_the_package(raemd_model: Path) -> None:
    finished = subprocess.run(
        [sys.executable, "-c", WITHOUT_THE_PACKAGE, str(raemd_model / "plans.json")],
        stderr=subprocess.PIPE,
        encoding="utf-8",
        timeout=300,
        check=False,
    )
    assert finished.returncode != 0
    assert "Network class could not be found" in finished.stderr.splitlines()[-1]
    assert "nnunetv2_raemd.architecture.raemd_net.RAEMDNet" in finished.stderr  # nnU-Net says which
