"""nnU-Net's cross-validation: nnUNet_results/DATASET/TRAINER__PLANS__CONFIGURATION/fold_X/validation."""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from nnunetv2_raemd.errors import UserError
from nnunetv2_raemd.evaluation.dataset_labels import DatasetJson, labels_of, read_dataset_json
from nnunetv2_raemd.evaluation.folders import Material, PredictionFolder, ReferenceFolder, System, list_cases
from nnunetv2_raemd.evaluation.two_folders import find_references

_MODEL_PARTS = 3  # TRAINER__PLANS__CONFIGURATION


@dataclass(frozen=True)
class NnunetDataset:
    """Where nnU-Net keeps one dataset: `raw` and `preprocessed` may lack it."""

    name: str
    raw: Path
    preprocessed: Path
    results: Path


def find_dataset(dataset: str) -> NnunetDataset:
    """The folders of a dataset given by its number or name.

    Raises:
        UserError: if nnUNet_results is not set or nnU-Net knows no such dataset.
    """
    from nnunetv2.paths import nnUNet_preprocessed, nnUNet_raw, nnUNet_results  # noqa: PLC0415
    from nnunetv2.utilities.dataset_name_id_conversion import maybe_convert_to_dataset_name  # noqa: PLC0415

    folders = {"raw": nnUNet_raw, "preprocessed": nnUNet_preprocessed, "results": nnUNet_results}
    for kind, folder in folders.items():
        if not folder.get():
            raise UserError(f"nnUNet_{kind} is not set: export it as nnU-Net's set-up describes")
    try:
        name = str(maybe_convert_to_dataset_name(dataset))
    except (RuntimeError, ValueError) as error:
        raise UserError(f"nnU-Net does not find dataset {dataset}: {error}") from error
    raw, preprocessed, results = (Path(str(folder)) / name for folder in folders.values())
    return NnunetDataset(name, raw, preprocessed, results)


def model_names(trainers: Sequence[str], plans: str, configuration: str) -> list[str]:
    """The folders' names TRAINER__PLANS__CONFIGURATION.

    Args:
        trainers: trainers, or such names themselves, to compare across plans and configurations.

    Raises:
        UserError: if one is neither.
    """
    names = []
    for trainer in dict.fromkeys(trainers):
        parts = trainer.split("__")
        if len(parts) not in (1, _MODEL_PARTS):
            raise UserError(f"-tr {trainer}: give a trainer's name, or TRAINER__PLANS__CONFIGURATION")
        names.append(trainer if len(parts) == _MODEL_PARTS else f"{trainer}__{plans}__{configuration}")
    return names


def find_cross_validation(
    dataset: NnunetDataset, models: Sequence[str], folds: Sequence[str] | None = None
) -> Material:
    """The validation folders of trained models, the references, and the labels.

    The results belong beside the models, in evaluation__CONFIGURATION (of the first).

    Args:
        models: names as `model_names` gives them.
        folds: such as "0" or "all"; by default those of 0, 1, 2, ... that each model has.

    Raises:
        UserError: if a model, a fold or the references are not there; the message says what to run.
    """
    description = _description(dataset, models)
    reference = find_references(_reference_folder(dataset), description)
    splits = _splits(dataset)
    short = _short_names(models)
    systems = tuple(
        System(short[model], _validation_folders(dataset, model, folds, splits, reference))
        for model in models
    )
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


def _splits(dataset: NnunetDataset) -> list[frozenset[str]]:
    """The validation cases of each fold; empty without splits_final.json."""
    file = dataset.preprocessed / "splits_final.json"
    if not file.is_file():
        return []
    try:
        return [frozenset(split["val"]) for split in json.loads(file.read_text(encoding="utf-8"))]
    except (OSError, ValueError, KeyError, TypeError) as error:
        raise UserError(f"{file} cannot be read as nnU-Net's splits: {error}") from error


def _validation_folders(
    dataset: NnunetDataset,
    model: str,
    folds: Sequence[str] | None,
    splits: list[frozenset[str]],
    reference: ReferenceFolder,
) -> tuple[PredictionFolder, ...]:
    folder = dataset.results / model
    present = [path.parent.name.removeprefix("fold_") for path in folder.glob("fold_*/validation")]
    wanted = folds or sorted(filter(str.isdecimal, present), key=int)
    if not wanted:
        raise UserError(
            f"{folder} holds no fold_X/validation: let nnUNetv2_train finish, or run it with --val"
        )
    return tuple(_validation_folder(folder, fold, splits, reference) for fold in dict.fromkeys(wanted))


def _validation_folder(
    model: Path, fold: str, splits: list[frozenset[str]], reference: ReferenceFolder
) -> PredictionFolder:
    path = model / f"fold_{fold}" / "validation"
    if not path.is_dir():
        raise UserError(
            f"{path} does not exist: train fold {fold} to its end, or validate it by nnUNetv2_train ... --val"
        )
    if fold.isdecimal() and int(fold) < len(splits):
        expected = splits[int(fold)]
    else:
        expected = frozenset(list_cases(path, reference.file_ending))
    return PredictionFolder(path, expected, fold)


def _short_names(models: Sequence[str]) -> dict[str, str]:
    """The trainer alone where that tells the models apart."""
    trainers = [model.split("__")[0] for model in models]
    return dict(zip(models, trainers if len(set(trainers)) == len(trainers) else models, strict=True))
