"""Which cases and slices are shown, and who is the baseline: worked out by hand."""

from __future__ import annotations

import math
from pathlib import Path

import numpy as np
import pytest

from nnunetv2_raemd.evaluation.case_results import CaseResult, Evaluation, SystemResult, TargetResult
from nnunetv2_raemd.nnunet_files.label_set import LabelSet, Target
from nnunetv2_raemd.report.case_and_slice_choice import choose_cases, choose_slices
from nnunetv2_raemd.report.roles import looks_of, proposed_of


def evaluation_of(**dice: dict[str, float]) -> Evaluation:
    """Systems with these Dice values by case."""
    systems = tuple(
        SystemResult(
            name,
            tuple(
                CaseResult(
                    case, "0", Path(), Path(), (1, 1, 1), (1, 1, 1), {"t": TargetResult({"dice": d}, (), ())}
                )
                for case, d in values.items()
            ),
        )
        for name, values in dice.items()
    )
    return Evaluation(LabelSet((Target("t", (1,)),)), systems)


def chosen(n_ranked: int, n: int) -> list[tuple[str, str]]:
    dice = {f"c{i:02d}": 1 - i / 100 for i in range(n_ranked)}
    return [(case.group, case.case_id) for case in choose_cases(evaluation_of(a=dice), "a", "t", n)]


def test_best_median_and_worst() -> None:
    assert chosen(11, 3) == [("best", "c00"), ("median", "c05"), ("worst", "c10")]
    assert chosen(10, 6) == [
        *[("best", "c00"), ("best", "c01"), ("median", "c04"), ("median", "c05")],
        *[("worst", "c08"), ("worst", "c09")],
    ]


@pytest.mark.parametrize("n_ranked", range(8))
@pytest.mark.parametrize("n", range(10))
def test_as_many_as_asked_for_and_none_twice(n_ranked: int, n: int) -> None:
    names = [name for _, name in chosen(n_ranked, n)]
    assert len(names) == min(n_ranked, n)
    assert names == sorted(set(names))  # best first


def test_undefined_dice_is_not_ranked_and_other_systems_may_lack_cases() -> None:
    evaluation = evaluation_of(a={"x": math.nan, "y": 0.5, "z": 0.9}, b={"y": 0.25})
    cases = choose_cases(evaluation, "a", "t", 9)
    assert [(case.case_id, case.scores) for case in cases] == [
        ("z", {"a": 0.9}),
        ("y", {"a": 0.5, "b": 0.25}),
    ]


def counts(n: int, **voxels: int) -> np.ndarray:
    found = np.zeros(n, np.int64)
    for place, number in voxels.items():
        found[int(place[1:])] = number
    return found


def test_slices_of_reference_and_predictions_with_a_margin() -> None:
    assert choose_slices(counts(30, s10=5), counts(30, s20=9)) == [*range(8, 13), *range(18, 23)]
    assert choose_slices(counts(30, s0=5), counts(30)) == [0, 1, 2]


def test_too_many_slices() -> None:
    reference, predicted = counts(30, s10=5), counts(30, s20=9, s25=90)
    assert choose_slices(reference, predicted, most=1) == [10]
    assert choose_slices(reference, predicted, most=5) == [8, 9, 10, 11, 12]
    assert choose_slices(reference, predicted, most=6) == [8, 9, 10, 11, 12, 25]
    assert choose_slices(np.ones(31, np.int64), counts(31), most=4) == [0, 10, 20, 30]


def test_nothing_to_show() -> None:
    assert choose_slices(counts(5), counts(5)) == [2]


def test_the_proposed_system_is_the_last_that_is_not_the_baseline() -> None:
    assert proposed_of(["a", "b", "c"], "a") == "c"
    assert proposed_of(["a", "b", "c"], "c") == "b"
    assert proposed_of(["a"], "a") == "a"


def test_looks_tell_systems_apart() -> None:
    looks = looks_of([f"s{i}" for i in range(12)], "s3")
    assert (looks["s3"].role, looks["s11"].role) == ("baseline", "proposed")
    in_plots = {(look.colour, look.dash) for look in looks.values()}
    assert len(in_plots) == 12
    outlines = [looks[f"s{i}"] for i in (0, 1, 2, 3, 11)]
    assert len({look.safe for look in outlines}) == len({look.paper for look in outlines}) == 5
    assert [name for name, look in looks.items() if look.shown] == ["s3", "s11"]
