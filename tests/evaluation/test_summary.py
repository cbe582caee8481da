"""Summaries over folds, cases and lesions, and comparisons of systems: by hand."""

from __future__ import annotations

import math
from collections.abc import Mapping
from pathlib import Path

import numpy as np
import pytest

from nnunetv2_raemd.errors import UserError
from nnunetv2_raemd.evaluation.case_results import (
    CaseResult,
    Evaluation,
    FalseLesion,
    Lesion,
    SystemResult,
    TargetResult,
)
from nnunetv2_raemd.evaluation.metrics import METRICS, RATED_METRICS
from nnunetv2_raemd.evaluation.statistics import holm, paired_test
from nnunetv2_raemd.evaluation.summary import summarize, summarize_metric
from nnunetv2_raemd.nnunet_files.label_set import LabelSet, Target

LABELS = LabelSet((Target("nodule", (1,)),))


def lesion(diameter_mm: float, *, detected: bool = True, pieces: int = 1) -> Lesion:
    volume = math.pi / 6 * diameter_mm**3 * (1 + 1e-12)
    undefined = math.nan
    if not detected:
        return Lesion(volume, (0, 0, 0), False, undefined, 0, undefined)
    return Lesion(volume, (0, 0, 0), True, 0.5, pieces, undefined)


def case(
    name: str, fold: str | None, lesions: tuple[Lesion, ...] = (), n_false: int = 0, **given: float
) -> CaseResult:
    numbers = dict.fromkeys((metric.key for metric in METRICS), 0.0) | given
    false = (FalseLesion(1.0, (0, 0, 0)),) * n_false
    target = TargetResult(numbers, lesions, false)
    return CaseResult(name, fold, Path("p"), Path("r"), (1, 1, 1), (1, 1, 1), {"nodule": target})


def system(name: str, dice: Mapping[str, float]) -> SystemResult:
    return SystemResult(name, tuple(case(key, None, dice=value) for key, value in dice.items()))


def test_mean_and_sd_are_of_the_folds_means() -> None:
    """Folds of 0.2 and (0.4 + 0.8) / 2 = 0.6: mean 0.4, SD 0.2 * sqrt 2."""
    cases = (
        case("a", "0", dice=0.2),
        case("b", "1", dice=0.4),
        case("c", "1", dice=0.8),
        case("d", "1", dice=math.nan),
    )
    found = summarize_metric(SystemResult("A", cases), "nodule", "dice")
    assert found.mean == pytest.approx(0.4)
    assert found.sd == pytest.approx(0.2 * math.sqrt(2))
    assert found.spread_over == "folds"
    assert dict(found.fold_means) == pytest.approx({"0": 0.2, "1": 0.6})
    assert found.median == 0.4
    assert (found.n_cases, found.n_undefined, found.n_infinite) == (3, 1, 0)


def test_the_cases_of_a_single_fold_spread() -> None:
    cases = (case("a", "0", dice=0.2), case("b", "0", dice=0.4))
    found = summarize_metric(SystemResult("A", cases), "nodule", "dice")
    assert found.spread_over == "cases"
    assert (found.mean, found.sd) == pytest.approx((0.3, 0.1 * 2**0.5))


def test_without_folds_they_are_of_the_cases() -> None:
    found = summarize_metric(system("A", {"a": 1, "b": 2, "c": 6, "d": math.inf}), "nodule", "dice")
    assert (found.mean, found.spread_over, found.fold_means) == (3, "cases", ())
    assert found.sd == pytest.approx(math.sqrt(7))
    assert (found.median, found.n_infinite) == (2, 1)
    assert (found.interval.low, found.interval.high) == (1, 6)


def test_lesions_of_all_cases_count_alike() -> None:
    cases = (
        case("a", None, (lesion(5), lesion(6, pieces=2), lesion(7, detected=False)), n_false=3),
        case("b", None, (lesion(40),)),
    )
    found = summarize(Evaluation(LABELS, (SystemResult("A", cases),))).of("A", "nodule").lesions
    assert (found.n_scans, found.n_lesions, found.n_detected, found.n_false) == (2, 4, 3, 3)
    assert (found.sensitivity, found.precision, found.false_per_scan) == (0.75, 0.5, 1.5)
    assert found.f1 == pytest.approx(2 * 3 / (2 * 3 + 3 + 1))
    assert (found.dice, found.one_piece) == pytest.approx((0.5, 2 / 3))
    assert math.isnan(found.continuity)
    bins = [(b.low_mm, b.high_mm, b.n_detected, b.n_lesions) for b in found.by_diameter]
    assert bins == [(0, 6, 1, 1), (6, 8, 1, 2), (8, 15, 0, 0), (15, 30, 0, 0), (30, math.inf, 1, 1)]
    assert math.isnan(found.by_diameter[2].sensitivity)


def test_comparisons_pair_the_cases_and_correct_for_all_systems() -> None:
    rng = np.random.default_rng(0)
    names = [f"case{i}" for i in range(12)]
    base = dict(zip(names, rng.random(12).tolist(), strict=True))
    better = {name: base[name] + 0.1 + 0.01 * i for i, name in enumerate(reversed(names[2:]))}
    equal = dict(base)
    evaluation = Evaluation(LABELS, (system("base", base), system("better", better), system("equal", equal)))
    summary = summarize(evaluation, against="base")
    found = {c.system: c for c in summary.comparisons if c.metric == "dice"}
    expected = paired_test(list(better.values()), [base[name] for name in better])
    assert found["better"].test == expected
    assert expected.p == pytest.approx(2 / 2**10)
    assert found["better"].test.effect_size == 1
    assert found["equal"].test.p == 1
    assert [found[name].p_holm for name in ("better", "equal")] == holm([expected.p, 1.0])
    assert {c.metric for c in summary.comparisons} == {m.key for m in RATED_METRICS}
    assert summary.against == "base"


def test_a_signed_error_is_compared_by_its_size() -> None:
    def of(name: str, errors: list[float]) -> SystemResult:
        return SystemResult(name, tuple(case(f"{i}", None, volume_error_ml=e) for i, e in enumerate(errors)))

    evaluation = Evaluation(LABELS, (of("A", [-5, 5, -5, 5]), of("B", [1, -2, 3, -4])))
    found = next(c for c in summarize(evaluation).comparisons if c.metric == "volume_error_ml").test
    assert (found.median_difference, found.effect_size) == (-2.5, -1)


def test_a_single_system_is_compared_with_none() -> None:
    summary = summarize(Evaluation(LABELS, (system("A", {"a": 1}),)))
    assert (summary.comparisons, summary.against) == ((), None)


def test_an_unknown_system_to_compare_with() -> None:
    with pytest.raises(UserError, match=r"no system C .*there are: A, B"):
        summarize(Evaluation(LABELS, (system("A", {"a": 1}), system("B", {"a": 1}))), against="C")


@pytest.mark.parametrize(
    ("diameter_mm", "place"),
    [(5.999, 0), (6, 1), (7.999, 1), (8, 2), (14.999, 2), (15, 3), (29.999, 3), (30, 4)],
)
def test_a_bin_begins_at_its_limit(diameter_mm: float, place: int) -> None:
    """Lung-RADS v2022: from 6 mm on, from 8 mm on, from 15 mm on; a mass begins at 30 mm."""
    cases = (case("a", None, (lesion(diameter_mm),)),)
    found = summarize(Evaluation(LABELS, (SystemResult("A", cases),))).of("A", "nodule")
    assert [b.n_lesions for b in found.lesions.by_diameter] == [int(i == place) for i in range(5)]
