"""Scans by every backend, at the smallest size."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
import torch

from nnunetv2_raemd.bench.backend_times import time_backends, write_timings
from nnunetv2_raemd.bench.session import Session
from nnunetv2_raemd.bench.sizes import Sizes

pytest.importorskip("onnxscript", reason="the extra onnx is not installed")
pytest.importorskip("nncf", reason="the extra int8 is not installed")
pytestmark = pytest.mark.slow


def test_every_backend_predicts_the_same_scan_beside_nnunets_2d(tmp_path: Path) -> None:
    torch.set_num_threads(1)
    said: list[str] = []
    sizes = Sizes(size=16, slices=4, sequence=2, features=8)
    times = time_backends(sizes, Session(torch.device("cpu"), 1, said.append))
    first, *others = times
    assert first.wall_ratio.median == first.processor_ratio.median == 1
    assert {timing.name for timing in others} >= {
        "RAEMD-Net, torch",
        "RAEMD-Net, onnxruntime",
        "RAEMD-Net, openvino",
        "RAEMD-Net, openvino, bfloat16",
        "RAEMD-Net, openvino, int8",
    }
    for timing in others:
        assert timing.processor_ratio.median == pytest.approx(timing.processor_s[0] / first.processor_s[0])
    write_timings(times, tmp_path / "times.json")
    assert [timing["name"] for timing in json.loads((tmp_path / "times.json").read_text())] == [
        timing.name for timing in times
    ]
