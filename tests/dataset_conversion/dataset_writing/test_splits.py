"""Who is trained on, validated on and tested on: always by patient."""

from __future__ import annotations

from pathlib import Path

import pytest

from nnunetv2_raemd.dataset_conversion.archives.luna16.subsets import subset_number
from nnunetv2_raemd.dataset_conversion.dataset_writing.splits import (
    ArchiveSubsets,
    Holdout,
    KnownCases,
    grouped_folds,
)
from nnunetv2_raemd.errors import UserError

CASES = {
    f"case{i:02d}": f"patient{i // 2 if i < 10 else i}" for i in range(23)
}  # five patients with two scans


def test_each_case_is_held_out_once_and_trained_on_otherwise() -> None:
    folds = grouped_folds(CASES)
    assert len(folds) == 5
    assert sorted(case for fold in folds for case in fold["val"]) == sorted(CASES)
    for fold in folds:
        assert sorted(fold["train"] + fold["val"]) == sorted(CASES)


def test_no_patient_is_on_both_sides_and_sizes_differ_by_at_most_one_patient() -> None:
    folds = grouped_folds(CASES)
    for fold in folds:
        assert not {CASES[c] for c in fold["train"]} & {CASES[c] for c in fold["val"]}
    sizes = [len(fold["val"]) for fold in folds]
    assert max(sizes) - min(sizes) <= 1


def test_folds_depend_on_the_seed_and_not_on_the_order_of_cases() -> None:
    turned_round = dict(reversed(CASES.items()))
    assert grouped_folds(CASES) == grouped_folds(turned_round)
    assert grouped_folds(CASES) != grouped_folds(CASES, seed=1)


def test_known_answer() -> None:
    """Pins the folds: a dataset converted again with a later version must not mix training and validation."""
    folds = grouped_folds({f"c{i}": f"p{i}" for i in range(6)}, folds=3)
    assert [fold["val"] for fold in folds] == [["c0", "c5"], ["c1", "c3"], ["c2", "c4"]]


@pytest.mark.parametrize(("patients", "expected"), [(0, 0), (1, 0), (2, 2), (4, 4), (7, 5)])
def test_never_more_folds_than_patients_and_none_for_one(patients: int, expected: int) -> None:
    cases = {f"case{i}": f"patient{i % max(patients, 1)}" for i in range(patients * 2)}
    assert len(grouped_folds(cases)) == expected


def known(patients: int, *, subsets: int = 0) -> KnownCases:
    """Two scans of each tenth patient, one of the others; scans are dealt to the subsets in turn."""
    cases = {f"case{i}": f"patient{i}" for i in range(patients)}
    cases |= {f"again{i}": f"patient{i}" for i in range(0, patients, 10)}
    return KnownCases(cases, {c: i % subsets for i, c in enumerate(cases)} if subsets else {})


@pytest.mark.parametrize(("patients", "held_out"), [(3, 1), (10, 2), (20, 3), (421, 63), (887, 133)])
def test_holdout_is_70_15_15_by_patient(patients: int, held_out: int) -> None:
    cases = known(patients)
    test = Holdout().test_cases(cases)
    (fold,) = Holdout().share_out(set(cases.patients) - test, cases).folds
    sides = [{cases.patients[c] for c in side} for side in (test, fold["val"], fold["train"])]
    assert [len(side) for side in sides] == [held_out, held_out, patients - 2 * held_out]
    assert not sides[0] & sides[1] and not sides[1] & sides[2] and not sides[0] & sides[2]
    assert sorted([*test, *fold["val"], *fold["train"]]) == sorted(cases.patients)


def test_nobody_changes_sides_when_conversions_fail() -> None:
    cases = known(40)
    training = sorted(set(cases.patients) - Holdout().test_cases(cases))
    (whole,) = Holdout().share_out(training, cases).folds
    (part,) = Holdout().share_out(training[::2], cases).folds
    assert set(part["val"]) <= set(whole["val"]) and set(part["train"]) <= set(whole["train"])
    assert sorted(part["val"] + part["train"]) == training[::2]


def test_holdout_depends_on_the_seed_and_not_on_the_order() -> None:
    cases = known(40)
    turned_round = KnownCases(dict(reversed(list(cases.patients.items()))), {})
    assert Holdout().test_cases(cases) == Holdout().test_cases(turned_round)
    assert Holdout().test_cases(cases) != Holdout(seed=1).test_cases(cases)


def test_holdout_known_answer() -> None:
    """Pins the test part: a later version must not train on what an earlier one held out."""
    cases = KnownCases({f"c{i}": f"p{i}" for i in range(10)}, {})
    assert sorted(Holdout().test_cases(cases)) == ["c0", "c7"]


def test_holdout_of_two_patients_is_refused_and_of_few_cases_has_no_fold() -> None:
    with pytest.raises(UserError, match="at least 3 patients, there are 2"):
        Holdout().test_cases(known(2))
    cases = known(20)
    (one,) = sorted(set(cases.patients) - Holdout().test_cases(cases))[:1]
    shares = Holdout().share_out([one], cases)
    assert shares.folds == [] and "no splits_final.json" in shares.remarks[0]


def test_subsets_are_the_folds_and_keep_patients_together() -> None:
    cases = KnownCases(
        {"a": "1", "b": "2", "c": "3", "c again": "3", "d": "4"},
        {"a": 0, "b": 7, "c": 7, "c again": 2, "d": 2},
    )
    shares = ArchiveSubsets().share_out(list(cases.patients), cases)
    assert [fold["val"] for fold in shares.folds] == [["a"], ["c", "c again", "d"], ["b"]]
    assert shares.folds[1]["train"] == ["a", "b"]
    assert len(shares.remarks) == 1 and "subsets [2, 7]" in shares.remarks[0]
    assert ArchiveSubsets().test_cases(cases) == frozenset()


def test_cases_outside_subsets_are_refused() -> None:
    cases = KnownCases({"a": "1", "b": "2"}, {"a": 0})
    with pytest.raises(UserError, match=r"1 of 2 are not, as b\. Use --split folds"):
        ArchiveSubsets().test_cases(cases)


def test_one_subset_gives_no_folds() -> None:
    shares = ArchiveSubsets().share_out(["case1", "case2"], known(10, subsets=1))
    assert shares.folds == [] and "one subset only" in shares.remarks[0]


@pytest.mark.parametrize(
    ("file", "number"),
    [
        ("x/subset3/a.mhd", 3),
        ("Subset0/subset12/a.mhd", 12),
        ("subset1/deeper/a.mhd", 1),
        ("subset/a.mhd", None),
        ("x/a.mhd", None),
        ("mysubset3/subset4.mhd", None),
    ],
)
def test_subset_is_the_nearest_folder_called_so(file: str, number: int | None) -> None:
    assert subset_number(Path(file)) == number
