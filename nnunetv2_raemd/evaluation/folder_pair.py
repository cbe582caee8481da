"""Any two folders: predictions and references of the same names, with or without a dataset.json."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from pathlib import Path

from nnunetv2_raemd.errors import UserError
from nnunetv2_raemd.evaluation.systems import Material, PredictionFolder, System
from nnunetv2_raemd.nnunet_files.dataset_json import DatasetJson, read_dataset_json
from nnunetv2_raemd.nnunet_files.label_set import labels_from_numbers, labels_of
from nnunetv2_raemd.nnunet_files.segmentation_folder import find_references, list_cases

_NO_IMAGES = (".json", ".npz", ".pkl", ".csv", ".txt", ".md", ".tex", ".html")


def find_two_folders(
    prediction: Path,
    reference: Path,
    *,
    dataset_json: Path | None = None,
    labels: Sequence[int] | None = None,
    ignore_label: int | None = None,
) -> Material:
    """Predictions against references; every reference should have a prediction.

    The results belong in the folder "evaluation" among the predictions.

    Args:
        dataset_json: labels and file ending; by default one beside the predictions or references.
        labels: instead of those of dataset.json.

    Raises:
        UserError: if a folder is absent or empty, or nothing says which labels there are.
    """
    list_cases(prediction, "")
    description = _description(prediction, reference, dataset_json, labels)
    references = find_references(reference, description)
    wanted = labels_from_numbers(labels, ignore_label) if labels else labels_of(description)
    folder = PredictionFolder(prediction, frozenset(references.case_ids()))
    name = prediction.resolve().name
    return Material((System(name, (folder,)),), references, wanted, prediction / "evaluation")


def _description(
    prediction: Path, reference: Path, dataset_json: Path | None, labels: Sequence[int] | None
) -> DatasetJson:
    if dataset_json is not None:
        return read_dataset_json(dataset_json)
    for folder in (prediction, reference, reference.parent):
        if (folder / "dataset.json").is_file():
            return read_dataset_json(folder / "dataset.json")
    if not labels:
        raise UserError(
            f"the labels are unknown: there is no dataset.json in {prediction}, {reference} or "
            f"{reference.parent}: give one with -djfile, or labels with -l"
        )
    return {"file_ending": _common_ending(reference)}


def _common_ending(folder: Path) -> str:
    """The ending of most files, such as ".nii.gz"."""
    endings = Counter(
        ".nii.gz" if name.endswith(".nii.gz") else Path(name).suffix
        for name in list_cases(folder, "")
        if not name.endswith(_NO_IMAGES) and Path(name).suffix
    )
    if not endings:
        raise UserError(f"{folder} contains no segmentations")
    return endings.most_common(1)[0][0]
