"""The benchmark scripts: what they use of the package is there, and they print their figures.

Those that need trained models, a downloaded archive or minutes even at their smallest are only started.
"""

from __future__ import annotations

import ast
import importlib
import re
import runpy
import sys
from pathlib import Path
from typing import Any

import pytest
import torch

BENCHMARKS = Path(__file__).resolve().parents[1] / "benchmarks"
SCRIPTS = sorted(BENCHMARKS.rglob("*.py"))


@pytest.mark.parametrize("script", SCRIPTS, ids=lambda script: script.stem)
def test_what_a_script_uses_of_the_package_is_there(script: Path) -> None:
    """Also what it imports only once it runs."""
    for node in ast.walk(ast.parse(script.read_text(encoding="utf-8"))):
        if isinstance(node, ast.ImportFrom) and (node.module or "").startswith("nnunetv2_raemd"):
            module = importlib.import_module(str(node.module))
            for alias in node.names:
                if not hasattr(module, alias.name):
                    importlib.import_module(f"{node.module}.{alias.name}")


@pytest.mark.parametrize("script", SCRIPTS, ids=lambda script: script.stem)
def test_a_script_can_be_started(script: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.syspath_prepend(script.parent)
    runpy.run_path(str(script), run_name="benchmark")


NO_SIZES: dict[str, Any] = {}
SMALLEST: dict[str, tuple[dict[str, Any], str, str]] = {
    "baseline_sizes": (
        {"PATCHES": (((64, 64), 5, 32),)},
        "",
        r"\| unet_plus_plus \| \d+\.\d \| \d+ \| \d\.\d\d \|",
    ),
    "between_planes": (
        {"HALF_AXES_MM": [(10, 10, 10)], "PLANES_AND_SLICES_MM": [(2, 3)], "PLACES": 1},
        "",
        r"\| 2 mm, 3 mm \| 0\.[89]\d+, .* \| 0\.9\d+, ",
    ),
    "conversion_speed": (
        {"NODULE_MM": (10.0, 20.0, -290.0)},
        "luna16 --synthetic 20 --cases 1 --rounds 1",
        r"(?s)wall: SimpleITK .* ratio \d.*cpu: .* images above idle",
    ),
    "denormals": ({"ROUNDS": 1, "SHAPE": (1, 32, 8, 8)}, "", r"convolution 3 x 3 +\d+\.\d\d +\d+\.\d\d"),
    "evaluation_speed": (
        NO_SIZES,
        "--cases 1 --slices 20 --size 32 --froc",
        r"(?s)MB of probabilities.*each further case: .*888 scans: ",
    ),
    "phantom_dice": (
        {"N_TRAINING": 1, "N_HELD_OUT": 1, "N_TEST_BATCHES": 1, "BLOCK": (4, 32, 32)},
        "--networks default --seeds 1 --iterations 1",
        r"\| default \| 0\.\d\d \| 0\.\d\d \| 0\.00 \| 0\.\d\d \| 0\.\d\d \|",
    ),
    "report_size": (
        NO_SIZES,
        "--trainers 2 --folds 2 --cases 1 --slices 12 --size 96",
        r"a slice: \d+ kB\n\d+\.\d MB",
    ),
}


@pytest.mark.parametrize("name", sorted(SMALLEST))
def test_a_script_prints_its_figures(
    name: str, monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str]
) -> None:
    """At its smallest size."""
    sizes, arguments, printed = SMALLEST[name]
    monkeypatch.syspath_prepend(BENCHMARKS)
    script = importlib.import_module(name)
    for constant, value in sizes.items():
        monkeypatch.setattr(script, constant, value)
    monkeypatch.setattr(sys, "argv", [name, *arguments.split()])
    for kind in ("raw", "preprocessed", "results"):
        monkeypatch.setenv(f"nnUNet_{kind}", "")  # some scripts set it
    flushes = torch.tensor(1e-40) * 1 == 0
    try:
        script.main()
    finally:
        torch.set_flush_denormal(bool(flushes))
    assert re.search(printed, capfd.readouterr().out)
