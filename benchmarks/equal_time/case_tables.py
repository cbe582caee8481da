"""Tables of systems from `raemd evaluate`'s figures of each case."""

from __future__ import annotations

import csv
import json
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path

import numpy as np
import pandas as pd
from scipy.stats import wilcoxon

PROPOSED = "RAEMD-Net"
METRICS = {"dice": "Dice", "hd95_mm": "HD95, mm", "recall": "recall", "precision": "precision"}


def read_cases(cases: Path, models: Mapping[str, tuple[str, int]]) -> pd.DataFrame:
    """System, seed, fold, case and metrics of each prediction.

    `models` gives the system and seed of each model.
    """
    rows = []
    with cases.open(encoding="utf-8", newline="") as file:
        for row in csv.DictReader(file):
            system, seed = models[model_of(row["system"], models)]
            which = {"system": system, "seed": seed, "fold": row["fold"], "case": row["case"]}
            rows.append({**which, **{key: float(row[key] or "nan") for key in (*METRICS, "continuity")}})
    return pd.DataFrame(rows)


def model_of(name: str, models: Iterable[str]) -> str:
    """The model that `raemd evaluate` names, which leaves out plans and configuration where it can."""
    (model,) = [model for model in models if model == name or model.startswith(f"{name}__")]
    return model


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
