"""How the cases of a dataset are shared out to training, validation and test, patients kept together."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Collection, Iterable, Mapping
from dataclasses import dataclass
from typing import Any, Protocol

import numpy as np

from nnunetv2_raemd.dataset_conversion.dataset_choices import Splitting
from nnunetv2_raemd.errors import UserError

Fold = dict[str, list[str]]

HELD_OUT_SHARE = 0.15  # the paper, section 4.1: 70 % training, 15 % validation, 15 % test


@dataclass(frozen=True)
class KnownCases:
    """All cases that the dataset holds or was planned to hold, whether or not their conversion succeeds.

    `patients` names the patient of each, `subsets` the archive's own subset where it has such.
    """

    patients: Mapping[str, str]
    subsets: Mapping[str, int]


@dataclass(frozen=True)
class Shares:
    """nnU-Net's `splits_final.json`, empty where there can be none, and what the user should know of it."""

    folds: list[Fold]
    remarks: tuple[str, ...] = ()


class Split(Protocol):
    """A way to share out cases."""

    def settings(self) -> dict[str, Any]:
        """The choice as the report keeps it."""

    def test_cases(self, known: KnownCases) -> frozenset[str]:
        """Cases that nnU-Net must not train on.

        Raises:
            UserError: if the cases cannot be so split.
        """

    def share_out(self, training: Collection[str], known: KnownCases) -> Shares:
        """Folds of the cases in `training`, which are known and not test cases."""


@dataclass(frozen=True)
class GroupedFolds:
    """Cross-validation over folds of about equal size; no test cases."""

    folds: int = 5
    seed: int = 12345

    def settings(self) -> dict[str, Any]:
        return {"kind": Splitting.FOLDS.value, "folds": self.folds, "seed": self.seed}

    def test_cases(self, known: KnownCases) -> frozenset[str]:
        return frozenset()

    def share_out(self, training: Collection[str], known: KnownCases) -> Shares:
        patients = {case: known.patients[case] for case in training}
        folds = grouped_folds(patients, folds=self.folds, seed=self.seed)
        if not folds:
            return Shares(
                [], ("all cases belong to one patient: no splits_final.json; train with fold 'all'",)
            )
        fewer = len(folds) < self.folds
        return Shares(folds, (f"only {len(folds)} folds, one per patient",) if fewer else ())


@dataclass(frozen=True)
class ArchiveSubsets:
    """Cross-validation over the subsets that the archive comes in; no test cases.

    A patient whose scans lie in several subsets goes with the lowest of them.
    """

    def settings(self) -> dict[str, Any]:
        return {"kind": Splitting.SUBSETS.value}

    def test_cases(self, known: KnownCases) -> frozenset[str]:
        homeless = sorted(set(known.patients).difference(known.subsets))
        if homeless:
            raise UserError(
                f"--split subsets needs every scan below a folder subset0 ... subset9; {len(homeless)} of "
                f"{len(known.patients)} are not, as {homeless[0]}. Use --split folds"
            )
        return frozenset()

    def share_out(self, training: Collection[str], known: KnownCases) -> Shares:
        subsets: dict[str, set[int]] = defaultdict(set)
        for case, patient in known.patients.items():
            subsets[patient].add(known.subsets[case])
        held_out: dict[int, list[str]] = defaultdict(list)
        for case in training:
            held_out[min(subsets[known.patients[case]])].append(case)
        remarks = [
            f"the scans of one patient lie in subsets {sorted(found)}: all are held out in the first"
            for found in subsets.values()
            if len(found) > 1
        ]
        if len(held_out) < 2:
            return Shares([], (*remarks, "there is one subset only: no splits_final.json"))
        return Shares(_folds(held_out[number] for number in sorted(held_out)), tuple(remarks))


@dataclass(frozen=True)
class Holdout:
    """The paper's split: 70 % of the patients to train on, 15 % to validate, 15 % to test.

    Who is on which side depends on the known patients and the seed alone.
    """

    seed: int = 12345

    def settings(self) -> dict[str, Any]:
        return {"kind": Splitting.HOLDOUT.value, "seed": self.seed}

    def test_cases(self, known: KnownCases) -> frozenset[str]:
        test, _ = self._held_out_patients(known)
        return frozenset(case for case, patient in known.patients.items() if patient in test)

    def share_out(self, training: Collection[str], known: KnownCases) -> Shares:
        _, validation = self._held_out_patients(known)
        held_out = sorted(case for case in training if known.patients[case] in validation)
        rest = sorted(set(training).difference(held_out))
        if not held_out or not rest:
            return Shares([], ("too few cases to train and to validate: no splits_final.json",))
        return Shares([{"train": rest, "val": held_out}])

    def _held_out_patients(self, known: KnownCases) -> tuple[set[str], set[str]]:
        """The patients of the test part and of the validation part."""
        patients = _shuffled(known.patients.values(), self.seed)
        number = max(1, round(HELD_OUT_SHARE * len(patients)))
        if len(patients) < 3:
            raise UserError(
                f"--split holdout needs at least 3 patients, there are {len(patients)}. Use --split folds"
            )
        return set(patients[:number]), set(patients[number : 2 * number])


def split_of(kind: Splitting, *, folds: int, seed: int) -> Split:
    """The split that the command line asks for."""
    if kind is Splitting.SUBSETS:
        return ArchiveSubsets()
    return Holdout(seed) if kind is Splitting.HOLDOUT else GroupedFolds(folds, seed)


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
    largest_first = sorted(_shuffled(cases_of_patient, seed), key=lambda p: -len(cases_of_patient[p]))
    for patient in largest_first:
        min(validation, key=len).extend(cases_of_patient[patient])
    return _folds(validation)


def _folds(validation: Iterable[list[str]]) -> list[Fold]:
    parts = list(validation)
    cases = {case for part in parts for case in part}
    return [{"train": sorted(cases.difference(part)), "val": sorted(part)} for part in parts]


def _shuffled(patients: Iterable[str], seed: int) -> list[str]:
    """The different patients in an order that depends on who they are and the seed alone."""
    by_name = sorted(set(patients))
    return [by_name[i] for i in np.random.RandomState(seed).permutation(len(by_name))]
