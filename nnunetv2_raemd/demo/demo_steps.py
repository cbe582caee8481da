"""The steps of the demonstration: the commands a user would type, each skipped once it is done."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

from nnunetv2_raemd.demo.workspace import (
    DATASET,
    DATASET_ID,
    NEW_SCANS,
    NEW_SCANS_ID,
    PLANS,
    SYSTEMS,
    System,
    Workspace,
)

PHANTOM = (
    *("--shape", "40", "96", "96", "--spacing", "2.5", "2", "2"),
    *("--diameter", "8", "18", "--vessels", "1", "3"),
)
TRAINING_SCANS, NEW_SCANS_COUNT = 30, 6


@dataclass(frozen=True)
class Step:
    """A command and what it is for.

    `again` is the command for another attempt after an interruption, where that differs.
    """

    title: str
    command: tuple[str, ...]
    again: tuple[str, ...] | None = None

    @property
    def file_name(self) -> str:
        """The name of the step's log."""
        return self.title.lower().replace(" ", "_")


def data_steps(workspace: Workspace) -> Iterator[Step]:
    """From nothing to preprocessed data."""
    archives = (
        ("Make phantom scans to train on", workspace.archive, TRAINING_SCANS, "1"),
        ("Make phantom scans to predict", workspace.new_archive, NEW_SCANS_COUNT, "2"),
    )
    for title, archive, n_scans, seed in archives:
        sizes = ("-n", str(n_scans), "--seed", seed, *PHANTOM)
        yield Step(title, ("raemd", "phantom", "luna16", "-o", str(archive), *sizes))
    datasets = (
        ("Convert them to an nnU-Net dataset", workspace.archive, DATASET_ID, DATASET),
        ("Convert the scans to predict", workspace.new_archive, NEW_SCANS_ID, NEW_SCANS),
    )
    for title, archive, dataset_id, dataset in datasets:
        name = ("-d", str(dataset_id), "--name", dataset.partition("_")[2])
        yield Step(title, ("raemd", "convert", "luna16", "-i", str(archive), *name))
    plan = ("nnUNetv2_plan_and_preprocess", "-d", str(DATASET_ID), "-c", "2d", "-np", "2")
    yield Step("Plan and preprocess", plan)


def system_steps(workspace: Workspace, system: System) -> Iterator[Step]:
    """Training, prediction and evaluation of one network."""
    model = ("-tr", system.trainer, "-p", PLANS)
    train = ("nnUNetv2_train", str(DATASET_ID), "2d", "0", *model, "-device", "cpu")
    yield Step(f"Train and validate {system.name}", train, again=(*train, "--c"))
    folder = workspace.predictions(system)
    where = ("-i", str(workspace.new_scans), "-o", str(folder), "-d", str(DATASET_ID), "-c", "2d", "-f", "0")
    predict = ("nnUNetv2_predict", *where, *model, "-device", "cpu", "-npp", "1", "-nps", "1")
    yield Step(f"Predict the new scans with {system.name}", predict)
    described = ("-djfile", str(folder / "dataset.json"), "-pfile", str(folder / "plans.json"), "-np", "2")
    evaluate = ("nnUNetv2_evaluate_folder", str(workspace.exact_masks), str(folder), *described)
    yield Step(f"Compare the predictions of {system.name} with the exact masks", evaluate)


def all_steps(workspace: Workspace) -> tuple[list[Step], list[Step]]:
    """The steps before and after the demonstration's plan is written."""
    of_systems = [step for system in SYSTEMS for step in system_steps(workspace, system)]
    return list(data_steps(workspace)), of_systems
