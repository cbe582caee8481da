"""The Dockerfile: what a linter would say, and that what it names is there. No engine is needed."""

from __future__ import annotations

import json
import re
import signal
from configparser import ConfigParser

import pytest
from dockerfile import REPOSITORY, Instructions, arguments, last_stage, read_dockerfile

KNOWN = {
    "FROM", "ARG", "ENV", "RUN", "COPY", "LABEL", "USER", "WORKDIR", "STOPSIGNAL", "HEALTHCHECK",
    "ENTRYPOINT", "CMD",
}  # fmt: skip


@pytest.fixture(scope="module")
def instructions() -> Instructions:
    return read_dockerfile()


def test_all_instructions_are_known(instructions: Instructions) -> None:
    assert {name for name, _ in instructions} <= KNOWN


def test_bases_have_a_version(instructions: Instructions) -> None:
    for base in arguments(instructions, "FROM"):
        assert re.fullmatch(r"python:\d+\.\d+-slim-\w+( AS \w+)?", base)


def test_the_last_stage_runs_nothing_as_root(instructions: Instructions) -> None:
    last = last_stage(instructions)
    assert not arguments(last, "RUN")
    (user,) = arguments(last, "USER")
    assert re.fullmatch(r"[1-9]\d+:[1-9]\d+", user)


def test_commands_need_no_shell(instructions: Instructions) -> None:
    (entry,) = arguments(instructions, "ENTRYPOINT")
    (health,) = arguments(instructions, "HEALTHCHECK")
    assert json.loads(entry) == ["raemd"]
    assert json.loads(health.partition("CMD ")[2]) == ["raemd", "info"]
    (default,) = arguments(instructions, "CMD")
    assert json.loads(default)


def test_what_is_copied_is_there_and_not_kept_out(instructions: Instructions) -> None:
    let_in = {line[1:] for line in (REPOSITORY / ".dockerignore").read_text().splitlines() if line[:1] == "!"}
    copied = set()
    for rest in arguments(instructions, "COPY"):
        if not rest.startswith("--from"):
            copied.update(rest.split()[:-1])
    assert copied == let_in
    assert all((REPOSITORY / name).exists() for name in copied)


def test_the_extras_that_are_installed_exist(instructions: Instructions) -> None:
    setup = ConfigParser()
    setup.read(REPOSITORY / "setup.cfg", encoding="utf-8")
    (installed,) = [rest for rest in arguments(instructions, "RUN") if "/source" in rest]
    (extras,) = re.findall(r"\[([\w,]+)\]", installed)
    assert set(extras.split(",")) <= set(setup["options.extras_require"])


def test_it_is_stopped_by_a_signal_that_python_answers(instructions: Instructions) -> None:
    """As the first process of a container, Python dies of no signal that it has no handler for."""
    (name,) = arguments(last_stage(instructions), "STOPSIGNAL")
    assert callable(signal.getsignal(signal.Signals[name]))


def test_mirrors_may_take_the_place_of_both_indexes(instructions: Instructions) -> None:
    """pip reads PIP_INDEX_URL by itself; the other is named by the command."""
    declared = [rest.partition("=")[0] for rest in arguments(instructions, "ARG")]
    (torch,) = [rest for rest in arguments(instructions, "RUN") if "torchvision" in rest]
    assert {"PIP_INDEX_URL", "TORCH_INDEX", "TORCH"} <= set(declared)
    assert '"${TORCH_INDEX}/${TORCH}"' in torch


def test_pip_keeps_no_cache(instructions: Instructions) -> None:
    assert any("PIP_NO_CACHE_DIR=1" in rest for rest in arguments(instructions, "ENV"))
