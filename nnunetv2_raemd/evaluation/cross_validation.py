"""nnU-Net's cross-validation: nnUNet_results/DATASET/TRAINER__PLANS__CONFIGURATION/fold_X/validation."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

from nnunetv2_raemd.errors import UserError
from nnunetv2_raemd.evaluation.systems import Material, PredictionFolder, System
from nnunetv2_raemd.nnunet_files.dataset_folders import NnunetDataset
from nnunetv2_raemd.nnunet_files.dataset_json import DatasetJson, read_dataset_json
from nnunetv2_raemd.nnunet_files.label_set import labels_of
from nnunetv2_raemd.nnunet_files.patients import patients_of_cases, shared_in_fold
from nnunetv2_raemd.nnunet_files.segmentation_folder import ReferenceFolder, find_references, list_cases
from nnunetv2_raemd.nnunet_files.splits_file import Split, read_splits

ALL = "all"
"""nnU-Net's name of the fold that is trained and validated on every case."""


def find_cross_validation(
    dataset: NnunetDataset, models: Sequence[str], folds: Sequence[str] | None = None
) -> Material:
    """The validation folders of trained models, the references, and the labels.

    The results belong beside the models, in evaluation__CONFIGURATION (of the first).

    Args:
        models: names as `model_names` gives them.
        folds: such as "0" or "all"; by default those of 0, 1, 2, ... that each model has.

    Raises:
        UserError: if a model, a fold or the references are not there, where the message says what to run, or
            a case is validated in several folds.
    """
    description = _description(dataset, models)
    reference = find_references(_reference_folder(dataset), description)
    splits = read_splits(dataset.preprocessed / "splits_final.json")
    patients = patients_of_cases(dataset.raw)
    short = _short_names(models)
    systems = tuple(
        System(
            short[model],
            tuple(
                replace(folder, shared_patients=shared_in_fold(folder.fold, splits, patients))
                for folder in _validation_folders(dataset, model, folds, splits, reference)
            ),
        )
        for model in models
    )
    for system in systems:
        _check_validated_once(system)
    output = dataset.results / f"evaluation__{models[0].split('__')[-1]}"
    return Material(systems, reference, labels_of(description), output)


def _description(dataset: NnunetDataset, models: Sequence[str]) -> DatasetJson:
    """dataset.json as the first model was trained with it."""
    for model in models:
        if not (dataset.results / model).is_dir():
            raise UserError(
                f"{dataset.results / model} does not exist: train it with nnUNetv2_train, or give another "
                "-tr, -p or -c"
            )
    places = [folder / "dataset.json" for folder in (dataset.results / models[0], dataset.preprocessed)]
    found = [file for file in places if file.is_file()]
    return read_dataset_json(found[0] if found else dataset.raw / "dataset.json")


def _reference_folder(dataset: NnunetDataset) -> Path:
    """gt_segmentations, which nnU-Net itself validates against, else labelsTr."""
    places = (dataset.preprocessed / "gt_segmentations", dataset.raw / "labelsTr")
    for folder in places:
        if folder.is_dir():
            return folder
    raise UserError(f"no reference segmentations: neither {places[0]} nor {places[1]} exists")


def _check_validated_once(system: System) -> None:
    folds: dict[str, str | None] = {}
    for folder in system.folders:
        for case_id in sorted(folder.expected):
            if case_id in folds:
                raise UserError(
                    f"{case_id} is validated in fold {folds[case_id]} and in fold {folder.fold}: it would "
                    "count twice. Choose folds with -f, or correct splits_final.json and train again"
                )
            folds[case_id] = folder.fold


def _validation_folders(
    dataset: NnunetDataset,
    model: str,
    folds: Sequence[str] | None,
    splits: list[Split],
    reference: ReferenceFolder,
) -> tuple[PredictionFolder, ...]:
    folder = dataset.results / model
    present = [path.parent.name.removeprefix("fold_") for path in folder.glob("fold_*/validation")]
    wanted = folds or sorted(filter(str.isdecimal, present), key=int)
    if not wanted:
        raise UserError(
            f"{folder} contains no fold_X/validation: let nnUNetv2_train finish, or run it with --val"
        )
    return tuple(_validation_folder(folder, fold, splits, reference) for fold in dict.fromkeys(wanted))


def _validation_folder(
    model: Path, fold: str, splits: list[Split], reference: ReferenceFolder
) -> PredictionFolder:
    path = model / f"fold_{fold}" / "validation"
    if not path.is_dir():
        raise UserError(
            f"{path} does not exist: train fold {fold} to its end, or validate it by nnUNetv2_train ... --val"
        )
    if fold.isdecimal() and int(fold) < len(splits):
        expected = frozenset(splits[int(fold)]["val"])
        return PredictionFolder(path, expected, fold, expected.intersection(splits[int(fold)]["train"]))
    expected = frozenset(list_cases(path, reference.file_ending))
    return PredictionFolder(path, expected, fold, expected if fold == ALL else frozenset())


def _short_names(models: Sequence[str]) -> dict[str, str]:
    """The trainer alone where that tells the models apart."""
    trainers = [model.split("__")[0] for model in models]
    return dict(zip(models, trainers if len(set(trainers)) == len(trainers) else models, strict=True))
