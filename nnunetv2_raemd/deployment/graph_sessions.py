"""Graphs that are ready to run, by whatever runs them."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from functools import cache
from pathlib import Path
from threading import Lock, local
from types import MappingProxyType
from typing import TYPE_CHECKING, Protocol

import numpy as np

from nnunetv2_raemd.deployment.signal_stack import kept_signal_stack
from nnunetv2_raemd.extras import needs_extra

if TYPE_CHECKING:
    import openvino

Arrays = list[np.ndarray]
Shapes = tuple[tuple[int, ...], ...]
NO_WEIGHTS: Mapping[str, np.ndarray] = MappingProxyType({})


class Session(Protocol):
    """A graph with its weights. Several threads may call it at once.

    Attributes:
        channels_last: whether arrays come and go as (N, ..., channels) instead of (N, channels, ...).
    """

    channels_last: bool

    def __call__(self, inputs: Sequence[np.ndarray]) -> Arrays:
        """The outputs, which later calls leave as they are."""


class OnnxRuntimeSession:
    """A graph run by ONNX Runtime on the CPU, by at most `threads` threads.

    All graphs of a process work in the same memory. It is not planned by the pattern of a first run, which
    would be held beside it: both together leave a third of what a network of three graphs takes.

    Args:
        batch: how many entries of the first axis see each other; they run so many at a time, which takes
            half of the memory of all at once, and less time.
        weights: values that the graph leaves to others, by its names. They are read where they lie.
    """

    channels_last = False

    def __init__(
        self, graph: bytes, threads: int, batch: int = 1, weights: Mapping[str, np.ndarray] = NO_WEIGHTS
    ) -> None:
        with needs_extra("onnx"):
            import onnxruntime  # noqa: PLC0415 - an extra
        options = onnxruntime.SessionOptions()
        options.intra_op_num_threads = threads
        options.log_severity_level = 3  # errors; it warns of what its own optimiser leaves behind
        options.enable_mem_pattern = False
        _share_memory_of_sessions()
        options.add_session_config_entry("session.use_env_allocators", "1")
        self._weights = [onnxruntime.OrtValue.ortvalue_from_numpy(values) for values in weights.values()]
        options.add_external_initializers(list(weights), self._weights)
        self._session = onnxruntime.InferenceSession(graph, options, providers=["CPUExecutionProvider"])
        self._names = [entry.name for entry in self._session.get_inputs()]
        self._batch = batch

    def __call__(self, inputs: Sequence[np.ndarray]) -> Arrays:
        parts = _parts(len(inputs[0]), self._batch)
        outputs: Arrays = []
        for part in parts:
            values = [value[part] for value in inputs]
            results: Arrays = self._session.run(None, dict(zip(self._names, values, strict=True)))
            if len(parts) == 1:
                return results
            if not outputs:
                outputs = [np.empty((len(inputs[0]), *one.shape[1:]), one.dtype) for one in results]
            for output, result in zip(outputs, results, strict=True):
                output[part] = result
        return outputs


@cache
def _share_memory_of_sessions() -> None:
    """Make the memory that ONNX Runtime's sessions share, once in a process."""
    import onnxruntime  # noqa: PLC0415 - an extra

    kind, use = onnxruntime.OrtAllocatorType.ORT_ARENA_ALLOCATOR, onnxruntime.OrtMemType.DEFAULT
    of_cpu = onnxruntime.OrtMemoryInfo("Cpu", kind, 0, use)
    onnxruntime.create_and_register_allocator(of_cpu, onnxruntime.OrtArenaCfg({}))


class CompiledSession:
    """A graph run by OpenVINO as somebody else has compiled it."""

    channels_last = False

    def __init__(self, compiled: openvino.CompiledModel) -> None:
        self._compiled, self._of_thread = compiled, local()

    def __call__(self, inputs: Sequence[np.ndarray]) -> Arrays:
        if not hasattr(self._of_thread, "request"):
            self._of_thread.request = self._compiled.create_infer_request()
        results = self._of_thread.request.infer(list(inputs), share_inputs=True)
        return [results[i] for i in range(len(results))]


