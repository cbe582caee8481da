"""RAEMD-Net and nnU-Net's U-Nets on real nodules, at equal processor time: the study of docs/real-nodules.md.

    python benchmarks/real_nodules/run.py --data FOLDER [--output FOLDER] [--seconds 300] [--seeds 0]
        [--folds 0 1 2 3 4] [--systems NAME ...]

FOLDER holds `cubes.npz` and `ratings.csv`: nodules of LIDC-IDRI in cubes of 1 mm voxels, one per patient. The
script writes an nnU-Net dataset with five folds and runs nnU-Net's planning, `raemd study`, `raemd evaluate`
and `raemd report`. Each training has the same processor time on one thread, with the learning rate scaled to
it. Interrupted, it is continued by the same command; more folds, seeds and systems may be added at any time.
Figures of each case go to `cases.csv` and the tables to `tables.md` in the output folder.
"""

from __future__ import annotations

import argparse
import os
import subprocess
import sys
from collections.abc import Mapping, Sequence
from pathlib import Path

from case_tables import write_tables
from cubes_dataset import DATASET, DATASET_ID, PLANS, nodules, write_dataset, write_study_plan
from systems import MAIN, SYSTEMS, model_name

TRAINERS = Path(__file__).resolve().parent / "trainers"


def environment(root: Path) -> dict[str, str]:
    """nnU-Net's folders below `root`, our trainers, and one thread, so that all time counts."""
    folders = {name: str(root / name) for name in ("nnUNet_raw", "nnUNet_preprocessed", "nnUNet_results")}
    known = os.environ.get("nnUNet_extTrainer", "")  # noqa: SIM112 - nnU-Net's name
    one_thread = {"OMP_NUM_THREADS": "1", "MKL_NUM_THREADS": "1", "nnUNet_n_proc_DA": "0"}
    return {
        **os.environ,
        **folders,
        **one_thread,
        "nnUNet_def_n_proc": "1",
        "nnUNet_extTrainer": os.pathsep.join(filter(None, (str(TRAINERS), known))),
    }


def command(variables: Mapping[str, str], *words: str) -> None:
    """Run a command of this Python environment.

    Raises:
        SystemExit: if it fails.
    """
    print(f"$ {' '.join(words)}", flush=True)
    script = Path(sys.executable).with_name(words[0])
    status = subprocess.run([script, *words[1:]], env=dict(variables), check=False).returncode
    if status != 0:
        raise SystemExit(f"{words[0]} failed with exit status {status}; start again to go on")


def prepare(data: Path, root: Path, variables: Mapping[str, str]) -> None:
    """The dataset, preprocessed, with the study's plan."""
    preprocessed = root / "nnUNet_preprocessed" / DATASET
    if not (preprocessed / f"{PLANS}.json").is_file():
        write_dataset(data, root / "nnUNet_raw")
        plan = ("nnUNetv2_plan_and_preprocess", "-d", str(DATASET_ID), "-c", "2d", "3d_fullres", "-np", "1")
        command(variables, *plan)
        write_study_plan(preprocessed)


def train_and_evaluate(
    models: Sequence[str], folds: Sequence[str], root: Path, variables: Mapping[str, str]
) -> Path:
    """All trainings, and the folder of their evaluation."""
    which = ("-d", str(DATASET_ID), "-tr", *models, "--folds", *folds)
    command(variables, "raemd", "study", *which, "-device", "cpu")
    evaluated = root / "evaluation"
    command(variables, "raemd", "evaluate", *which, "-np", "1", "-o", str(evaluated))
    return evaluated


def main() -> None:
    """Run what is missing and write the tables."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawTextHelpFormatter)
    parser.add_argument("--data", type=Path, required=True)
    parser.add_argument("--output", type=Path, default=Path("real_nodules"))
    parser.add_argument("--seconds", type=int, default=300)
    parser.add_argument("--seeds", type=int, nargs="+", default=[0])
    parser.add_argument("--folds", nargs="+", default=["0", "1", "2", "3", "4"])
    parser.add_argument("--systems", nargs="+", choices=list(SYSTEMS), default=list(MAIN))
    options = parser.parse_args()
    root = options.output.resolve()
    variables = environment(root)
    prepare(options.data, root, variables)
    models = {
        model_name(name, options.seconds, seed): (name, seed)
        for seed in options.seeds
        for name in options.systems
    }
    evaluated = train_and_evaluate(list(models), options.folds, root, variables)
    write_tables(evaluated / "cases.csv", root, models, nodules(options.data))


if __name__ == "__main__":
    main()
