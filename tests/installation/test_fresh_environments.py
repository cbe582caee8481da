"""The package as users install it: built, put into fresh virtual environments, looked up by nnU-Net, removed.

The environments borrow the dependencies of the one that runs the tests, so that torch is not installed again.
"""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
import tarfile
import venv
import zipfile
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path, PurePosixPath

import pytest

pytestmark = pytest.mark.slow

REPOSITORY = Path(__file__).resolve().parents[2]
VARIABLE = "nnUNet_extTrainer"
PRINT_VARIABLE = f"import os; print(os.environ.get({VARIABLE!r}))"
LOOK_UP = """
import contextlib, inspect, io, json, multiprocessing, os

def look_up():
    from nnunetv2.utilities.find_objects import recursive_find_trainer_class_by_name
    with contextlib.redirect_stdout(io.StringIO()):
        trainer = recursive_find_trainer_class_by_name("nnUNetTrainerRAEMD")
    return {"file": inspect.getfile(trainer), "variable": os.environ["nnUNet_extTrainer"]}

if __name__ == "__main__":
    with multiprocessing.get_context("spawn").Pool(1) as pool:
        print(json.dumps(pool.apply(look_up)))
"""


@dataclass(frozen=True)
class Environment:
    """A virtual environment, and the folder that `nnunetv2_raemd` is imported from in it."""

    folder: Path
    package: Path

    @property
    def python(self) -> Path:
        return self.folder / "bin" / "python"

    @property
    def site_packages(self) -> Path:
        return next(self.folder.glob("lib/python*/site-packages"))

    @property
    def trainers(self) -> Path:
        return self.package / "nnunet_trainers"

    def run(self, *arguments: str | Path, **variables: str) -> str:
        """Run the environment's Python away from the checkout; nothing may appear on stderr."""
        done = subprocess.run(
            [self.python, *arguments],
            env=_clean_variables() | variables,
            cwd=self.folder,
            capture_output=True,
            encoding="utf-8",
            check=False,
        )
        assert (done.returncode, done.stderr) == (0, ""), done.stdout + done.stderr
        return done.stdout.strip()

    def pip(self, *arguments: str | Path) -> None:
        """Run the outer pip on this environment: offline, with the outer setuptools."""
        command: list[str | Path] = [
            sys.executable,
            "-m",
            "pip",
            "--python",
            self.python,
            "--disable-pip-version-check",
        ]
        subprocess.run([*command, *arguments], env=_clean_variables(), check=True, capture_output=True)

    def install(self, *what: str | Path) -> None:
        """Without bytecode, which pip would take seconds to make of files that few processes read."""
        self.pip("install", "--no-index", "--no-deps", "--no-build-isolation", "--no-compile", *what)


def _clean_variables() -> dict[str, str]:
    """The variables of this process, without those by which this environment could leak into a fresh one."""
    leaking = {VARIABLE, "PYTHONPATH", "PYTHONHOME", "VIRTUAL_ENV"}
    return {k: v for k, v in os.environ.items() if k not in leaking and not k.startswith("COV")}


