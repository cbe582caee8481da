"""Tiny nnU-Net datasets, and nnU-Net's own commands run on them."""

from __future__ import annotations

import io
import json
import os
import subprocess
import sys
import traceback
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager, redirect_stderr, redirect_stdout
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import SimpleITK as sitk
import torch
from hastened_nnunet import hasten
from nnunetv2.experiment_planning.plan_and_preprocess_entrypoints import plan_and_preprocess_entry
from nnunetv2.run.run_training import run_training_entry

from nnunetv2_raemd import cli

TESTS = Path(__file__).resolve().parent
TRAINERS = (TESTS.parent / "nnunetv2_raemd" / "nnunet_trainers", TESTS / "trainers")
SPACING_MM = (1.0, 1.0, 2.5)  # x, y, z as in SimpleITK
ORIGIN_MM = (-20.0, 13.5, -702.25)
FLIPPED = (-1.0, 0.0, 0.0, 0.0, -1.0, 0.0, 0.0, 0.0, 1.0)  # as in most CT written by ITK
PREPROCESS = ("-npfp", 1, "-np", 1)
PLANNER = {"nnUNet_n_proc_DA": "1"}  # it wants a positive number


@dataclass(frozen=True)
class Workspace:
    """nnU-Net's three folders and the environment in which its commands run."""

    raw: Path
    preprocessed: Path
    results: Path

    def variables(self) -> dict[str, str]:
        """What nnU-Net reads from the environment; without worker processes where it allows that."""
        return {
            "nnUNet_raw": str(self.raw),
            "nnUNet_preprocessed": str(self.preprocessed),
            "nnUNet_results": str(self.results),
            "nnUNet_extTrainer": os.pathsep.join(map(str, TRAINERS)),
            "nnUNet_n_proc_DA": "0",
            "nnUNet_def_n_proc": "1",
            "nnUNet_npp": "1",
            "nnUNet_nps": "1",
            "OMP_NUM_THREADS": "1",
        }

    def attempt(self, command: str, *arguments: object, **variables: str) -> subprocess.CompletedProcess[str]:
        """Run a console script of this environment; its stdout holds all that it printed."""
        script = Path(sys.executable).parent / command
        return subprocess.run(
            [str(script), *map(str, arguments)],
            env=os.environ | self.variables() | variables,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            encoding="utf-8",  # whatever locale a library has set in this process
            errors="replace",
            timeout=600,
            check=False,
        )

    def run(self, command: str, *arguments: object, **variables: str) -> str:
        """As `attempt`, for commands that must succeed; returns what it printed."""
        finished = self.attempt(command, *arguments, **variables)
        assert finished.returncode == 0, f"{command} {arguments}:\n{finished.stdout[-6000:]}"
        return finished.stdout

    def run_here(self, entry_point: Callable[[], None], *arguments: object, **variables: str) -> None:
        """Run the function behind a console script of nnU-Net's in this process, hastened."""
        with self._as_a_process(entry_point, arguments, variables) as patch:
            hasten(patch)
            entry_point()

    def train(self, *arguments: object, **variables: str) -> None:
        """Run nnUNetv2_train on the CPU, in this process."""
        self.run_here(run_training_entry, *arguments, "-device", "cpu", **variables)

    def run_until_killed(self, entry_point: Callable[[], None], *arguments: object, **variables: str) -> int:
        """As `run_here`, in a copy of this process that need not import torch again.

        Returns:
            The number of the signal that ended it, or minus its exit status.
        """
        child = os.fork()
        if child:
            _, status = os.waitpid(child, 0)
            return os.WTERMSIG(status) if os.WIFSIGNALED(status) else -os.WEXITSTATUS(status)
        try:
            self.run_here(entry_point, *arguments, **variables)
        except BaseException:
            traceback.print_exc()
        finally:
            os._exit(0)  # it must never go on as a second run of the tests

    def raemd(self, *arguments: object, **variables: str) -> subprocess.CompletedProcess[str]:
        """As `attempt` of `raemd`, but here: a process of its own spends most of its time on imports."""
        printed = io.StringIO()
        status = 0
        with (
            redirect_stdout(printed),
            redirect_stderr(printed),
            self._as_a_process(cli.main, arguments, variables) as patch,
        ):
            patch.setattr(sys, "warnoptions", list(sys.warnoptions))
            try:
                cli.main()
            except SystemExit as end:
                status = int(end.code or 0)
            except Exception:
                traceback.print_exc()
                status = 1
        return subprocess.CompletedProcess(["raemd", *map(str, arguments)], status, printed.getvalue())

    @contextmanager
    def _as_a_process(
        self, entry_point: Callable[[], None], arguments: Sequence[object], variables: dict[str, str]
    ) -> Iterator[pytest.MonkeyPatch]:
        """What the function behind a console script finds when it is started; afterwards as before."""
        threads = torch.get_num_threads()
        with pytest.MonkeyPatch.context() as patch:
            for name, value in (self.variables() | variables).items():
                patch.setenv(name, value)
            patch.setattr(sys, "argv", [entry_point.__name__, *map(str, arguments)])
            try:
                yield patch
            finally:
                torch.set_num_threads(threads)
                torch.set_flush_denormal(False)

    def model(self, trainer: str, configuration: str, plans: str = "nnUNetPlans") -> Path:
        """The folder of a model trained on dataset 501."""
        return self.results / "Dataset501_Spheres" / f"{trainer}__{plans}__{configuration}"


