"""How much memory there is, by files of Linux's control groups, written by hand as cgroups(7) has them."""

from __future__ import annotations

from pathlib import Path

import psutil
import pytest

from nnunetv2_raemd import memory_size
from nnunetv2_raemd.errors import UserError
from nnunetv2_raemd.memory_size import check_fits_memory, memory_bytes

BUILT_IN = psutil.virtual_memory().total


@pytest.fixture
def groups(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The folder of the groups; which one the process is in stands beside it."""
    monkeypatch.setattr(memory_size, "CGROUPS", tmp_path / "groups")
    monkeypatch.setattr(memory_size, "CGROUP_OF_PROCESS", tmp_path / "cgroup")
    return tmp_path / "groups"


def write(file: Path, text: str) -> None:
    file.parent.mkdir(parents=True, exist_ok=True)
    file.write_text(text, encoding="ascii")


def test_without_groups_it_is_what_is_built_in(groups: Path) -> None:
    assert memory_bytes() == BUILT_IN


def test_a_job_takes_what_the_least_of_its_groups_allows(groups: Path) -> None:
    """As Slurm nests them: the step has no limit of its own, its job has one."""
    write(groups.parent / "cgroup", "0::/system.slice/job_7/step_0\n")
    write(groups / "system.slice/job_7/step_0/memory.max", "max\n")
    write(groups / "system.slice/job_7/memory.max", "8000000\n")
    write(groups / "system.slice/memory.max", "9000000\n")
    assert memory_bytes() == 8_000_000
    with pytest.raises(UserError, match=r"promises 0\.0 GiB of voxels, and there are 0\.0 GiB of memory"):
        check_fits_memory(8_000_001)
    check_fits_memory(8_000_000)


def test_a_container_sees_its_limit_at_the_top(groups: Path) -> None:
    write(groups.parent / "cgroup", "0::/\n")
    write(groups / "memory.max", "7000000\n")
    assert memory_bytes() == 7_000_000


def test_version_1_has_a_folder_of_its_own_for_memory(groups: Path) -> None:
    write(groups.parent / "cgroup", "4:cpu,cpuacct:/docker/abc\n5:memory:/docker/abc\n")
    write(groups / "memory/docker/abc/memory.limit_in_bytes", "6000000\n")
    write(groups / "cpu/docker/abc/memory.limit_in_bytes", "5\n")
    write(groups / "memory/memory.limit_in_bytes", "9223372036854771712\n")  # none, as version 1 says it
    assert memory_bytes() == 6_000_000