@pytest.fixture(scope="module")
def source(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A copy of the checkout, so that building leaves nothing in it."""
    copy = tmp_path_factory.mktemp("source") / "a checkout"
    ignored = shutil.ignore_patterns(".git", ".venv", "build", "dist", "*.egg-info", "*cache*", "demo_output")
    return Path(shutil.copytree(REPOSITORY, copy, symlinks=True, ignore=ignored))


@pytest.fixture(scope="module")
def distributions(source: Path, tmp_path_factory: pytest.TempPathFactory) -> dict[str, Path]:
    """The sdist, its unpacked folder, and the wheel."""
    folder = tmp_path_factory.mktemp("dist")
    for hook in ("build_sdist", "build_wheel"):
        build = f"import sys; from setuptools import build_meta; build_meta.{hook}(sys.argv[1])"
        subprocess.run([sys.executable, "-c", build, folder], cwd=source, check=True, capture_output=True)
    sdist, wheel = next(folder.glob("*.tar.gz")), next(folder.glob("*.whl"))
    with tarfile.open(sdist) as archive:
        archive.extractall(folder)
    return {"sdist": sdist, "unpacked": folder / sdist.name.removesuffix(".tar.gz"), "wheel": wheel}


@pytest.fixture(scope="module")
def dependencies(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with links to everything installed beside the tests except this package."""
    folder = tmp_path_factory.mktemp("dependencies")
    for entry in Path(pytest.__file__).parents[1].iterdir():
        if "raemd" not in entry.name and entry.suffix != ".pth":
            (folder / entry.name).symlink_to(entry)
    return folder


def _create(folder: Path, dependencies: Path, *, system_site_packages: bool = False) -> Environment:
    venv.create(folder, system_site_packages=system_site_packages, symlinks=True)
    site_packages = next(folder.glob("lib/python*/site-packages"))
    (site_packages / "dependencies.pth").write_text(f"{dependencies}\n", encoding="utf-8")
    return Environment(folder, site_packages / "nnunetv2_raemd")


@pytest.fixture(
    scope="module",
    params=["wheel", "wheel beside system packages", "editable", "editable sdist"],
)
def environment(
    request: pytest.FixtureRequest,
    source: Path,
    distributions: dict[str, Path],
    dependencies: Path,
    tmp_path_factory: pytest.TempPathFactory,
) -> Environment:
    """A fresh environment with the package, for the ways of installing it that may behave differently."""
    folder = tmp_path_factory.mktemp("environment")
    fresh = _create(folder, dependencies, system_site_packages="system" in request.param)
    match request.param.split():
        case ["wheel", *_]:
            fresh.install(distributions["wheel"])
        case ["editable"]:
            fresh.install("-e", source)
            return Environment(folder, source / "nnunetv2_raemd")
        case ["editable", "sdist"]:
            fresh.install("-e", distributions["unpacked"])
            return Environment(folder, distributions["unpacked"] / "nnunetv2_raemd")
    return fresh


def test_the_wheel_holds_every_module_preset_and_asset(distributions: dict[str, Path], source: Path) -> None:
    """Two folders lie beside the package, and are in it once it is installed."""
    package = "nnunetv2_raemd"
    files = {
        str(PurePosixPath("" if folder == package else package, file.relative_to(source)))
        for folder in (package, "dataset_conversion", "plans")
        for file in (source / folder).rglob("*")
        if file.suffix in {".py", ".json", ".typed", ".html", ".css", ".js"}
    }
    with zipfile.ZipFile(distributions["wheel"]) as wheel:
        installed = {name for name in wheel.namelist() if ".dist-info/" not in name}
    assert installed == files | {"nnunetv2_raemd.pth"}


@pytest.mark.parametrize("kind", ["sdist", "folder"])
def test_sdist_and_folder_install_the_files_of_the_wheel(
    kind: str, source: Path, distributions: dict[str, Path], dependencies: Path, tmp_path: Path
) -> None:
    """Byte for byte, so that what is tested of the wheel below holds for them."""
    fresh = _create(tmp_path / "environment", dependencies)
    before = set(fresh.site_packages.rglob("*"))
    fresh.install(source if kind == "folder" else distributions["sdist"])
    new = [file for file in set(fresh.site_packages.rglob("*")) - before if file.is_file()]
    modules = [file for file in new if file.suffix != ".pyc" and ".dist-info" not in str(file)]
    installed = {file.relative_to(fresh.site_packages).as_posix(): file.read_bytes() for file in modules}
    with zipfile.ZipFile(distributions["wheel"]) as wheel:
        names = [name for name in wheel.namelist() if ".dist-info/" not in name]
        assert installed == {name: wheel.read(name) for name in names}


def test_every_process_knows_the_folder_of_the_trainers(environment: Environment) -> None:
    assert environment.run("-c", PRINT_VARIABLE) == str(environment.trainers)


def test_the_users_own_folders_come_first(environment: Environment) -> None:
    value = environment.run("-c", PRINT_VARIABLE, nnUNet_extTrainer="/mine:/ours")
    assert value == f"/mine:/ours:{environment.trainers}"


def test_a_child_process_does_not_add_the_folder_again(environment: Environment) -> None:
    child = f"import subprocess, sys; subprocess.run([sys.executable, '-c', {PRINT_VARIABLE!r}])"
    assert environment.run("-c", child, nnUNet_extTrainer="/mine") == f"/mine:{environment.trainers}"


def test_nnunet_finds_the_trainer_in_a_spawned_worker(environment: Environment, tmp_path: Path) -> None:
    script = tmp_path / "look_up.py"
    script.write_text(LOOK_UP, encoding="utf-8")
    worker = json.loads(environment.run("-W", "ignore", script))
    assert worker["variable"] == str(environment.trainers)
    assert Path(worker["file"]).is_relative_to(environment.package)


def test_folders_of_the_checkout_are_subpackages_only(environment: Environment) -> None:
    specs = (
        "import importlib.util as u; print([bool(u.find_spec(n)) for n in ['plans', 'dataset_conversion',"
        " 'nnunetv2_raemd.plans', 'nnunetv2_raemd.dataset_conversion', 'nnunetv2_raemd.installation']])"
    )
    assert environment.run("-c", specs) == "[False, False, True, True, True]"


def test_a_checkout_can_be_imported_without_being_installed(
    source: Path, dependencies: Path, tmp_path: Path
) -> None:
    fresh = _create(tmp_path / "environment", dependencies)
    imports = "import importlib.util as u, nnunetv2_raemd.dataset_conversion.case as case"
    shown = "print(u.find_spec('nnunetv2_raemd.plans').origin); print(case.__file__)"
    files = fresh.run("-c", f"{imports}; {shown}", PYTHONPATH=str(source))
    assert files.split("\n") == [
        str(source / "plans" / "__init__.py"),
        str(source / "dataset_conversion" / "case.py"),
    ]


def test_the_presets_are_installed(environment: Environment) -> None:
    presets = {file.name for file in (REPOSITORY / "plans").glob("*.json")}
    listing = (  # found and not imported: that would import torch, too
        "import importlib.util as u, json, os;"
        "(folder,) = u.find_spec('nnunetv2_raemd.plans').submodule_search_locations;"
        "print(json.dumps(os.listdir(folder)))"
    )
    installed = json.loads(environment.run("-c", listing))
    assert presets
    assert presets == {name for name in installed if name.endswith(".json")}


@pytest.mark.parametrize("environment", ["wheel"], indirect=True)
def test_raemd_info_finds_the_trainer_through_nnunet(environment: Environment, tmp_path: Path) -> None:
    """Installed as the tests themselves are, it does so in test_checks.py."""
    folders = {name: str(tmp_path) for name in ("nnUNet_raw", "nnUNet_preprocessed", "nnUNet_results")}
    command = environment.folder / "bin" / "raemd"
    report = json.loads(
        environment.run("-W", "ignore", command, "info", "--json", "--load-trainers", **folders)
    )
    assert report["usable"]
    (trainers,) = (f["value"] for f in report["findings"] if f["subject"] == "Trainers")
    assert "nnUNetTrainerRAEMD" in trainers.split(", ")
    assert [f["state"] for f in report["findings"] if f["subject"] == "Loading"] == ["ok"]


@pytest.mark.parametrize("editable", [False, True])
def test_uninstalling_leaves_nothing(
    editable: bool, source: Path, distributions: dict[str, Path], dependencies: Path, tmp_path: Path
) -> None:
    fresh = _create(tmp_path / "environment", dependencies)
    before = sorted(fresh.site_packages.iterdir())
    fresh.install(*(["-e", source] if editable else [distributions["wheel"]]))
    assert fresh.run("-c", PRINT_VARIABLE) != "None"
    fresh.pip("uninstall", "--yes", "nnunetv2-raemd")
    assert sorted(fresh.site_packages.iterdir()) == before
    assert fresh.run("-c", PRINT_VARIABLE) == "None"


@pytest.fixture(params=["3.10", "3.11", "3.12", "3.13"])
def other_python(
    request: pytest.FixtureRequest, distributions: dict[str, Path], tmp_path: Path
) -> Environment:
    """An environment of another version of Python, with the wheel unpacked in it."""
    name = f"python{request.param}"
    command = sys.executable if sys.version_info[:2] == tuple(map(int, request.param.split("."))) else name
    create: list[str | Path] = [command, "-m", "venv", "--without-pip", tmp_path / "environment"]
    try:
        subprocess.run(create, env=_clean_variables(), check=True, capture_output=True)
    except (OSError, subprocess.CalledProcessError):
        pytest.skip(f"no {name} on this machine")
    site_packages = next((tmp_path / "environment").glob("lib/python*/site-packages"))
    with zipfile.ZipFile(distributions["wheel"]) as wheel:
        wheel.extractall(site_packages)
    return Environment(tmp_path / "environment", site_packages / "nnunetv2_raemd")


def test_the_start_up_line_works_in_every_python(other_python: Environment) -> None:
    assert other_python.run("-c", PRINT_VARIABLE) == str(other_python.trainers)
    assert other_python.run("-I", "-c", PRINT_VARIABLE) == str(other_python.trainers)


def test_the_start_up_line_loads_no_module(other_python: Environment) -> None:
    print_modules = "import sys; print(sorted(sys.modules))"
    with_line = other_python.run("-c", print_modules)
    (other_python.site_packages / "nnunetv2_raemd.pth").write_text("import sys\n")
    assert with_line == other_python.run("-c", print_modules)


def test_a_start_up_line_without_its_package_is_silent(other_python: Environment) -> None:
    shutil.rmtree(other_python.package)
    assert other_python.run("-c", PRINT_VARIABLE, nnUNet_extTrainer="/mine") == "/mine"


@pytest.fixture
def startup_line(distributions: dict[str, Path]) -> Iterator[str]:
    """The text of the `.pth`, with the variable restored after the test has executed it."""
    with zipfile.ZipFile(distributions["wheel"]) as wheel, pytest.MonkeyPatch.context() as patch:
        patch.setenv(VARIABLE, "C:\\mine")
        yield wheel.read("nnunetv2_raemd.pth").decode("ascii")


def test_the_start_up_line_uses_the_separator_of_the_platform(
    startup_line: str, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    trainers = tmp_path / "nnunetv2_raemd" / "nnunet_trainers"
    trainers.mkdir(parents=True)
    monkeypatch.setattr(os, "pathsep", ";")
    _read_pth(str(tmp_path), startup_line)
    _read_pth(str(tmp_path), startup_line)
    assert os.environ[VARIABLE] == f"C:\\mine;{trainers}"


def _read_pth(sitedir: str, line: str) -> None:  # `site.addpackage` has a local of this name
    exec(line)


def test_the_start_up_line_does_not_raise(startup_line: str) -> None:
    exec(startup_line)  # no folder is known in this frame
    assert os.environ[VARIABLE] == "C:\\mine"
