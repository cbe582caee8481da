"""The subsets that an archive comes in, by the names of its folders."""

from __future__ import annotations

import re
from pathlib import Path


def subset_number(file: Path) -> int | None:
    """Number N of the nearest folder called subsetN that `file` lies in, None where there is none."""
    for folder in file.parents:
        if found := re.fullmatch(r"subset(\d+)", folder.name, re.IGNORECASE):
            return int(found[1])
    return None
