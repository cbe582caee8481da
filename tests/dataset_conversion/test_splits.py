"""Cross-validation folds grouped by patient."""

from __future__ import annotations

import pytest

from nnunetv2_raemd.dataset_conversion.splits import grouped_folds

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