class OpenVinoSession:
    """A graph run by OpenVINO on the CPU, compiled for the size of what it is given.

    OpenVINO computes with the channels last. Where it knows all sizes it takes and gives arrays like that
    without reordering them, which takes a third of the time of an encoder. So a graph is compiled anew where
    the size changes, as between scans of which only the lungs are predicted; the last one is kept.

    Args:
        threads: at most so many.
        hint: with "bf16" it may compute in bfloat16.
        batch: how many entries of the first axis see each other; they run so many at a time.
    """

    channels_last = True

    def __init__(self, graph: openvino.Model, threads: int, hint: str = "f32", batch: int = 1) -> None:
        with needs_extra("openvino"):
            import openvino  # noqa: PLC0415 - an extra
        self._openvino, self._graph, self._batch = openvino, graph, batch
        self._settings: Mapping[str, object] = {
            "INFERENCE_NUM_THREADS": threads,
            "INFERENCE_PRECISION_HINT": hint,
            "PERFORMANCE_HINT": "LATENCY",
        }
        self._lock, self._of_thread = Lock(), local()
        self._last: tuple[Shapes, openvino.CompiledModel] | None = None

    def __call__(self, inputs: Sequence[np.ndarray]) -> Arrays:
        n = len(inputs[0])
        parts = _parts(n, self._batch)
        request = self._request(tuple((self._batch, *values.shape[1:]) for values in inputs))
        outputs = [
            np.empty((n, *port.shape[1:]), np.float32) for port in request.get_compiled_model().outputs
        ]
        for part in parts:
            for i, values in enumerate(inputs):
                request.set_input_tensor(i, self._tensor(values[part]))
            for i, values in enumerate(outputs):  # written where they are to stay
                request.set_output_tensor(i, self._tensor(values[part]))
            request.infer()
        return outputs

    def _tensor(self, values: np.ndarray) -> openvino.Tensor:
        return self._openvino.Tensor(values, shared_memory=True)

    def _request(self, shapes: Shapes) -> openvino.InferRequest:
        of_thread = self._of_thread
        if getattr(of_thread, "shapes", None) != shapes:
            of_thread.request = self._compiled(shapes).create_infer_request()
            of_thread.shapes = shapes
        request: openvino.InferRequest = of_thread.request
        return request

    def _compiled(self, shapes: Shapes) -> openvino.CompiledModel:
        with self._lock:
            if self._last is None or self._last[0] != shapes:
                graph = self._with_channels_last()
                graph.reshape(dict(enumerate(map(list, shapes))))
                with kept_signal_stack():
                    compiled = self._openvino.Core().compile_model(graph, "CPU", self._settings)
                self._last = (shapes, compiled)
            return self._last[1]

    def _with_channels_last(self) -> openvino.Model:
        processor = self._openvino.preprocess.PrePostProcessor(self._graph.clone())
        for i, port in enumerate(self._graph.inputs):
            first, last = self._layouts(len(port.partial_shape))
            processor.input(i).tensor().set_layout(last)
            processor.input(i).model().set_layout(first)
        for i, port in enumerate(self._graph.outputs):
            first, last = self._layouts(len(port.partial_shape))
            processor.output(i).tensor().set_layout(last)
            processor.output(i).model().set_layout(first)
        return processor.build()

    def _layouts(self, n_axes: int) -> tuple[openvino.Layout, openvino.Layout]:
        """With the channels first, and last."""
        space = "DHW"[-(n_axes - 2) :]
        return self._openvino.Layout(f"NC{space}"), self._openvino.Layout(f"N{space}C")


def _parts(n: int, batch: int) -> list[slice]:
    """Of `n` entries, as many at a time as see each other."""
    if n % batch:
        raise ValueError(f"{n} slices do not make sequences of {batch}")
    return [slice(start, start + batch) for start in range(0, n, batch)]


def read_openvino(graph: bytes | Path) -> openvino.Model:
    """A graph, ONNX or OpenVINO's own, as OpenVINO holds it."""
    with needs_extra("openvino"):
        import openvino  # noqa: PLC0415 - an extra
    return openvino.Core().read_model(graph)
