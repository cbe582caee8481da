"""The tables of the study on real nodules from `raemd evaluate`'s figures of each case."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
from case_tables import PROPOSED, comparisons, costs, grouped, main_table, read_cases
from false_volume import false_volumes
from worst_cases import draw_worst

DIAMETERS = ((0, 8, "< 8 mm"), (8, 15, "8-15 mm"), (15, np.inf, "> 15 mm"))


def write_tables(
    cases: Path, root: Path, models: Mapping[str, tuple[str, int]], nodules: Mapping[str, Mapping[str, Any]]
) -> None:
    """Write `cases.csv` (a row per case and training), `tables.md` and `worst.png` to the study's folder.

    `models` gives the system and seed of each model, `nodules` diameter and texture of each case.
    """
    table = with_nodules(read_cases(cases, models), nodules)
    table.to_csv(root / "cases.csv", index=False, float_format="%.4f")
    has_proposed = PROPOSED in set(table["system"])
    parts = [main_table(table), by_group(table, "diameter"), by_group(table, "texture")]
    parts += [comparisons(table)] if has_proposed else []
    parts += [false_volumes(root, models), costs(root)]
    text = "\n\n".join(parts)
    (root / "tables.md").write_text(text + "\n", encoding="utf-8")
    print(text)
    if has_proposed:
        draw_worst(table, root, models, root / "worst.png")


def with_nodules(table: pd.DataFrame, nodules: Mapping[str, Mapping[str, Any]]) -> pd.DataFrame:
    """The table with each case's diameter in mm, its bin, and its texture."""
    of_cases = pd.DataFrame([nodules[case] for case in table["case"]], index=table.index)
    bins = [diameter_group(diameter) for diameter in of_cases["diameter_mm"]]
    return table.join(of_cases).assign(diameter=bins)


def diameter_group(diameter_mm: float) -> str:
    """The bin that a diameter falls into."""
    return next(name for low, high, name in DIAMETERS if low <= diameter_mm < high)


def by_group(table: pd.DataFrame, key: str) -> str:
    """Mean Dice of each system in each group of cases."""
    order = [name for *_, name in DIAMETERS] if key == "diameter" else ["ground glass", "part-solid", "solid"]
    counts = {group: table[table[key] == group]["case"].nunique() for group in order}
    lines = [f"| Dice by {key} | " + " | ".join(f"{group} ({counts[group]})" for group in order) + " |"]
    lines.append("|---" * (len(order) + 1) + "|")
    for system, rows in grouped(table, "system"):
        means = [f"{rows[rows[key] == group]['dice'].mean():.3f}" for group in order]
        lines.append(f"| {system} | " + " | ".join(means) + " |")
    return "\n".join(lines)
