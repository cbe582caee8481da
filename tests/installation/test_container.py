"""The Dockerfile's steps without an engine: a fresh environment, and commands as they run in the image.

That is with the image's variables, on a read-only file system and without a capability of root's, as far as
this machine lets us. The dependencies are those of the environment that runs the tests, so that torch is not
installed again.
"""

from __future__ import annotations

import json
import os
import re
import shlex
import shutil
import subprocess
import sys
import venv
from dataclasses import dataclass, replace
from pathlib import Path

import pytest
from dockerfile import REPOSITORY, Instructions, arguments, last_stage, read_dockerfile

pytestmark = pytest.mark.slow
VENV, SOURCE, SCRATCH = "/opt/raemd", "/source", "/tmp"
MISSING = """
import sys
from importlib.metadata import PackageNotFoundError, requires, version
from packaging.requirements import Requirement

def is_there(requirement):
    try:
        return version(requirement.name) in requirement.specifier
    except PackageNotFoundError:
        return False

wanted = [Requirement(line) for line in requires("nnunetv2-raemd")]
in_image = [r for r in wanted if not r.marker or any(r.marker.evaluate({"extra": e}) for e in sys.argv[1:])]
assert len(in_image) > 10
print([str(r) for r in in_image if not is_there(r)])
"""
READ_ONLY = """
for folder in $WRITABLE; do mount --bind "$folder" "$folder" || exit 125; done
mount -o remount,bind,ro / || exit 125
exec setpriv --bounding-set=-all --inh-caps=-all "$@"
"""


@dataclass(frozen=True)
class Container:
    """What the image would hold, under `root`.

    Attributes:
        isolation: what commands begin with to see a read-only file system; nothing where that cannot be.
    """

    root: Path
    instructions: Instructions
    isolation: tuple[str, ...] = ()

    def inside(self, text: str) -> str:
        """Text of the Dockerfile with the folders of the image where they are here."""
        return re.sub(rf"(?<![\w/])({VENV}|{SOURCE}|{SCRATCH})(?![\w-])", rf"{self.root}\1", text)

    @property
    def scratch(self) -> Path:
        return Path(f"{self.root}{SCRATCH}")

    @property
    def output(self) -> Path:
        """A folder that is mounted to be written to, beside `scratch`."""
        return self.root / "out"

    def run(self, *command: str) -> subprocess.CompletedProcess[str]:
        """A command of the image, with the image's variables alone."""
        return subprocess.run(
            [*self.isolation, f"{self.root}{VENV}/bin/{command[0]}", *command[1:]],
            env=self._variables() | {"WRITABLE": f"{self.scratch} {self.output}"},
            cwd=self.scratch,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            encoding="utf-8",
            check=False,
        )

    def _variables(self) -> dict[str, str]:
        variables = {"PATH": os.environ["PATH"], "TMPDIR": str(self.scratch)}
        for line in arguments(last_stage(self.instructions), "ENV"):
            for entry in shlex.split(line):
                name, _, value = entry.partition("=")
                variables[name] = self.inside(value).replace("$PATH", variables["PATH"])
        return variables


@pytest.fixture(scope="module")
def container(tmp_path_factory: pytest.TempPathFactory) -> Container:
    """Built by the Dockerfile's own steps, except that torch is there already."""
    instructions = read_dockerfile()
    root = tmp_path_factory.mktemp("container")
    built = Container(root, instructions)
    built.scratch.mkdir()
    built.output.mkdir()
    for name, rest in instructions[: -len(last_stage(instructions))]:
        if name == "COPY":
            _copy(rest, built)
        elif name == "RUN":
            _run(rest, built)
    return _isolated(built)


def _isolated(built: Container) -> Container:
    isolated = replace(built, isolation=("unshare", "--mount", "sh", "-c", READ_ONLY, "sh"))
    write = f"open({str(built.root / 'written')!r}, 'w')"
    try:
        attempt = isolated.run("python", "-c", write)
    except OSError:  # no such command: not Linux
        return built
    if attempt.returncode == 1:
        assert "Read-only file system" in attempt.stdout
        return isolated
    return built  # not allowed to


def _copy(rest: str, built: Container) -> None:
    *names, target = rest.split()
    to = Path(built.inside(target))
    for name in names:
        if (REPOSITORY / name).is_dir():
            ignored = shutil.ignore_patterns("__pycache__")
            shutil.copytree(REPOSITORY / name, to, ignore=ignored)
        else:
            to.mkdir(parents=True, exist_ok=True)
            shutil.copy(REPOSITORY / name, to)


def _run(command: str, built: Container) -> None:
    program, *rest = shlex.split(built.inside(command))
    if rest[:2] == ["-m", "venv"]:
        venv.create(rest[2], symlinks=True)
        site_packages = next(Path(rest[2]).glob("lib/python*/site-packages"))
        (site_packages / "dependencies.pth").write_text(f"{_dependencies(built.root)}\n", encoding="utf-8")
        return
    assert (Path(program).name, rest[0]) == ("pip", "install")
    if "torch>=2.6" not in rest:
        python = Path(program).with_name("python")
        offline = ["--no-index", "--no-deps", "--no-build-isolation", "--disable-pip-version-check"]
        subprocess.run([sys.executable, "-m", "pip", "--python", python, *rest, *offline], check=True)


def _dependencies(root: Path) -> Path:
    """Links to everything that is installed beside the tests, except this package."""
    folder = root / "dependencies"
    folder.mkdir()
    for entry in Path(pytest.__file__).parents[1].iterdir():
        if "raemd" not in entry.name and entry.suffix != ".pth":
            (folder / entry.name).symlink_to(entry)
    return folder


def test_what_the_extras_of_the_image_ask_for_are_there(container: Container) -> None:
    """Otherwise, the tests below would run with fewer packages than the image has."""
    (installed,) = [rest for rest in arguments(container.instructions, "RUN") if "/source" in rest]
    (extras,) = re.findall(r"\[([\w,]+)\]", installed)
    missing = container.run("python", "-c", MISSING, *extras.split(","))
    assert (missing.returncode, missing.stdout.strip()) == (0, "[]")


def test_the_image_comes_up_with_its_default_command(container: Container) -> None:
    (entry,) = arguments(container.instructions, "ENTRYPOINT")
    (default,) = arguments(container.instructions, "CMD")
    done = container.run(*json.loads(entry), *json.loads(default))
    assert done.returncode == 0, done.stdout
    assert "predict" in done.stdout


def test_the_health_check_says_that_the_image_is_healthy(container: Container) -> None:
    (health,) = arguments(container.instructions, "HEALTHCHECK")
    done = container.run(*json.loads(health.partition("CMD ")[2]))
    assert done.returncode == 0, done.stdout
