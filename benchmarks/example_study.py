"""The example of docs/example-study.md: networks trained on phantom scans, compared, and a report of it.

    python benchmarks/example_study.py [--output FOLDER] [--scans 30] [--trainers NAME ...] [--workers 4]

Runs, with the plan of `raemd demo`, the commands that a user would: phantom, conversion to two folds,
planning, `raemd study`, `raemd evaluate`, `raemd postprocess determine` and `raemd report`. Printed are the
commands, how long each took, the greatest memory of one process and the tables. Interrupted, it is continued
by the same command. All that the commands print is in the folder `logs`, the report in `report.html`.
"""

from __future__ import annotations

import argparse
import resource
from collections.abc import Sequence
from pathlib import Path

from rich.console import Console

from nnunetv2_raemd.demo.demo_plan import write_demo_plan
from nnunetv2_raemd.demo.demo_steps import PHANTOM, Step
from nnunetv2_raemd.demo.runner import run_step
from nnunetv2_raemd.demo.workspace import DATASET, DATASET_ID, PLANS, Workspace

TRAINERS = ("nnUNetTrainerUNet_quick", "nnUNetTrainerRAEMD_noLSTM_quick", "nnUNetTrainerRAEMD_quick")
FOLDS = ("0", "1")
SEED = "1"
SHOWN_CASES = "6"
FROC = ("--froc",)


def data_steps(workspace: Workspace, n_scans: int) -> list[Step]:
    """From nothing to preprocessed data, whose scans are all validated once by one of two folds."""
    archive, number = str(workspace.archive), str(DATASET_ID)
    contours = ("--xml", str(workspace.archive / "lidc-xml"))
    name = ("-d", number, "--name", DATASET.partition("_")[2])
    phantom = ("raemd", "phantom", "luna16", "-o", archive, "-n", str(n_scans), "--seed", SEED, *PHANTOM)
    folds = ("--folds", str(len(FOLDS)))
    return [
        Step("Make phantom scans", phantom),
        Step("Convert them", ("raemd", "convert", "luna16", "-i", archive, *contours, *name, *folds)),
        Step("Plan and preprocess", ("nnUNetv2_plan_and_preprocess", "-d", number, "-c", "2d", "-np", "2")),
    ]


def study_steps(workspace: Workspace, trainers: Sequence[str], n_workers: int) -> list[Step]:
    """From preprocessed data to the report; the last trainer is the proposed one."""
    one = ("-d", str(DATASET_ID), "-c", "2d", "-p", PLANS)
    models = (*one, "-tr", *trainers, "--folds", *FOLDS)
    proposed, workers = (*one, "-tr", trainers[-1]), ("-np", str(n_workers))
    report = ("--cases", SHOWN_CASES, "-o", str(workspace.root / "report.html"))
    return [
        Step("Train and validate", ("raemd", "study", *models, "-device", "cpu", "--npz")),
        Step("Evaluate", ("raemd", "evaluate", *models, *FROC, *workers)),
        Step("Choose post-processing", ("raemd", "postprocess", "determine", *proposed, *workers)),
        Step("Report", ("raemd", "report", *models, *workers, *report)),
    ]


def run(workspace: Workspace, steps: Sequence[Step], console: Console) -> None:
    """Those that an earlier call has not finished."""
    logs = workspace.root / "logs"
    logs.mkdir(parents=True, exist_ok=True)
    for step in steps:
        run_step(step, workspace.environment(), logs, console)


def main() -> None:
    """Run all and print the tables."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawTextHelpFormatter)
    parser.add_argument("--output", type=Path, default=Path("example_study"))
    parser.add_argument("--scans", type=int, default=30)
    parser.add_argument("--trainers", nargs="+", default=TRAINERS)
    parser.add_argument("--workers", type=int, default=4)
    options = parser.parse_args()
    workspace, console = Workspace(options.output.resolve()), Console(highlight=False)
    run(workspace, data_steps(workspace, options.scans), console)
    write_demo_plan(workspace)
    run(workspace, study_steps(workspace, options.trainers, options.workers), console)
    results = workspace.root / "nnUNet_results" / DATASET
    print((results / "evaluation__2d" / "summary.md").read_text(encoding="utf-8"))
    print((workspace.root / "logs" / "choose_post-processing.log").read_text(encoding="utf-8").strip())
    memory_gb = resource.getrusage(resource.RUSAGE_CHILDREN).ru_maxrss / 1e6
    print(f"greatest memory of one process: {memory_gb:.1f} GB")


if __name__ == "__main__":
    main()
