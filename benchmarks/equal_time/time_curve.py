"""Dice on real nodules against the processor time of the training: the curve of docs/real-nodules.md.

    python benchmarks/equal_time/time_curve.py --data FOLDER [--output real_nodules]
        [--budgets 50 100 200 400] [--seeds 0] [--folds 0 1] [--systems NAME ...]

Every point is a training of its own, whose learning rate is scaled to its time. Trains what is missing as
`real_nodules.py` does, in the same output folder. The table goes to `time_curve.md` and the picture to
`time_curve.png` there.
"""

from __future__ import annotations

from pathlib import Path

import pandas as pd
from case_tables import read_cases
from matplotlib.figure import Figure
from nodule_trainings import evaluate, prepare, train
from study_commands import environment, study_parser
from systems import models_of

COMPARED = ("RAEMD-Net", "nnU-Net 2d")
FOLDS = ("0", "1")
BUDGETS = (50, 100, 200, 400)


def curve_table(means: pd.DataFrame) -> str:
    """Mean Dice by system (rows) and seconds (columns)."""
    lines = ["| mean Dice after | " + " | ".join(f"{seconds} s" for seconds in means.columns) + " |"]
    lines.append("|---" * (len(means.columns) + 1) + "|")
    for system, row in means.iterrows():
        lines.append(f"| {system} | " + " | ".join(f"{value:.3f}" for value in row) + " |")
    return "\n".join(lines)


def draw(means: pd.DataFrame, picture: Path) -> None:
    """A line for each system, over seconds in powers of two."""
    figure = Figure(figsize=(6, 4), layout="constrained")
    axes = figure.subplots()
    for system, row in means.iterrows():
        axes.plot(row.index, row, marker="o", label=str(system))
    axes.set_xscale("log", base=2)
    axes.set_xticks(means.columns, [str(seconds) for seconds in means.columns])
    axes.set_xlabel("processor time of the training, s")
    axes.set_ylabel("mean Dice")
    axes.grid(alpha=0.3)
    axes.legend()
    figure.savefig(picture, dpi=80)


def main() -> None:
    """Run what is missing, write the table and draw the curve."""
    parser = study_parser(__doc__, COMPARED, FOLDS)
    parser.add_argument("--output", type=Path, default=Path("real_nodules"))
    parser.add_argument("--budgets", type=int, nargs="+", default=list(BUDGETS), metavar="SECONDS")
    parser.add_argument("--data", type=Path, required=True)
    options = parser.parse_args()
    root = options.output.resolve()
    variables = environment(root)
    prepare(options.data, root, variables)
    points = {}
    for seconds in options.budgets:
        models = models_of(options.systems, seconds, options.seeds)
        train(models, options.folds, variables)
        cases = evaluate(models, options.folds, root / f"evaluation_{seconds}s", variables)
        points[seconds] = read_cases(cases, models).groupby("system", sort=False)["dice"].mean()
    means = pd.DataFrame(points)
    (root / "time_curve.md").write_text(curve_table(means) + "\n", encoding="utf-8")
    draw(means, root / "time_curve.png")
    print(curve_table(means))


if __name__ == "__main__":
    main()