def noisy_spheres(seed: int, shape: tuple[int, int, int], n_labels: int = 1) -> tuple[np.ndarray, np.ndarray]:
    """Lung-like noise with one bright sphere per label: image in HU and labels, both (z, y, x)."""
    rng = np.random.default_rng(seed)
    image = rng.normal(-800, 60, shape)
    labels = np.zeros(shape, np.uint8)
    grid = np.stack(np.meshgrid(*map(np.arange, shape), indexing="ij"), axis=-1) * SPACING_MM[::-1]
    for label in range(1, n_labels + 1):
        center = rng.uniform(0.3, 0.7, 3) * shape * SPACING_MM[::-1]
        labels[np.linalg.norm(grid - center, axis=-1) < 7 - label] = label
    image[labels > 0] += 800
    return image.astype(np.float32), labels


def write_volume(array: np.ndarray, file: Path) -> None:
    """Write (z, y, x) as NIfTI with a spacing, origin and direction that are easy to lose."""
    image = sitk.GetImageFromArray(array)
    image.SetSpacing(SPACING_MM)
    image.SetOrigin(ORIGIN_MM)
    image.SetDirection(FLIPPED)
    file.parent.mkdir(parents=True, exist_ok=True)
    sitk.WriteImage(image, str(file))


def write_dataset_json(folder: Path, **content: Any) -> None:
    n_cases = len(list((folder / "labelsTr").iterdir()))
    (folder / "dataset.json").write_text(json.dumps({"numTraining": n_cases, **content}), encoding="utf-8")


def write_spheres(folder: Path) -> None:
    """CT, one foreground class."""
    for case in range(6):
        image, labels = noisy_spheres(case, (10 + case % 3 * 2, 40, 36 + case % 2 * 4))
        write_volume(image, folder / "imagesTr" / f"case_{case}_0000.nii.gz")
        write_volume(labels, folder / "labelsTr" / f"case_{case}.nii.gz")
    write_dataset_json(
        folder, channel_names={"0": "CT"}, labels={"background": 0, "nodule": 1}, file_ending=".nii.gz"
    )


def write_regions(folder: Path) -> None:
    """Two channels, overlapping regions and an ignore label."""
    for case in range(5):
        image, labels = noisy_spheres(10 + case, (10, 40, 40), n_labels=3)
        labels[:, :4] = 4
        write_volume(image, folder / "imagesTr" / f"case_{case}_0000.nii.gz")
        write_volume(-image, folder / "imagesTr" / f"case_{case}_0001.nii.gz")
        write_volume(labels, folder / "labelsTr" / f"case_{case}.nii.gz")
    write_dataset_json(
        folder,
        channel_names={"0": "CT", "1": "PET"},
        labels={"background": 0, "whole": [1, 2, 3], "core": [2, 3], "spot": 3, "ignore": 4},
        regions_class_order=[1, 2, 3],
        file_ending=".nii.gz",
    )


def write_classes(folder: Path) -> None:
    """2D images (PNG) with four classes and an ignore label."""
    for case in range(5):
        image, labels = noisy_spheres(20 + case, (10, 48, 48), n_labels=3)
        labels[:, :4] = 4
        write_png(np.clip(image[5] / 8 + 128, 0, 255), folder / "imagesTr" / f"case_{case}_0000.png")
        write_png(labels[5], folder / "labelsTr" / f"case_{case}.png")
    write_dataset_json(
        folder,
        channel_names={"0": "photograph"},
        labels={"background": 0, "large": 1, "middle": 2, "small": 3, "ignore": 4},
        file_ending=".png",
    )


def write_png(array: np.ndarray, file: Path) -> None:
    file.parent.mkdir(parents=True, exist_ok=True)
    sitk.WriteImage(sitk.GetImageFromArray(array.astype(np.uint8)), str(file))


def workspace_in(folder: Path) -> Workspace:
    return Workspace(folder / "raw", folder / "preprocessed", folder / "results")


def make_workspace(folder: Path) -> Workspace:
    """Dataset 501 (spheres), planned and preprocessed by nnU-Net's command, with narrow networks."""
    workspace = workspace_in(folder)
    write_spheres(workspace.raw / "Dataset501_Spheres")
    workspace.run_here(plan_and_preprocess_entry, *PREPROCESS, "-d", 501, "-c", "2d", "3d_fullres", **PLANNER)
    narrow_plan(workspace.preprocessed / "Dataset501_Spheres")
    return workspace


def add_datasets(workspace: Workspace) -> None:
    """Datasets 502 (regions) and 503 (2D images), as 501."""
    write_regions(workspace.raw / "Dataset502_Regions")
    write_classes(workspace.raw / "Dataset503_Images")
    workspace.run_here(plan_and_preprocess_entry, *PREPROCESS, "-d", 502, 503, "-c", "2d", **PLANNER)
    for dataset in ("Dataset502_Regions", "Dataset503_Images"):
        narrow_plan(workspace.preprocessed / dataset)


def narrow_plan(folder: Path) -> None:
    """Few features in nnU-Net's plan: with its own, most of the time goes into large checkpoints."""
    file = folder / "nnUNetPlans.json"
    plan = json.loads(file.read_text(encoding="utf-8"))
    for configuration in plan["configurations"].values():
        arguments = configuration["architecture"]["arch_kwargs"]
        arguments["features_per_stage"] = [4, *[8] * (arguments["n_stages"] - 1)]
    file.write_text(json.dumps(plan, indent=4), encoding="utf-8")
