"""What is printed to a terminal or a pipe that does not have all characters, as many of Windows' do not."""

from __future__ import annotations

import io
import sys

import pytest

from nnunetv2_raemd import cli


def test_a_character_that_is_missing_does_not_end_the_command(monkeypatch: pytest.MonkeyPatch) -> None:
    printed = io.BytesIO()
    monkeypatch.setattr(sys, "stdout", io.TextIOWrapper(printed, encoding="cp1252", newline=""))
    monkeypatch.setattr(cli, "app", lambda: print("HD95 ∞ mm ± 0"))
    cli.main()
    sys.stdout.flush()
    assert printed.getvalue().decode("cp1252").rstrip() == "HD95 ? mm ± 0"
