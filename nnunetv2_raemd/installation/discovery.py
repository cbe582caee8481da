"""Whether nnU-Net will find the trainers of this package: where their names come first as it searches.

Files are read, not imported: nnU-Net's own lookup, which imports all of them, takes seconds (see `loading`).
"""

from __future__ import annotations

import ast
import os
import pkgutil
from collections.abc import Iterable, Iterator
from importlib.util import find_spec
from pathlib import Path

from nnunetv2_raemd import nnunet_trainers
from nnunetv2_raemd.installation.finding import Finding, problem

VARIABLE = "nnUNet_extTrainer"
TRAINERS = "Trainers"
TRAINERS_FOLDER = Path(nnunet_trainers.__file__).parent


def check_discovery() -> Iterator[Finding]:
    """Yield the variable that names the folders to search, then the trainers that nnU-Net will find."""
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


def check_trainers() -> Finding:
    """Do the names of our trainers come first in our own folder, in the order in which nnU-Net searches?"""
    try:
        names = _first_files([TRAINERS_FOLDER])
        found = _first_files(_searched_folders())
    except (OSError, SyntaxError, ValueError) as error:
        return problem(TRAINERS, f"a module cannot be read: {error}", f"correct it, or {VARIABLE}")
    if not names:
        return problem(TRAINERS, f"none in {TRAINERS_FOLDER}", "reinstall nnunetv2-raemd")
    lost = [_why_lost(name, found.get(name)) for name in names if found.get(name) != names[name]]
    if lost:
        return problem(TRAINERS, "; ".join(lost), f"nnUNetv2_train cannot use them: correct {VARIABLE}")
    return Finding(TRAINERS, ", ".join(names))


def _why_lost(name: str, file: Path | None) -> str:
    return (
        f"{name}: not found"
        if file is None
        else f"{name}: another class of this name is found first, in {file}"
    )


def _searched_folders() -> Iterator[Path]:
    """nnU-Net's own trainers, then the folders of the variable."""
    nnunet = find_spec("nnunetv2")
    for package in (nnunet and nnunet.submodule_search_locations) or ():
        yield Path(package) / "training" / "nnUNetTrainer"
    for folder in os.environ.get(VARIABLE, "").split(os.pathsep):
        if folder.strip() and Path(folder).exists():
            yield Path(folder)


def _first_files(folders: Iterable[Path]) -> dict[str, Path]:
    """The file in which each name of a trainer is met first."""
    files: dict[str, Path] = {}
    for folder in folders:
        for file in _modules_below(folder):
            for name in _trainer_names(file):
                files.setdefault(name, file.resolve())
    return files


def _modules_below(folder: Path) -> Iterator[Path]:
    """The modules in nnU-Net's order: those of a folder, then those of the packages in it."""
    found = list(pkgutil.iter_modules([str(folder)]))
    yield from (
        file for module in found if not module.ispkg and (file := folder / f"{module.name}.py").is_file()
    )
    for module in found:
        if module.ispkg:
            yield from _modules_below(folder / module.name)


def _trainer_names(file: Path) -> Iterator[str]:
    """Names of trainers that a module defines or imports at its top level, nnU-Net's base class excepted."""
    for statement in ast.parse(file.read_text(encoding="utf-8"), str(file)).body:
        if isinstance(statement, ast.ClassDef):
            names = [statement.name]
        elif isinstance(statement, ast.ImportFrom):
            names = [alias.asname or alias.name for alias in statement.names]
        else:
            continue
        yield from (name for name in names if name.startswith("nnUNetTrainer") and name != "nnUNetTrainer")
