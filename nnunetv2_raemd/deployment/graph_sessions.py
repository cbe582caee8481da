"""Graphs that are ready to run, by whatever runs them."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from threading import local
from typing import TYPE_CHECKING, Protocol

import numpy as np

from nnunetv2_raemd.deployment.extras import needs_extra

if TYPE_CHECKING:
    import openvino

Arrays = list[np.ndarray]


class Session(Protocol):
    """A graph with its weights. Several threads may call it at once."""

    def __call__(self, inputs: Sequence[np.ndarray]) -> Arrays:
        """The outputs, which later calls leave as they are."""


class OnnxRuntimeSession:
    """A graph run by ONNX Runtime on the CPU, by at most `threads` threads."""

    def __init__(self, graph: bytes, threads: int) -> None:
        with needs_extra("onnx"):
            import onnxruntime  # noqa: PLC0415 - an extra
        options = onnxruntime.SessionOptions()
        options.intra_op_num_threads = threads
        options.log_severity_level = 3  # errors; it warns of what its own optimiser leaves behind
        self._session = onnxruntime.InferenceSession(graph, options, providers=["CPUExecutionProvider"])
        self._names = [entry.name for entry in self._session.get_inputs()]

    def __call__(self, inputs: Sequence[np.ndarray]) -> Arrays:
        outputs: Arrays = self._session.run(None, dict(zip(self._names, inputs, strict=True)))
        return outputs


class OpenVinoSession:
    """A graph run by OpenVINO on the CPU, as it was compiled."""

    def __init__(self, compiled: openvino.CompiledModel) -> None:
        self._compiled, self._of_thread = compiled, local()

    def __call__(self, inputs: Sequence[np.ndarray]) -> Arrays:
        if not hasattr(self._of_thread, "request"):
            self._of_thread.request = self._compiled.create_infer_request()
        results = self._of_thread.request.infer(list(inputs), share_inputs=True)
        return [results[i] for i in range(len(results))]


def read_openvino(graph: bytes | Path) -> openvino.Model:
    """A graph, ONNX or OpenVINO's own, as OpenVINO holds it."""
    with needs_extra("openvino"):
        import openvino  # noqa: PLC0415 - an extra
    return openvino.Core().read_model(graph)


def compile_openvino(graph: openvino.Model, threads: int, hint: str = "f32") -> OpenVinoSession:
    """A session of at most `threads` threads; with the hint "bf16" it may compute in bfloat16."""
    with needs_extra("openvino"):
        import openvino  # noqa: PLC0415 - an extra
    settings: Mapping[str, object] = {
        "INFERENCE_NUM_THREADS": threads,
        "INFERENCE_PRECISION_HINT": hint,
        "PERFORMANCE_HINT": "LATENCY",
    }
    return OpenVinoSession(openvino.Core().compile_model(graph, "CPU", settings))
