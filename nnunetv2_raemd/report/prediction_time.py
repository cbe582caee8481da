"""How long a network took for a scan, from the times in nnU-Net's text log of the validation."""

from __future__ import annotations

import re
from datetime import datetime
from itertools import pairwise
from pathlib import Path
from statistics import median

_STAMPED = re.compile(r"^(\d{4}-\d\d-\d\d \d\d:\d\d:\d\d\.\d+): +(.*)$", re.MULTILINE)
# nnU-Net writes this between reading a case and predicting it
_BEGINS = re.compile(r".*, shape .*, rank \d+")


def seconds_per_scan(fold_folder: Path) -> float | None:
    """Median over the validation cases, from the newest log that times any; None where none does.

    The time is that of the sliding window with mirroring; reading and writing files are not in it.
    """
    logs = sorted(fold_folder.glob("training_log_*.txt"))
    for log in reversed(logs):
        if seconds := _seconds(log.read_text(encoding="utf-8", errors="replace")):
            return median(seconds)
    return None


def _seconds(text: str) -> list[float]:
    """From each case's beginning to the next line of the log."""
    lines = [(datetime.fromisoformat(stamp), message) for stamp, message in _STAMPED.findall(text)]
    return [
        (after - before).total_seconds()
        for (before, message), (after, _) in pairwise(lines)
        if _BEGINS.match(message)
    ]
