"""Whether nnU-Net finds the trainers of this package, asked through nnU-Net's own lookup."""

from __future__ import annotations

import contextlib
import importlib
import io
import os
import pkgutil
from collections.abc import Iterator
from pathlib import Path

from nnunetv2_raemd import nnunet_trainers
from nnunetv2_raemd.installation.finding import Finding, problem

VARIABLE = "nnUNet_extTrainer"
TRAINERS = "Trainers"
TRAINERS_FOLDER = Path(nnunet_trainers.__file__).parent


def check_discovery() -> Iterator[Finding]:
    """Yield the variable that names the folders to search, then the trainers that nnU-Net found."""
    yield check_variable()
    yield check_trainers()


def check_variable() -> Finding:
    """Is the folder of the trainers among those that nnU-Net searches?"""
    value = os.environ.get(VARIABLE, "")
    if any(folder and _is_ours(folder) for folder in value.split(os.pathsep)):
        return Finding(VARIABLE, value)
    if not value:
        return problem(
            VARIABLE,
            "not set",
            "the start-up file nnunetv2_raemd.pth did not run: reinstall with `pip install --force-reinstall "
            "--no-deps nnunetv2-raemd` (or `.`), and do not start Python with -S",
        )
    return problem(
        VARIABLE,
        f"{value}, without the folder of this package",
        f"something overwrote {VARIABLE} after Python started: let it append to the value instead, or add "
        f"{os.pathsep}{TRAINERS_FOLDER}",
    )


def _is_ours(folder: str) -> bool:
    return Path(folder).is_dir() and Path(folder).samefile(TRAINERS_FOLDER)


def exported_trainers() -> dict[str, type]:
    """The subclasses of nnUNetTrainer that the searched folder exports, by name."""
    from nnunetv2.training.nnUNetTrainer.nnUNetTrainer import nnUNetTrainer  # noqa: PLC0415 - seconds

    modules = [
        importlib.import_module(f"{nnunet_trainers.__name__}.{module.name}")
        for module in pkgutil.iter_modules(nnunet_trainers.__path__)
    ]
    return {
        name: value
        for module in modules
        for name, value in vars(module).items()
        if isinstance(value, type) and issubclass(value, nnUNetTrainer) and value is not nnUNetTrainer
    }


def check_trainers() -> Finding:
    """Ask nnU-Net for every trainer of this package by name, as nnUNetv2_train does."""
    try:
        trainers = exported_trainers()
        lost = {name: reason for name, trainer in trainers.items() if (reason := _why_lost(name, trainer))}
    except Exception as error:  # whatever keeps nnU-Net or a trainer from loading is the finding
        return problem(
            TRAINERS,
            f"they do not load ({type(error).__name__}: {error})",
            "mend the versions above, or reinstall nnunetv2 and nnunetv2-raemd",
        )
    if not trainers:
        return problem(TRAINERS, f"none in {TRAINERS_FOLDER}", "reinstall nnunetv2-raemd")
    if lost:
        reasons = "; ".join(f"{name}: {reason}" for name, reason in lost.items())
        return problem(TRAINERS, reasons, f"nnUNetv2_train cannot use them: mend {VARIABLE}")
    return Finding(TRAINERS, ", ".join(trainers))


def _why_lost(name: str, trainer: type) -> str:
    """Why nnU-Net does not come to `trainer` by its name; empty if it does."""
    from nnunetv2.utilities.find_objects import recursive_find_trainer_class_by_name  # noqa: PLC0415

    with contextlib.redirect_stdout(io.StringIO()):  # it tells every file it looks at
        try:
            found = recursive_find_trainer_class_by_name(name)
        except Exception as error:  # the user's own folders are searched too, and hold any code
            return f"not found ({type(error).__name__}: {error})"
    return "" if found is trainer else f"another class of this name is found first, in {found.__module__}"
