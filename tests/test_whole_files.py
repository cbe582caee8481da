"""Files written whole or not at all: errors, kills, several writers at a time."""

from __future__ import annotations

import multiprocessing
import os
import signal
import socket
import stat
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from nnunetv2_raemd import whole_files
from nnunetv2_raemd.errors import UserError
from nnunetv2_raemd.whole_files import PREFIX, whole_file, write_json, write_text

CONTENT = "x" * 200_000


@pytest.fixture(autouse=True)
def new_process() -> Iterator[None]:
    """As in a process that has written nothing yet."""
    whole_files._remove_abandoned.cache_clear()
    yield
    whole_files._remove_abandoned.cache_clear()


def made_by(pid: int, host: str, folder: Path) -> Path:
    left = folder / f"{PREFIX}{pid}@{host}-abc"
    left.mkdir(parents=True)
    (left / "half").write_bytes(b"half")
    return left


def dead_pid() -> int:
    child = subprocess.Popen([sys.executable, "-c", ""])
    child.wait()
    return child.pid


def test_a_file_is_replaced_at_the_end_only(tmp_path: Path) -> None:
    file = tmp_path / "deep" / "er" / "report.csv"
    write_text(file, "before")
    with whole_file(file) as making:
        assert making.name == file.name
        making.write_text("after")
        assert file.read_text() == "before"
    assert file.read_text() == "after"
    assert [p.name for p in file.parent.iterdir()] == ["report.csv"]


def test_an_error_leaves_what_was_there(tmp_path: Path) -> None:
    file = tmp_path / "plan.json"
    write_json(file, {"a": 1})
    with pytest.raises(ZeroDivisionError), whole_file(file) as making:
        making.write_text("half")
        raise ZeroDivisionError
    assert file.read_text() == '{\n  "a": 1\n}\n'
    assert list(tmp_path.iterdir()) == [file]


def test_what_cannot_be_written_is_named(tmp_path: Path) -> None:
    (tmp_path / "table.csv" / "inside").mkdir(parents=True)
    with pytest.raises(UserError, match=r"table\.csv cannot be written: .*directory"):
        write_text(tmp_path / "table.csv", "")
    (tmp_path / "file").touch()
    with pytest.raises(UserError, match=r"below\.txt cannot be written"):
        write_text(tmp_path / "file" / "below.txt", "")
    assert not list(tmp_path.glob(f"{PREFIX}*"))


def test_a_full_disk_is_named() -> None:
    with (
        pytest.raises(UserError, match=r"picture\.png cannot be written: .*No space left"),
        whole_file(Path("/dev/shm/picture.png")),  # any folder that can be written to
        Path("/dev/full").open("w", encoding="utf-8") as full,
    ):
        full.write("x")


def test_files_of_one_case_appear_in_order(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    moved: list[str] = []
    replace = Path.replace

    def noted(path: Path, target: Path) -> Path:
        moved.append(str(target.relative_to(tmp_path)))
        return replace(path, target)

    monkeypatch.setattr(Path, "replace", noted)
    with whole_files.whole_files(tmp_path, last="case.nii.gz") as making:
        for name in ("case.nii.gz", "case.npz", "z/deep.txt"):
            (making / name).parent.mkdir(exist_ok=True)
            (making / name).write_text(name)
    assert moved == ["case.npz", "z/deep.txt", "case.nii.gz"]
    assert sorted(p.name for p in tmp_path.iterdir()) == ["case.nii.gz", "case.npz", "z"]


def test_none_of_the_files_of_a_case_appear_after_an_error(tmp_path: Path) -> None:
    with pytest.raises(ValueError), whole_files.whole_files(tmp_path, last="b") as making:
        (making / "a").touch()
        raise ValueError
    assert not list(tmp_path.iterdir())


def test_a_folder_appears_whole_or_not_at_all(tmp_path: Path) -> None:
    model = tmp_path / "models" / "mine"
    with pytest.raises(ValueError), whole_files.whole_folder(model) as making:
        (making / "weights").touch()
        raise ValueError
    assert not list(model.parent.iterdir())
    with whole_files.whole_folder(model) as making:
        (making / "weights").touch()
        assert not model.exists()
    assert [path.name for path in model.iterdir()] == ["weights"]
    assert stat.S_IMODE(model.stat().st_mode) == stat.S_IMODE(model.parent.stat().st_mode)
    with pytest.raises(UserError, match="mine cannot be written"), whole_files.whole_folder(model) as making:
        (making / "others").touch()
    assert [path.name for path in model.iterdir()] == ["weights"]
    assert list(model.parent.iterdir()) == [model]


def _killed_while_writing(file: Path) -> None:
    with whole_file(file) as making:
        making.write_text("half")
        os.kill(os.getpid(), signal.SIGKILL)


def test_what_a_kill_leaves_goes_with_the_next_file(tmp_path: Path) -> None:
    file = tmp_path / "report.html"
    write_text(file, "before")
    process = multiprocessing.get_context("spawn").Process(target=_killed_while_writing, args=(file,))
    process.start()
    process.join()
    assert process.exitcode == -signal.SIGKILL
    assert len(list(tmp_path.glob(f"{PREFIX}*"))) == 1 and file.read_text() == "before"
    whole_files._remove_abandoned.cache_clear()
    write_text(tmp_path / "another", "")
    assert not list(tmp_path.glob(f"{PREFIX}*")) and file.read_text() == "before"


def test_only_what_is_abandoned_goes(tmp_path: Path) -> None:
    here = socket.gethostname()
    at_work = made_by(os.getppid(), here, tmp_path)
    elsewhere = made_by(dead_pid(), f"node-7.{here}", tmp_path)
    dead = made_by(dead_pid(), here, tmp_path)
    old = made_by(1, "another-node", tmp_path)
    os.utime(old, (0, 0))
    write_text(tmp_path / "file", "")
    assert at_work.exists() and elsewhere.exists()
    assert not dead.exists() and not old.exists()


def _write_often(file: Path, letter: str) -> None:
    for _ in range(50):
        write_text(file, letter * len(CONTENT))


def test_writers_at_the_same_time_do_not_mix(tmp_path: Path) -> None:
    file = tmp_path / "evaluation.json"
    write_text(file, CONTENT)
    context = multiprocessing.get_context("fork")
    writers = [context.Process(target=_write_often, args=(file, letter)) for letter in "ab"]
    for writer in writers:
        writer.start()
    while any(writer.is_alive() for writer in writers):
        found = file.read_text()
        assert len(found) == len(CONTENT) and len(set(found)) == 1
    assert [writer.exitcode for writer in writers] == [0, 0]
    assert [p.name for p in tmp_path.iterdir()] == [file.name]
