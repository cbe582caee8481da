"""Prediction with an exported model begins without what takes longest to import."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest
import SimpleITK as sitk
from nnunet_workspace import noisy_spheres, write_volume

HEAVY = (
    "torch._dynamo",
    "scipy.stats",
    "nnunetv2.inference.predict_from_raw_data",
    "nnunetv2.training.nnUNetTrainer.nnUNetTrainer",
    "sympy",
)
PROGRAM = f"""
import sys
from nnunetv2_raemd.cli import main
try:
    main()
except SystemExit as ended:
    assert not ended.code, ended.code
print([name for name in {HEAVY} if name in sys.modules])
"""


@pytest.mark.parametrize("backend", ["openvino", "onnxruntime", "torch"])
def test_a_scan_is_predicted_without_torchs_compiler(exported: Path, tmp_path: Path, backend: str) -> None:
    """nnU-Net's predictor imports it, which takes a third of the time up to the first slice."""
    pytest.importorskip(backend, reason=f"the extra for {backend} is not installed")
    image, _ = noisy_spheres(0, (9, 32, 28))
    write_volume(image, tmp_path / "in" / "scan_0000.nii.gz")
    command = ["predict", "--model", exported, "--backend", backend, "-i", tmp_path / "in"]
    finished = subprocess.run(
        [sys.executable, "-c", PROGRAM, *map(str, command), "-o", str(tmp_path / "out")],
        capture_output=True,
        encoding="utf-8",
        check=False,
    )
    assert finished.returncode == 0, finished.stdout + finished.stderr
    assert finished.stdout.splitlines()[-1] == "[]"
    assert sitk.ReadImage(str(tmp_path / "out" / "scan.nii.gz")).GetSize() == (28, 32, 9)
