"""RAEMD-Net on real nodules with a part of the labels, and with pseudo-labels for the rest.

    python benchmarks/equal_time/pseudo_labels.py --data FOLDER [--output fewer_labels] [--seconds 100]
        [--labels 10 25 50] [--seeds 0] [--folds 0 1]

A teacher trains on so many percent of a fold's training cases and segments the others. Voxels of which it is
confident become labels; nnU-Net's ignore label covers the rest. A student then trains from scratch on all
cases, for as many seconds. The students' cases are a dataset of their own, with nnU-Net's plan of the
teachers'. What is done already stays; the table goes to `pseudo_labels.md` in the output folder.
"""

from __future__ import annotations

import json
import shutil
from argparse import Namespace
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import SimpleITK as sitk
from case_tables import read_cases
from cubes_dataset import DATASET
from label_parts import (
    SCRATCH,
    dataset_id,
    difference_table,
    fold_of,
    parts_parser,
    read_splits,
    train_fold,
    train_seeds,
    trainer_name,
    write_splits,
)
from nodule_trainings import evaluate, prepare
from study_commands import command, environment
from study_plan import PLANS
from systems import model_name

PERCENTS = (10, 25, 50)
STUDENT = "RAEMD-Net, pseudo-labels"
CONFIDENT = 0.9
IGNORE = 2


def student_dataset(seed: int) -> str:
    """The dataset of the students whose teachers have this seed."""
    return f"Dataset{int(dataset_id(DATASET)) + 1 + seed}_PseudoLabels{seed}"


def pseudo_label(probability: np.ndarray) -> np.ndarray:
    """Nodule, background, or, where the teacher (probability of a nodule) is not confident, to be ignored."""
    labels = np.full(probability.shape, IGNORE, np.uint8)
    labels[probability >= CONFIDENT] = 1
    labels[1 - probability >= CONFIDENT] = 0
    return labels


def answers(number: str, seed: int, options: Namespace, root: Path, variables: Mapping[str, str]) -> Path:
    """The folder with a teacher's probabilities of the training cases whose labels it has not seen."""
    trainer = trainer_name(SCRATCH, options, seed)
    images, folder = (root / "teachers" / f"{trainer}_fold_{number}" / name for name in ("images", "answers"))
    images.mkdir(parents=True, exist_ok=True)
    raw = root / "nnUNet_raw" / DATASET / "imagesTr"
    splits = read_splits(root)
    known = splits[int(number)]
    unlabelled = {case for split in splits for case in split["train"]} - {*known["train"], *known["val"]}
    for case in unlabelled:
        shutil.copy(raw / f"{case}_0000.nii.gz", images)
    if not all((folder / f"{case}.npz").is_file() for case in unlabelled):
        model = ("-d", dataset_id(DATASET), "-c", "2d", "-tr", trainer, "-p", PLANS, "-f", number)
        how = ("--disable_tta", "--save_probabilities", "-device", "cpu", "--disable_progress_bar")
        command(variables, "raemd", "predict", "-i", str(images), "-o", str(folder), *model, *how)
    return folder


def write_students_cases(dataset: str, teachers: Mapping[str, Path], root: Path) -> None:
    """The raw dataset: all true cases, and one more for each of a teacher's answers, named by its fold."""
    source, target = root / "nnUNet_raw" / DATASET, root / "nnUNet_raw" / dataset
    shutil.copytree(source, target, dirs_exist_ok=True)
    description: dict[str, Any] = json.loads((source / "dataset.json").read_text(encoding="utf-8"))
    description["labels"]["ignore"] = IGNORE
    for number, folder in teachers.items():
        for file in folder.glob("*.npz"):
            case = file.name.removesuffix(".npz")
            image = sitk.ReadImage(source / "imagesTr" / f"{case}_0000.nii.gz")
            label = sitk.GetImageFromArray(pseudo_label(np.load(file)["probabilities"][1]))
            label.CopyInformation(image)
            name = student_case(case, number)
            sitk.WriteImage(image, target / "imagesTr" / f"{name}_0000.nii.gz")
            sitk.WriteImage(label, target / "labelsTr" / f"{name}.nii.gz")
    description["numTraining"] = len(list((target / "labelsTr").iterdir()))
    (target / "dataset.json").write_text(json.dumps(description, indent=2), encoding="utf-8")


