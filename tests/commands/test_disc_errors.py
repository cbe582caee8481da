"""A disc that is full, read-only or broken ends a command with one line; a fault of ours does not."""

from __future__ import annotations

import errno
import os
import sys
from collections.abc import Callable
from pathlib import Path

import pytest

from nnunetv2_raemd import cli

DISC_ERRORS = (errno.ENOSPC, errno.EDQUOT, errno.EROFS, errno.EIO)


@pytest.fixture
def ending_with(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> Callable[[OSError], tuple[int, str]]:
    """Exit status and what is printed, of a command in which that error comes up."""

    def run(error: OSError) -> tuple[int, str]:
        def app() -> None:
            raise error

        monkeypatch.setattr(cli, "app", app)
        with pytest.raises(SystemExit) as exit_:
            cli.main()
        return int(exit_.value.code or 0), capsys.readouterr().err

    return run


@pytest.mark.parametrize("number", [*DISC_ERRORS, errno.EACCES, errno.ENOENT, errno.ENAMETOOLONG])
def test_with_a_file_name_it_is_one_line_that_names_it(
    ending_with: Callable[[OSError], tuple[int, str]], number: int
) -> None:
    status, printed = ending_with(OSError(number, os.strerror(number), "out/[a].json"))
    assert (status, printed) == (1, f"Error: out/[a].json cannot be used: {os.strerror(number)}\n")


@pytest.mark.parametrize("number", DISC_ERRORS)
def test_libraries_that_do_not_name_the_file(
    ending_with: Callable[[OSError], tuple[int, str]], number: int
) -> None:
    status, printed = ending_with(OSError(number, os.strerror(number)))
    assert (status, printed) == (1, f"Error: a file cannot be used: {os.strerror(number)}\n")


def test_other_errors_of_the_system_without_a_file_are_faults(monkeypatch: pytest.MonkeyPatch) -> None:
    def app() -> None:
        raise BrokenPipeError(errno.EPIPE, "Broken pipe")

    monkeypatch.setattr(cli, "app", app)
    with pytest.raises(BrokenPipeError):
        cli.main()


@pytest.mark.skipif(not Path("/dev/full").exists(), reason="Linux only")
def test_a_full_disc_in_earnest(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """All that is written to /dev/full fails as on a full disc."""
    folder = tmp_path / "LUNA"
    monkeypatch.setattr(
        sys, "argv", ["raemd", "phantom", "luna16", "-o", str(folder), "-n", "1", "--shape", "24", "96", "96"]
    )
    write = Path.open

    def full(self: Path, mode: str = "r", *arguments: object, **options: object) -> object:
        return write(Path("/dev/full") if "w" in mode else self, mode, *arguments, **options)  # type: ignore[call-overload]

    monkeypatch.setattr(Path, "open", full)
    with pytest.raises(SystemExit) as exit_:
        cli.main()
    printed = capsys.readouterr().err
    assert exit_.value.code == 1
    assert printed.startswith("Error: ") and "No space left on device" in printed
    assert "Traceback" not in printed
