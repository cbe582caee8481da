"""Cross-validation folds that keep all scans of a patient together."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Mapping

import numpy as np

Fold = dict[str, list[str]]


def grouped_folds(patient_of_case: Mapping[str, str], *, folds: int = 5, seed: int = 12345) -> list[Fold]:
    """Split cases into at most `folds` folds of about equal size, all cases of a patient in the same one.

    The same cases and seed give the same folds on every machine (numpy's legacy generator is frozen). Fewer
    patients than `folds` give as many folds as there are patients; one patient gives none.

    Returns nnU-Net's `splits_final.json`: a list of `{"train": [...], "val": [...]}`, case names sorted.
    """
    cases_of_patient: dict[str, list[str]] = defaultdict(list)
    for case, patient in patient_of_case.items():
        cases_of_patient[patient].append(case)
    number = min(folds, len(cases_of_patient))
    if number < 2:
        return []
    validation: list[list[str]] = [[] for _ in range(number)]
    for patient in _shuffled_largest_first(cases_of_patient, seed):
        min(validation, key=len).extend(cases_of_patient[patient])
    return [
        {"train": sorted(set(patient_of_case).difference(held_out)), "val": sorted(held_out)}
        for held_out in validation
    ]


def _shuffled_largest_first(cases_of_patient: Mapping[str, list[str]], seed: int) -> list[str]:
    patients = sorted(cases_of_patient)
    order = np.random.RandomState(seed).permutation(len(patients))
    return sorted((patients[i] for i in order), key=lambda p: -len(cases_of_patient[p]))
