"""Whether every trainer of this package loads through nnU-Net's own lookup; takes seconds."""

from __future__ import annotations

import contextlib
import importlib
import io
import pkgutil

from nnunetv2_raemd import nnunet_trainers
from nnunetv2_raemd.installation.discovery import TRAINERS_FOLDER, VARIABLE
from nnunetv2_raemd.installation.finding import Finding, problem

SUBJECT = "Loading"


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


def check_loading() -> Finding:
    """Ask nnU-Net for every trainer of this package by name, as nnUNetv2_train does."""
    try:
        trainers = exported_trainers()
        lost = {name: reason for name, trainer in trainers.items() if (reason := _why_lost(name, trainer))}
    except Exception as error:  # whatever keeps nnU-Net or a trainer from loading is the finding
        return problem(
            SUBJECT,
            f"they do not load ({type(error).__name__}: {error})",
            "install the versions that are asked for above, or reinstall nnunetv2 and nnunetv2-raemd",
        )
    if not trainers:
        return problem(SUBJECT, f"none in {TRAINERS_FOLDER}", "reinstall nnunetv2-raemd")
    if lost:
        reasons = "; ".join(f"{name}: {reason}" for name, reason in lost.items())
        return problem(SUBJECT, reasons, f"nnUNetv2_train cannot use them: correct {VARIABLE}")
    return Finding(SUBJECT, f"nnU-Net loads all {len(trainers)} trainers")


def _why_lost(name: str, trainer: type) -> str:
    """Why nnU-Net does not come to `trainer` by its name; empty if it does."""
    from nnunetv2.utilities.find_objects import recursive_find_trainer_class_by_name  # noqa: PLC0415

    with contextlib.redirect_stdout(io.StringIO()):  # it prints every file that it looks at
        try:
            found = recursive_find_trainer_class_by_name(name)
        except Exception as error:  # the user's own folders are searched too, and hold any code
            return f"not found ({type(error).__name__}: {error})"
    return "" if found is trainer else f"another class of this name is found first, in {found.__module__}"
