"""The tables of the study from `raemd evaluate`'s figures of each case."""

from __future__ import annotations

import csv
import json
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
from false_volume import false_volumes
from scipy.stats import wilcoxon
from worst_cases import draw_worst

PROPOSED = "RAEMD-Net"
DIAMETERS = ((0, 8, "< 8 mm"), (8, 15, "8-15 mm"), (15, np.inf, "> 15 mm"))
METRICS = {"dice": "Dice", "hd95_mm": "HD95, mm", "recall": "recall", "precision": "precision"}


def write_tables(
    cases: Path, root: Path, models: Mapping[str, tuple[str, int]], nodules: Mapping[str, Mapping[str, Any]]
) -> None:
    """Write `cases.csv` (a row per case and training), `tables.md` and `worst.png` to the study's folder.

    `models` gives the system and seed of each model, `nodules` diameter and texture of each case.
    """
    table = read_cases(cases, models, nodules)
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


def read_cases(
    cases: Path, models: Mapping[str, tuple[str, int]], nodules: Mapping[str, Mapping[str, Any]]
) -> pd.DataFrame:
    """System, seed, fold, case, diameter, texture and metrics of each prediction."""
    rows = []
    with cases.open(encoding="utf-8", newline="") as file:
        for row in csv.DictReader(file):
            system, seed = models[model_of(row["system"], models)]
            nodule = nodules[row["case"]]
            metrics = {key: float(row[key] or "nan") for key in (*METRICS, "continuity")}
            which = {"system": system, "seed": seed, "fold": row["fold"], "case": row["case"]}
            rows.append({**which, **nodule, **metrics})
    table = pd.DataFrame(rows)
    table["diameter"] = [diameter_group(diameter) for diameter in table["diameter_mm"]]
    return table


def model_of(name: str, models: Iterable[str]) -> str:
    """The model that `raemd evaluate` names, which leaves out plans and configuration where it can."""
    (model,) = [model for model in models if model == name or model.startswith(f"{name}__")]
    return model


def diameter_group(diameter_mm: float) -> str:
    """The bin that a diameter falls into."""
    return next(name for low, high, name in DIAMETERS if low <= diameter_mm < high)


def main_table(table: pd.DataFrame) -> str:
    """Means over the cases; SD over the means of the seeds of a fold, where there are several."""
    lines = ["| system | cases | " + " | ".join(METRICS.values()) + " | continuity | SD of seeds |"]
    lines.append("|---" * (len(METRICS) + 4) + "|")
    for system, rows in grouped(table, "system"):
        finite = rows.replace([np.inf, -np.inf], np.nan)
        values = [f"{finite[key].mean():.3f}" for key in (*METRICS, "continuity")]
        lines.append(f"| {system} | {len(rows)} | " + " | ".join(values) + f" | {seed_deviation(rows)} |")
    return "\n".join(lines)


def grouped(table: pd.DataFrame, key: str) -> list[tuple[str, pd.DataFrame]]:
    """Groups in the order of their first rows."""
    return [(name, table[table[key] == name]) for name in dict.fromkeys(table[key])]


def seed_deviation(rows: pd.DataFrame) -> str:
    """The mean over folds of the deviation of a fold's mean Dice between seeds."""
    if rows["seed"].nunique() < 2:
        return ""
    means = rows.groupby(["fold", "seed"])["dice"].mean().unstack()
    return f"{means.std(axis=1, ddof=1).mean():.3f}"


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


def comparisons(table: pd.DataFrame) -> str:
    """RAEMD-Net against each other system on the cases of both: paired Wilcoxon tests, Holm's correction."""
    dice = table.groupby(["case", "system"])["dice"].mean().unstack()
    others = [name for name in dict.fromkeys(table["system"]) if name != PROPOSED]
    rows = []
    for other in others:
        pairs = dice[[PROPOSED, other]].dropna()
        difference = pairs[PROPOSED] - pairs[other]
        rows.append((other, difference, float(wilcoxon(difference).pvalue)))
    corrected = holm([p for *_, p in rows])
    lines = [
        f"| {PROPOSED} against | cases | difference | 95 % interval | won | effect size | p | p (Holm) |"
    ]
    lines.append("|---" * 8 + "|")
    for (other, difference, p), p_holm in zip(rows, corrected, strict=True):
        low, high = bootstrap_interval(difference.to_numpy())
        effect = difference.mean() / difference.std(ddof=1)
        won = int((difference > 0).sum())
        lines.append(
            f"| {other} | {len(difference)} | {difference.mean():+.3f} | {low:+.3f} to {high:+.3f} | {won} "
            f"| {effect:+.2f} | {p:.2g} | {p_holm:.2g} |"
        )
    return "\n".join(lines)


def holm(p_values: Sequence[float]) -> list[float]:
    """Holm's correction for as many tests."""
    order = np.argsort(p_values)
    corrected, highest = [0.0] * len(p_values), 0.0
    for rank, index in enumerate(order):
        highest = max(highest, min(1.0, (len(p_values) - rank) * p_values[index]))
        corrected[index] = highest
    return corrected


def bootstrap_interval(values: np.ndarray, n: int = 5000) -> tuple[float, float]:
    """Percentile interval of the mean over cases, with a fixed seed."""
    drawn = np.random.default_rng(0).choice(values, (n, len(values)))
    low, high = np.percentile(drawn.mean(axis=1), (2.5, 97.5))
    return float(low), float(high)


def costs(root: Path) -> str:
    """Iterations that each model reached in its time, over all folds."""
    lines = ["| model | trainings | processor s | iterations |", "|---|---|---|---|"]
    for model in sorted((root / "nnUNet_results").glob("*/nnUNetTrainer*")):
        records = [json.loads(file.read_text()) for file in model.glob("fold_*/processor_seconds.json")]
        if records:
            seconds, iterations = (np.mean([r[key] for r in records]) for key in ("spent", "iterations"))
            lines.append(f"| {model.name} | {len(records)} | {seconds:.0f} | {iterations:.0f} |")
    return "\n".join(lines)