def student_case(case: str, number: str) -> str:
    """The name of a case with pseudo-labels of the teacher of that fold."""
    return f"{case}_by_{number}"


def student_splits(splits: list[dict[str, list[str]]], teachers: Mapping[str, Path]) -> list[Any]:
    """The teachers' splits, with their answers among the training cases."""
    students: list[Any] = [dict(split) for split in splits]
    for number, folder in teachers.items():
        answered = [student_case(file.name.removesuffix(".npz"), number) for file in folder.glob("*.npz")]
        students[int(number)]["train"] = sorted([*splits[int(number)]["train"], *answered])
    return students


def prepare_students(
    dataset: str, teachers: Mapping[str, Path], root: Path, variables: Mapping[str, str]
) -> None:
    """The students' dataset, preprocessed by the teachers' plan, unless all of it is there."""
    splits = student_splits(read_splits(root), teachers)
    preprocessed = root / "nnUNet_preprocessed" / dataset
    file = preprocessed / "splits_final.json"
    if file.is_file() and json.loads(file.read_text(encoding="utf-8")) == splits:
        return
    write_students_cases(dataset, teachers, root)
    preprocessed.mkdir(exist_ok=True)
    # as nnU-Net's planner would; the fingerprint is the teachers', as their plan is
    shutil.copy(root / "nnUNet_raw" / dataset / "dataset.json", preprocessed)
    shutil.copy(preprocessed.parent / DATASET / "dataset_fingerprint.json", preprocessed)
    numbers = ("-s", dataset_id(DATASET), "-t", dataset_id(dataset))
    command(variables, "nnUNetv2_move_plans_between_datasets", *numbers, "-sp", PLANS, "-tp", PLANS)
    which = ("-d", dataset_id(dataset), "-plans_name", PLANS, "-c", "2d", "-np", "1")
    command(variables, "nnUNetv2_preprocess", *which)
    file.write_text(json.dumps(splits, indent=2), encoding="utf-8")


def measured(options: Namespace, root: Path, variables: Mapping[str, str]) -> pd.DataFrame:
    """Dice of each case, by system, seed and percent of the labels."""
    parts = []
    for seed in options.seeds:
        for system, dataset in ((SCRATCH, DATASET), (STUDENT, student_dataset(seed))):
            models = {model_name(SCRATCH, options.seconds, seed): (system, seed)}
            for percent in options.labels:
                for fold in options.folds:
                    number = fold_of(fold, percent)
                    folder = root / f"evaluation_{dataset}_{seed}_{number}"
                    cases = evaluate(models, [number], folder, variables, dataset_id(dataset))
                    parts.append(read_cases(cases, models).assign(percent=percent))
    return pd.concat(parts)


def main() -> None:
    """Run what is missing and write the table."""
    options = parts_parser(__doc__, PERCENTS).parse_args()
    root = options.output.resolve()
    variables = environment(root)
    prepare(options.data, root, variables)
    write_splits(root, options.labels)
    numbers = [fold_of(fold, percent) for percent in options.labels for fold in options.folds]
    for number in numbers:
        train_seeds(SCRATCH, number, options, root, variables)
    for seed in options.seeds:
        teachers = {number: answers(number, seed, options, root, variables) for number in numbers}
        dataset = student_dataset(seed)
        prepare_students(dataset, teachers, root, variables)
        for number in numbers:
            train_fold(dataset, trainer_name(SCRATCH, options, seed), number, root, variables)
    text = difference_table(measured(options, root, variables), STUDENT, "with pseudo-labels")
    (root / "pseudo_labels.md").write_text(text + "\n", encoding="utf-8")
    print(text)


if __name__ == "__main__":
    main()
