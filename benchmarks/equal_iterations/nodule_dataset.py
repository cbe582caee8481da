"""The dataset, plan and folds of `benchmarks/equal_time`, as the trainings of this study read them."""

from __future__ import annotations

import io
import json
import os
import sys
from contextlib import redirect_stdout
from copy import deepcopy
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
import torch
from nnunetv2.training.dataloading.nnunet_dataset import infer_dataset_class
from nnunetv2.training.nnUNetTrainer.nnUNetTrainer import nnUNetTrainer
from torch import Tensor

sys.path.append(str(Path(__file__).resolve().parents[1] / "equal_time"))

from cubes_dataset import DATASET
from nodule_trainings import prepare
from study_commands import environment
from study_plan import PLANS


class Nodules(NamedTuple):
    """Cases of one size: their names, images (case, z, y, x) as preprocessed, and masks of the same shape."""

    cases: list[str]
    images: Tensor
    masks: Tensor


class NoduleDataset:
    """The preprocessed dataset in its folder, with the plan and the folds."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.plan: dict[str, Any] = _json(folder / f"{PLANS}.json")
        self.description: dict[str, Any] = _json(folder / "dataset.json")
        self.folds: list[dict[str, list[str]]] = _json(folder / "splits_final.json")

    def trainer(self, kind: type[nnUNetTrainer], configuration: str, fold: int) -> Any:
        """A trainer of nnU-Net with its network and loss, on the CPU."""
        plan = {**deepcopy(self.plan), "continue_training": False}  # nnU-Net takes the entry out again
        with redirect_stdout(io.StringIO()):
            trainer = kind(plan, configuration, fold, self.description, torch.device("cpu"))
            trainer.initialize()
        return trainer

    def held_out(self, fold: int, device: torch.device) -> Nodules:
        """The nodules that the trainings of a fold do not see."""
        cases = self.folds[fold]["val"]
        folder = str(self.folder / self.plan["configurations"]["2d"]["data_identifier"])
        reader = infer_dataset_class(folder)(folder)
        loaded = [reader.load_case(case) for case in cases]
        images, masks = (np.stack([case[part][0] for case in loaded]) for part in (0, 1))
        return Nodules(cases, torch.from_numpy(images).to(device), torch.from_numpy(masks > 0).to(device))


def prepared(data: Path, root: Path) -> NoduleDataset:
    """The dataset below `root`, made of `cubes.npz` in `data` if it is not there.

    This process, too, gets nnU-Net's folders into its environment, where trainers look for them, and neither
    compiles networks nor starts processes that augment: each worker of this study augments by itself.
    """
    variables = environment(root)
    prepare(data, root, variables)
    os.environ.update(variables)
    os.environ["nnUNet_compile"] = "f"  # noqa: SIM112 - nnU-Net's name
    return NoduleDataset(root / "nnUNet_preprocessed" / DATASET)


def _json(file: Path) -> Any:
    return json.loads(file.read_text(encoding="utf-8"))
