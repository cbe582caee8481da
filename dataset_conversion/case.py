"""What a converter finds and what comes of it: the words shared by archives, the batch and the report."""

from __future__ import annotations

import hashlib
import re
import unicodedata
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from enum import Enum
from pathlib import Path
from typing import Any, Protocol

import SimpleITK as sitk


class CaseExcludedError(Exception):
    """The case is left out on purpose; the message is the reason. Not a failure."""


@dataclass(frozen=True)
class LoadedCase:
    """One case in memory: CT in HU, label map on the same grid, and what to tell about it in the report."""

    image: sitk.Image
    label: sitk.Image
    details: dict[str, Any] = field(default_factory=dict)


class Case(Protocol):
    """One case that a converter has found; pickled and sent to a worker."""

    @property
    def case_id(self) -> str:
        """Name of the case in the dataset."""

    @property
    def patient_id(self) -> str:
        """Whom the scan is of: cases of one patient never part in the splits."""

    def summary(self) -> str:
        """One line for the user on what would be converted."""

    def sources(self) -> Sequence[Path]:
        """The files that the case is read from."""

    def fingerprint(self) -> str:
        """Digest of sources and settings: tells whether a finished case is still up to date.

        It looks at names, sizes and times of the sources and does not read them.
        """

    def load(self) -> LoadedCase:
        """Read the sources and draw the mask.

        Raises:
            UserError: if that cannot be done.
        """


class Status(str, Enum):
    """What became of a case."""

    CONVERTED = "converted"
    KEPT = "kept"
    FAILED = "failed"
    EXCLUDED = "excluded"


@dataclass(frozen=True)
class Outcome:
    """What became of one case; `reason` for failed and excluded ones, `record` for the others."""

    case_id: str
    status: Status
    reason: str = ""
    patient_id: str = ""
    record: dict[str, Any] = field(default_factory=dict)

    @property
    def in_dataset(self) -> bool:
        return self.status in (Status.CONVERTED, Status.KEPT)


@dataclass(frozen=True)
class FoundCases:
    """What is to be converted, what cannot be and why, and remarks on the input as a whole.

    `subsets` are the archive's own subsets by case, rejected ones included, where it has such.
    """

    cases: tuple[Case, ...]
    rejected: tuple[Outcome, ...] = ()
    remarks: tuple[str, ...] = ()
    subsets: Mapping[str, int] = field(default_factory=dict)


def files_digest(files: Iterable[Path], *settings: object) -> str:
    """SHA-256 over name, size and modification time of `files` and over `settings`.

    A missing file counts as such, so that its later arrival changes the digest.
    """
    digest = hashlib.sha256(repr(settings).encode())
    for file in sorted(files):
        state = file.stat() if file.is_file() else None
        digest.update(repr((file.name, state and (state.st_size, state.st_mtime_ns))).encode())
    return digest.hexdigest()


def contents_digest(files: Iterable[Path]) -> str:
    """SHA-256 over the names of `files` and all that they hold; a missing one counts as such."""
    digest = hashlib.sha256()
    for file in sorted(files):
        digest.update(repr((file.name, sha256_of(file) if file.is_file() else None)).encode())
    return digest.hexdigest()


def sha256_of(file: Path) -> str:
    """SHA-256 of what a file holds."""
    digest = hashlib.sha256()
    with file.open("rb") as stream:
        while block := stream.read(1 << 20):
            digest.update(block)
    return digest.hexdigest()


def case_identifier(text: str) -> str:
    """`text` with all that is unsafe in a file name replaced by '_'; a letter is one, however composed."""
    composed = unicodedata.normalize("NFC", text).strip()
    return re.sub(r"[^A-Za-z0-9._-]+", "_", composed).lstrip("._-").rstrip("._") or "unnamed"


LESION = 1
