"""What one check of the installation found."""

from __future__ import annotations

from dataclasses import dataclass
from enum import Enum


class State(str, Enum):
    """How a finding bears on the use of the plugin."""

    OK = "ok"
    NOTE = "note"  # usable, but worth knowing
    PROBLEM = "problem"


@dataclass(frozen=True)
class Finding:
    """One line of `raemd info`; `advice` says what to do about a note or a problem."""

    subject: str
    value: str
    state: State = State.OK
    advice: str = ""


def note(subject: str, value: str, advice: str) -> Finding:
    """A finding that leaves the plugin usable."""
    return Finding(subject, value, State.NOTE, advice)


def problem(subject: str, value: str, advice: str) -> Finding:
    """A finding that keeps the plugin from being used."""
    return Finding(subject, value, State.PROBLEM, advice)
