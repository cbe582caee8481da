"""Cases that behave as their names say, in a module that worker processes can import."""

from __future__ import annotations

import os
import pickle
import sys
import time
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import SimpleITK as sitk

from nnunetv2_raemd.dataset_conversion.case import CaseExcludedError, LoadedCase, files_digest
from nnunetv2_raemd.errors import UserError


@dataclass(frozen=True)
class FakeCase:
    """Named bad..., bug..., left_out..., crash... or slow...; anything else is converted."""

    case_id: str
    version: str = "1"

    @property
    def patient_id(self) -> str:
        return f"patient of {self.case_id}"

    def summary(self) -> str:
        return ""

    def sources(self) -> tuple[Path, ...]:
        return ()

    def fingerprint(self) -> str:
        return self.version

    def load(self) -> LoadedCase:
        if self.case_id.startswith("bad"):
            raise UserError("the file\nis broken")
        if self.case_id.startswith("bug"):
            raise ZeroDivisionError("oops")
        if self.case_id.startswith("left_out"):
            raise CaseExcludedError("not wanted")
        if self.case_id.startswith("crash"):
            wait_for_nanny()
            os._exit(9)
        if self.case_id.startswith("slow"):
            time.sleep(0.3)
        return LoadedCase(sitk.Image([4, 4, 4], sitk.sitkInt16), sitk.Image([4, 4, 4], sitk.sitkUInt8))


@dataclass(frozen=True)
class CaseOfAFile(FakeCase):
    """Its source is `source`, a path that may be relative; it writes a line to `diary` when it is loaded."""

    source: Path = Path("source")
    diary: Path = Path("diary")

    def sources(self) -> tuple[Path, ...]:
        return (self.source,)

    def fingerprint(self) -> str:
        return self.source.read_text() if self.source.exists() else "absent"

    def load(self) -> LoadedCase:
        with self.diary.open("a") as diary:
            diary.write(f"{self.case_id}\n")
        return super().load()


@dataclass(frozen=True)
class CaseOfDigest(FakeCase):
    """Its source is a file that is looked at as those of an archive are: by size and time."""

    source: Path = Path("source")

    def sources(self) -> tuple[Path, ...]:
        return (self.source,)

    def fingerprint(self) -> str:
        return files_digest([self.source])


def wait_for_nanny() -> None:
    """For dask does not start a worker anew that dies before its nanny has heard that it runs."""
    if "distributed" not in sys.modules:
        return
    from distributed import get_worker  # noqa: PLC0415 - an extra
    from distributed.utils import sync  # noqa: PLC0415 - of the same extra

    with suppress(ValueError):  # no worker of dask's
        while not sync(get_worker().loop, _nanny_knows, get_worker()):
            time.sleep(0.02)


async def _nanny_knows(worker: Any) -> bool:
    answer = await worker.rpc(worker.nanny).run(function=pickle.dumps(_is_running))
    return answer["result"] is True


def _is_running(dask_worker: Any) -> bool:
    """Asked of a nanny, which dask hands to functions by that name, too."""
    return bool(dask_worker.process.status.name == "running")
