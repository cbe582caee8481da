"""Single cases of a training that are stored as HU plus or less 1024: real nodules, and a trainer's log."""

from __future__ import annotations

import copy
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from tiny_trainers import MakeTrainer, nnunet_plan

from nnunetv2_raemd.training.case_intensities import unlike_hu_clipped


@pytest.fixture(scope="module")
def cubes_hu(real_data: Path) -> np.ndarray:
    """Every fourth of the real nodules, a slice in four."""
    with np.load(real_data / "lidc-cubes" / "cubes.npz") as arrays:
        return arrays["image_hu"][::4, ::4].astype(np.float32)


# of nodules themselves, of ground glass and bone, of dense lesions, and as the cubes are clipped
RANGES = [(-789.0, 262.0), (-900.0, 1100.0), (-300.0, 150.0), (-1000.0, 400.0)]


@pytest.mark.parametrize(("lowest", "highest"), RANGES)
@pytest.mark.parametrize(
    ("shift", "told"), [(0, None), (30, None), (1024, "HU plus 1024"), (-1024, "HU less 1024")]
)
def test_real_nodules_are_told_from_shifted_ones(
    cubes_hu: np.ndarray, lowest: float, highest: float, shift: int, told: str | None
) -> None:
    for cube in cubes_hu:
        why = unlike_hu_clipped(np.clip(cube + shift, lowest, highest), lowest, highest)
        assert why is None if told is None else why is not None and why.endswith(told)


def test_padding_is_not_taken_for_air() -> None:
    """Soft tissue and lung in a circle, -2000 around it: by 1024 more, the padding is as light as air."""
    y, x = np.mgrid[-1:1:64j, -1:1:64j]
    hu = np.where(x**2 + y**2 < 0.3, -800.0, 40.0) + np.random.default_rng(0).normal(0, 60, (5, 64, 64))
    hu[:, x**2 + y**2 > 0.9] = -2000
    assert unlike_hu_clipped(np.clip(hu, -789, 262), -789, 262) is None
    assert unlike_hu_clipped(np.clip(hu + 1024, -789, 262), -789, 262) is not None


def test_soft_tissue_alone_is_no_reason() -> None:
    hu = np.random.default_rng(0).normal(40, 20, (5, 32, 32))
    assert unlike_hu_clipped(hu, -789, 262) is None
    assert unlike_hu_clipped(np.clip(hu, 0, 100), 0, 100) is None


class OneShifted:
    """nnU-Net's dataset of preprocessed cases, one of which (`shifted`) is of HU plus 1024."""

    def __init__(self, plan: dict[str, Any], shifted: str) -> None:
        self.identifiers = ["a", "b", "c"]
        self.of_training = plan["foreground_intensity_properties_per_channel"]["0"]
        self.shifted = shifted

    def load_case(self, case: str) -> tuple[np.ndarray, None, None, dict[str, Any]]:
        hu = np.linspace(-1000, 100, 20 * 16 * 16).reshape(1, 20, 16, 16) + 1024 * (case == self.shifted)
        limits = self.of_training["percentile_00_5"], self.of_training["percentile_99_5"]
        return (np.clip(hu, *limits) - self.of_training["mean"]) / self.of_training["std"], None, None, {}


@pytest.mark.parametrize("shifted", ["b", "none"])
def test_a_training_names_the_case(make_trainer: MakeTrainer, shifted: str) -> None:
    plan = copy.deepcopy(nnunet_plan())
    plan["foreground_intensity_properties_per_channel"]["0"] |= {
        **{"mean": -100.0, "std": 250.0},
        **{"percentile_00_5": -789.0, "percentile_99_5": 262.0},
    }
    plan["continue_training"] = False
    made: Any = make_trainer()
    made = type(made)(plan, "2d", 0, made.dataset_json, made.device)
    dataset = OneShifted(plan, shifted)
    told = [remark for remark in made._remarks([dataset, dataset]) if "HU" in remark]
    if shifted == "none":
        assert told == []
    else:
        assert len(told) == 1 and told[0].startswith("1 case of 3, as b: next to nothing lies between")
