"""An interrupt after models of OpenVINO have come and gone."""

from __future__ import annotations

import subprocess
import sys

import pytest

pytest.importorskip("openvino")

MODELS_COME_AND_GO = """
import faulthandler, signal
import numpy as np
import openvino
from openvino import opset13 as opset
from nnunetv2_raemd.deployment.graph_sessions import OpenVinoSession

faulthandler.enable()  # as pytest does: only then handlers have a stack of their own
signal.signal(signal.SIGINT, signal.default_int_handler)

def session():
    image = opset.parameter([1, 1, 4, 4], np.float32)
    made = OpenVinoSession(openvino.Model([opset.relu(image)], [image]), threads=1)
    assert made([np.full((1, 4, 4, 1), -1, np.float32)])[0].max() == 0
    return made

first, second = session(), session()
del first  # each model brings back what it found: the second would bring back the stack of the first
del second
try:
    signal.raise_signal(signal.SIGINT)
except KeyboardInterrupt:
    print("interrupted")
"""


@pytest.mark.skipif(not sys.platform.startswith("linux"), reason="only there OpenVINO was seen to change it")
def test_an_interrupt_after_two_models_is_an_interrupt() -> None:
    ended = subprocess.run(
        [sys.executable, "-c", MODELS_COME_AND_GO], capture_output=True, text=True, check=False
    )
    assert (ended.returncode, ended.stdout) == (0, "interrupted\n"), ended.stderr
