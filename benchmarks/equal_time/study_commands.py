"""What the studies run and how it is started, in an environment in which all of a training's time counts."""

from __future__ import annotations

import os
import subprocess
import sys
from argparse import ArgumentParser, RawTextHelpFormatter
from collections.abc import Mapping, Sequence
from pathlib import Path

from study_plan import PLANS, write_study_plan
from systems import SYSTEMS

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


def plan_and_preprocess(dataset: str, root: Path, variables: Mapping[str, str]) -> None:
    """nnU-Net's planning and preprocessing, and the study's plan beside nnU-Net's."""
    number = dataset.removeprefix("Dataset").partition("_")[0]
    # nnU-Net's planner takes this number as torch's threads, of which there cannot be none
    planning = {**variables, "nnUNet_n_proc_DA": "1"}
    command(planning, "nnUNetv2_plan_and_preprocess", "-d", number, "-c", "2d", "3d_fullres", "-np", "1")
    write_study_plan(root / "nnUNet_preprocessed" / dataset)


def is_planned(dataset: str, root: Path) -> bool:
    """Whether `plan_and_preprocess` has come to its end."""
    return (root / "nnUNet_preprocessed" / dataset / f"{PLANS}.json").is_file()


def study_parser(description: str | None, systems: Sequence[str], folds: Sequence[str]) -> ArgumentParser:
    """The options of all studies, with the systems and folds that each compares."""
    parser = ArgumentParser(description=description, formatter_class=RawTextHelpFormatter)
    parser.add_argument("--seeds", type=int, nargs="+", default=[0])
    parser.add_argument("--folds", nargs="+", default=list(folds))
    parser.add_argument("--systems", nargs="+", choices=list(SYSTEMS), default=list(systems))
    return parser
