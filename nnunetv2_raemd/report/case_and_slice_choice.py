"""What a report shows: the best, median and worst cases, and the slices of each that are worth a look."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Literal

import numpy as np
from numpy.typing import NDArray
from scipy.ndimage import binary_dilation

from nnunetv2_raemd.evaluation.case_results import Evaluation

Group = Literal["best", "median", "worst"]
RANKED_BY = "dice"


@dataclass(frozen=True)
class ChosenCase:
    """A case to show.

    Attributes:
        scores: Dice by system, of those that have the case.
    """

    case_id: str
    fold: str | None
    group: Group
    scores: dict[str, float]


def choose_cases(evaluation: Evaluation, system: str, target: str, n: int) -> tuple[ChosenCase, ...]:
    """About n/3 cases of each group by the Dice of one system, best first; ties in order of their names.

    Cases whose Dice is undefined, because neither reference nor prediction has a voxel, are not ranked.
    """
    dice = evaluation.system(system).values(target, RANKED_BY)
    ranked = sorted((case for case in dice if not math.isnan(dice[case])), key=lambda c: (-dice[c], c))
    groups = _groups(len(ranked), min(n, len(ranked)))
    folds = {case.case_id: case.fold for case in evaluation.system(system).cases}
    all_dice = {other.name: other.values(target, RANKED_BY) for other in evaluation.systems}
    return tuple(
        ChosenCase(
            ranked[i],
            folds[ranked[i]],
            group,
            {name: values[ranked[i]] for name, values in all_dice.items() if ranked[i] in values},
        )
        for group, positions in groups.items()
        for i in positions
    )


def _groups(n_ranked: int, n: int) -> dict[Group, range]:
    """Positions among the ranked cases: both ends, and the middle of what lies between; n in all."""
    n_worst, n_best = (n + 2) // 3, (n + 1) // 3
    n_median = n - n_worst - n_best
    first = min(max((n_ranked - n_median) // 2, n_best), n_ranked - n_worst - n_median)
    return {
        "best": range(n_best),
        "median": range(first, first + n_median),
        "worst": range(n_ranked - n_worst, n_ranked),
    }


MARGIN = 2
MOST_SLICES = 40


def choose_slices(
    reference: NDArray[np.int64], predicted: NDArray[np.int64], *, most: int = MOST_SLICES
) -> list[int]:
    """Slices through the reference and the predictions, with a margin of `MARGIN` slices, in order.

    Where these are more than `most`: those of the reference first (evenly spread if even they are too many),
    then their margin, then those with the largest predictions. Where there is
    neither, the middle slice.

    Args:
        reference: voxels of the reference in each slice.
        predicted: voxels of all predictions in each slice.
    """
    own = reference > 0
    if own.sum() > most:
        slices = np.flatnonzero(own)
        return [int(slices[i]) for i in np.linspace(0, len(slices) - 1, most).round().astype(int)]
    margin = np.ones(2 * MARGIN + 1, bool)
    around = binary_dilation(own, margin)
    wanted = binary_dilation(own | (predicted > 0), margin)
    rank = np.lexsort((np.arange(len(own)), -predicted, ~around, ~own))
    return sorted(int(i) for i in [i for i in rank if wanted[i]][:most]) or [len(own) // 2]
