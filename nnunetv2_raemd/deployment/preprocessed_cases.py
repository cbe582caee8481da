"""The preprocessed cases that a model was trained and validated on, to verify and to quantize with."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import torch
from nnunetv2.training.dataloading.nnunet_dataset import infer_dataset_class
from nnunetv2.utilities.plans_handling.plans_handler import ConfigurationManager, PlansManager
from torch import Tensor

from nnunetv2_raemd.errors import UserError
from nnunetv2_raemd.nnunet_files.checkpoint_origin import differing_in_plans
from nnunetv2_raemd.nnunet_files.plans_file import read_plans
from nnunetv2_raemd.nnunet_files.splits_file import read_splits


@dataclass(frozen=True)
class PreprocessedCases:
    """Cases in nnU-Net's folder of preprocessed data.

    Attributes:
        training, validation: identifiers, of a fold "all" the same in both.
    """

    dataset: Any
    training: tuple[str, ...]
    validation: tuple[str, ...]

    def image(self, case_id: str) -> Tensor:
        """(C, Z, Y, X) as the network takes it."""
        return torch.from_numpy(np.asarray(self.dataset.load_case(case_id)[0][:], np.float32))

    def reference(self, case_id: str) -> np.ndarray:
        """Labels (Z, Y, X); -1, where nnU-Net cuts images off, is background."""
        labels = np.asarray(self.dataset.load_case(case_id)[1][0])
        return np.maximum(labels, 0).astype(np.int16)


def find_preprocessed(
    preprocessed: Path, plans: PlansManager, configuration: ConfigurationManager, fold: str
) -> PreprocessedCases | None:
    """The cases of a fold; None where the dataset is not preprocessed here, or is the second of a cascade.

    Args:
        preprocessed: nnU-Net's folder of preprocessed datasets.

    Raises:
        UserError: if they were preprocessed by another plan than the model's.
    """
    folder = preprocessed / plans.dataset_name / configuration.data_identifier
    if configuration.previous_stage_name is not None or not folder.is_dir():
        return None
    _check_plan(folder.parent / f"{plans.plans_name}.json", plans, configuration)
    dataset = infer_dataset_class(str(folder))(str(folder))
    there = set(dataset.identifiers)
    training, validation = _split(folder.parent / "splits_final.json", fold) or (there, there)
    return PreprocessedCases(dataset, tuple(sorted(there & training)), tuple(sorted(there & validation)))


def _check_plan(file: Path, plans: PlansManager, configuration: ConfigurationManager) -> None:
    """Compare the plan beside the data, by which nnU-Net preprocesses, with the model's."""
    if not file.is_file():
        return
    beside: dict[str, Any] = dict(read_plans(file, "Plan and preprocess again"))
    for name, found in beside["configurations"].items():
        if found.get("data_identifier") == configuration.data_identifier:
            own = {**plans.plans, "configurations": {name: configuration.configuration}}
            if differing := differing_in_plans(own, beside, name):
                raise UserError(
                    f"{file}, by which the data beside it is preprocessed, is another plan than the model's "
                    f"({'; '.join(differing)}): preprocess again with the model's plan, or move the folder"
                )


def _split(file: Path, fold: str) -> tuple[set[str], set[str]] | None:
    if fold == "all" or not file.is_file():
        return None
    splits = read_splits(file)
    if int(fold) >= len(splits):
        return None
    return set(splits[int(fold)]["train"]), set(splits[int(fold)]["val"])


def blocks(cases: PreprocessedCases, case_ids: tuple[str, ...], size: tuple[int, ...]) -> Iterator[Tensor]:
    """A block (C, T, H, W) of each case, round a label where there is one, padded where it is smaller."""
    for case_id in case_ids:
        image, labels = cases.image(case_id), cases.reference(case_id)
        inside = np.argwhere(labels > 0)
        centre = inside[len(inside) // 2] if len(inside) else np.array(labels.shape) // 2
        yield block_round(image, centre.tolist(), size)


def block_round(image: Tensor, centre: list[int], size: tuple[int, ...]) -> Tensor:
    """A block of that size of (C, Z, Y, X) round a voxel, within the image where that is large enough."""
    block = image
    for axis, (middle, length) in enumerate(zip(centre, size, strict=True), start=1):
        start = max(0, min(middle - length // 2, image.shape[axis] - length))
        block = block.narrow(axis, start, min(length, image.shape[axis]))
    missing = [length - there for length, there in zip(size, block.shape[1:], strict=True)]
    padding = [pad for gap in reversed(missing) for pad in (0, gap)]
    return torch.nn.functional.pad(block, padding)
