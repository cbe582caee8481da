"""What a study does where there are no process groups and no locks that children inherit, as on Windows."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import psutil
import pytest

from nnunetv2_raemd.study.process_group import _send
from nnunetv2_raemd.study.training_lock import LockedError, locked


def test_without_process_groups_children_end_too(monkeypatch: pytest.MonkeyPatch) -> None:
    """A console script of Windows is a program that starts Python."""
    starts_another = "import subprocess, sys; subprocess.run([sys.executable, '-c', 'input()'])"
    with subprocess.Popen([sys.executable, "-c", starts_another], stdin=subprocess.PIPE) as process:
        while not (children := psutil.Process(process.pid).children()):
            time.sleep(0.02)
        monkeypatch.delattr(os, "killpg")
        _send(process, "SIGKILL")
        assert psutil.wait_procs(children, timeout=20)[1] == []
    assert process.returncode == -signal.SIGKILL
    _send(process, "SIGKILL")  # it has ended: nothing happens


def test_without_locks_that_children_inherit_the_study_holds_it(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setitem(sys.modules, "fcntl", None)
    file = tmp_path / "lock"
    with locked(file) as inherited:
        assert inherited == ()
        with pytest.raises(LockedError), locked(file):
            pass
    with locked(file):
        pass
