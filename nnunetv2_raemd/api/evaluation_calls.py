"""`raemd evaluate` as a function call."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from nnunetv2_raemd.evaluation.case_results import Evaluation
from nnunetv2_raemd.evaluation.evaluation_options import DEFAULT_OPTIONS, EvaluationOptions
from nnunetv2_raemd.evaluation.folder_pair import find_two_folders
from nnunetv2_raemd.evaluation.summary import Summary, summarize
from nnunetv2_raemd.evaluation.systems import evaluate_folders as evaluate_systems


def evaluate_folders(
    predictions: str | Path,
    references: str | Path,
    *,
    dataset_json: str | Path | None = None,
    labels: Sequence[int] | None = None,
    options: EvaluationOptions = DEFAULT_OPTIONS,
    workers: int = 1,
) -> tuple[Evaluation, Summary]:
    """Measure a folder of segmentations against a folder of references, by file name.

    Args:
        dataset_json: names the labels; by default that in the folder of predictions.
        labels: the labels to measure, if there is no dataset.json.

    Returns:
        all that was measured of every case, and its means.

    Raises:
        UserError: if there is nothing to compare, or the labels are not known.
    """
    material = find_two_folders(
        Path(predictions),
        Path(references),
        dataset_json=None if dataset_json is None else Path(dataset_json),
        labels=labels,
    )
    evaluation = evaluate_systems(
        material.systems, material.reference, material.labels, options=options, workers=workers
    )
    return evaluation, summarize(evaluation)
