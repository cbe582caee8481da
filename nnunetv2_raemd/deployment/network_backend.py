"""What can run the network of an exported model."""

from __future__ import annotations

from enum import Enum


class Backend(str, Enum):
    """What runs the network."""

    TORCH = "torch"
    OPENVINO = "openvino"
    ONNXRUNTIME = "onnxruntime"
