"""RAEMD-Net and nnU-Net's U-Nets on whole phantom scans, at equal processor time: docs/whole-scans.md.

    python benchmarks/equal_time/whole_scans.py [--output FOLDER] [--seconds 300] [--seeds 0] [--folds 0 1]
        [--systems NAME ...]

Runs the commands that a user would: `raemd phantom`, `raemd convert` to two folds, nnU-Net's planning, `raemd
study`, `raemd evaluate` with FROC, and `raemd report`. Each training has the same processor time on one
thread, with the learning rate scaled to it. Interrupted, it is continued by the same command; more seeds and
systems may be added at any time. Figures of each case go to `cases.csv` and the tables to `tables.md` in the
output folder, beside the report.
"""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

import pandas as pd
from case_tables import comparisons, costs, grouped, main_table, model_of, read_cases
from study_commands import command, environment, is_planned, plan_and_preprocess, study_parser
from systems import models_of

from nnunetv2_raemd.evaluation.evaluation_json import load_results
from nnunetv2_raemd.evaluation.froc import LUNA16_RATES
from nnunetv2_raemd.evaluation.summary import LesionSummary, summarize

DATASET_ID = 701
DATASET = f"Dataset{DATASET_ID}_WholePhantoms"
SYSTEMS = ("RAEMD-Net", "nnU-Net 2d", "nnU-Net 3d_fullres", "U-Net 2D, our recipe")
FOLDS = ("0", "1")
PHANTOM = (
    *("-n", "30", "--seed", "1", "--shape", "40", "96", "96", "--spacing", "2.5", "2", "2"),
    *("--diameter", "8", "18", "--vessels", "1", "3"),
)
SHOWN_CASES = "6"


def make_dataset(root: Path, variables: Mapping[str, str]) -> None:
    """Phantom scans in folds in which each is validated once."""
    archive, name = str(root / "LUNA16"), DATASET.partition("_")[2]
    command(variables, "raemd", "phantom", "luna16", "-o", archive, *PHANTOM)
    which = ("-d", str(DATASET_ID), "--name", name, "--folds", str(len(FOLDS)))
    command(variables, "raemd", "convert", "luna16", "-i", archive, *which)


def lesion_table(lesions: Mapping[str, LesionSummary], models: Mapping[str, tuple[str, int]]) -> str:
    """Sensitivity, false lesions and FROC of each system: means over its seeds, and the deviation of CPM.

    `lesions` is by model as `raemd evaluate` names them, `models` gives the system and seed of each model.
    """
    rates = " | ".join(f"{rate:g}" for rate in LUNA16_RATES)
    lines = [f"| system | lesions found | false per scan | {rates} | CPM | SD of seeds |"]
    lines.append("|---" * (len(LUNA16_RATES) + 5) + "|")
    rows = [
        {"system": models[model_of(name, models)][0], **figures(found)} for name, found in lesions.items()
    ]
    for system, found in grouped(pd.DataFrame(rows), "system"):
        values = found.drop(columns="system")
        means = " | ".join(f"{value:.3f}" for value in values.mean())
        spread = f"{values['CPM'].std(ddof=1):.3f}" if len(values) > 1 else ""
        lines.append(f"| {system} | {means} | {spread} |")
    return "\n".join(lines)


def figures(lesions: LesionSummary) -> dict[str, float]:
    """Sensitivity, false lesions per scan, sensitivity at each rate of the FROC, and CPM."""
    assert lesions.froc is not None
    at_rates = {
        f"{rate:g}": found for rate, found in zip(LUNA16_RATES, lesions.froc.sensitivity_at(), strict=True)
    }
    return {
        "found": lesions.sensitivity,
        "false": lesions.false_per_scan,
        **at_rates,
        "CPM": lesions.froc.cpm,
    }


def main() -> None:
    """Run what is missing and write the tables."""
    parser = study_parser(__doc__, SYSTEMS, FOLDS)
    parser.add_argument("--output", type=Path, default=Path("whole_scans"))
    parser.add_argument("--seconds", type=int, default=300)
    options = parser.parse_args()
    root = options.output.resolve()
    variables = environment(root)
    if not is_planned(DATASET, root):
        make_dataset(root, variables)
        plan_and_preprocess(DATASET, root, variables)
    models = models_of(options.systems, options.seconds, options.seeds)
    which = ("-d", str(DATASET_ID), "-tr", *models, "--folds", *options.folds)
    command(variables, "raemd", "study", *which, "-device", "cpu", "--npz")
    evaluated = root / "evaluation"
    command(variables, "raemd", "evaluate", *which, "--froc", "-np", "1", "-o", str(evaluated))
    # a report takes the last for the proposed one
    last_first = models_of(options.systems[::-1], options.seconds, options.seeds[:1])
    shown = ("-d", str(DATASET_ID), "-tr", *last_first)
    page = ("--folds", *options.folds, "--cases", SHOWN_CASES, "-np", "1", "-o", str(root / "report.html"))
    command(variables, "raemd", "report", *shown, *page)
    table = read_cases(evaluated / "cases.csv", models)
    table.to_csv(root / "cases.csv", index=False, float_format="%.4f")
    summary = summarize(load_results(evaluated / "evaluation.json"))
    lesions = {found.system: found.lesions for found in summary.targets}
    text = "\n\n".join([main_table(table), lesion_table(lesions, models), comparisons(table), costs(root)])
    (root / "tables.md").write_text(text + "\n", encoding="utf-8")
    print(text)


if __name__ == "__main__":
    main()
