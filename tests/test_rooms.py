"""The house: arrows between rooms point down only, rooms say what they are for, names stand on their own."""

from __future__ import annotations

import ast
from collections import Counter, defaultdict
from collections.abc import Iterator
from graphlib import TopologicalSorter
from pathlib import Path

import pytest

REPOSITORY = Path(__file__).resolve().parents[1]
PACKAGE = "nnunetv2_raemd"


def modules() -> dict[str, Path]:
    """Every file of the package by the name it is imported under."""
    found = {}
    for folder, name in (
        (REPOSITORY / PACKAGE, PACKAGE),
        (REPOSITORY / "dataset_conversion", f"{PACKAGE}.dataset_conversion"),
        (REPOSITORY / "plans", f"{PACKAGE}.plans"),
    ):
        for file in folder.rglob("*.py"):
            parts = file.relative_to(folder).with_suffix("").parts
            found[".".join((name, *(part for part in parts if part != "__init__")))] = file
    return found


MODULES = modules()
ROOMS = {name for name, file in MODULES.items() if file.name == "__init__.py"}


def imported(file: Path) -> Iterator[str]:
    """The modules of the package that a file imports, also within functions and for types alone."""
    for node in ast.walk(ast.parse(file.read_text(encoding="utf-8"))):
        if isinstance(node, ast.ImportFrom) and node.module and node.module.startswith(PACKAGE):
            for alias in node.names:
                inside = f"{node.module}.{alias.name}"
                yield inside if inside in MODULES else node.module
        elif isinstance(node, ast.Import):
            yield from (alias.name for alias in node.names if alias.name in MODULES)


def room(module: str) -> str:
    """The folder a module lies in; what lies at the root is a room by itself."""
    if module in ROOMS:
        return module
    folder = module.rpartition(".")[0]
    return module if folder == PACKAGE else folder


def test_there_is_no_circle_between_rooms_nor_between_files() -> None:
    of_files = {name: set(imported(file)) - {name} for name, file in MODULES.items()}
    of_rooms: defaultdict[str, set[str]] = defaultdict(set)
    for name, others in of_files.items():
        of_rooms[room(name)] |= {room(other) for other in others} - {room(name)}
    assert len(of_rooms) > 20 and sum(map(len, of_files.values())) > 500  # the imports were found
    TopologicalSorter(of_files).prepare()  # raises a CycleError that names the circle
    TopologicalSorter(of_rooms).prepare()


@pytest.mark.parametrize(
    ("lower", "higher"),
    [
        ("volumes", "nnunet_files"),
        ("nnunet_files", "evaluation"),
        ("execution", "evaluation"),
        ("rasterize", "dicom"),
        ("dicom", "dataset_conversion.archives.nsclc_radiomics"),
        ("dataset_conversion.archives.lidc", "dataset_conversion.archives.luna16"),
        ("evaluation", "report"),
        ("evaluation", "postprocessing"),
        ("architecture", "training"),
    ],
)
def test_a_lower_room_does_not_know_a_higher_one(lower: str, higher: str) -> None:
    for name, file in MODULES.items():
        if name.startswith(f"{PACKAGE}.{lower}"):
            assert not [other for other in imported(file) if other.startswith(f"{PACKAGE}.{higher}")], name


def test_archives_and_what_writes_datasets_do_not_know_each_other() -> None:
    archives, writing = (f"{PACKAGE}.dataset_conversion.{name}" for name in ("archives", "dataset_writing"))
    for name, file in MODULES.items():
        for one, other in ((archives, writing), (writing, archives)):
            assert not (name.startswith(one) and any(i.startswith(other) for i in imported(file))), name


@pytest.mark.parametrize("name", sorted(ROOMS))
def test_a_room_says_what_it_is_for(name: str) -> None:
    text = ast.get_docstring(ast.parse(MODULES[name].read_text(encoding="utf-8")))
    assert text and text.splitlines()[0].endswith((".", ":"))


def test_there_are_no_links() -> None:
    """Windows checks them out as files that hold a path."""
    for folder in (PACKAGE, "dataset_conversion", "plans", "docs", "tests", "benchmarks"):
        assert not [path for path in (REPOSITORY / folder).rglob("*") if path.is_symlink()]


def test_a_file_is_known_by_its_name_alone() -> None:
    names = Counter(file.name for file in MODULES.values() if file.name != "__init__.py")
    assert [name for name, times in names.items() if times > 1] == []
    assert not {"utils.py", "helpers.py", "misc.py"} & names.keys()


def test_what_tests_of_several_folders_share_lies_above_them() -> None:
    """Or else the tests of one folder could not be run without those of the other."""
    tests = REPOSITORY / "tests"
    helpers = {file.stem: file for file in tests.rglob("*.py") if not file.name.startswith("test_")}
    for file in tests.rglob("*.py"):
        for node in ast.walk(ast.parse(file.read_text(encoding="utf-8"))):
            if isinstance(node, ast.ImportFrom) and (helper := helpers.get(str(node.module))):
                assert file.is_relative_to(helper.parent), f"{file} uses {helper}"
