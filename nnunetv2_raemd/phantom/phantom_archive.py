"""A folder of phantom cases: written case by case, never half, resumed where it stopped."""

from __future__ import annotations

import shutil
from collections.abc import Callable, Iterable, Iterator
from pathlib import Path
from typing import Any, Protocol

from pydantic import ConfigDict, with_config
from typing_extensions import TypedDict

from nnunetv2_raemd.errors import UserError
from nnunetv2_raemd.nnunet_files.json_file import read_json
from nnunetv2_raemd.phantom.configuration import PhantomConfiguration
from nnunetv2_raemd.phantom.lesion_places import NoRoomError
from nnunetv2_raemd.phantom.thorax import Thorax, arrange, make_thorax
from nnunetv2_raemd.version import __version__
from nnunetv2_raemd.whole_files import whole_files, write_json

SETTINGS_FILE = "phantom.json"
ORACLE_FOLDER = "oracle"
NODULES_FILE = "nodules.json"


@with_config(ConfigDict(extra="allow"))
class CaseRecord(TypedDict):
    """What the oracle says of a case, and more by archive."""

    id: str
    case: int
    lesions: list[dict[str, Any]]


class ArchiveLayout(Protocol):
    """How one public archive lays out its cases."""

    name: str

    def case_id(self, seed: int, case: int) -> str:
        """The case's name in the archive."""

    def write_case(self, folder: Path, thorax: Thorax, seed: int, case: int) -> CaseRecord:
        """Write a case's files, oracle mask included, below an empty folder; return the oracle's record."""

    def finish(self, folder: Path, records: list[CaseRecord]) -> None:
        """Write what the archive keeps once for all cases."""


def write_archive(
    folder: Path,
    layout: ArchiveLayout,
    configuration: PhantomConfiguration,
    cases: int,
    *,
    on_case: Callable[[str], None] = lambda case_id: None,
) -> list[CaseRecord]:
    """Write the cases that are not there yet, then the archive's common files.

    Args:
        folder: new, empty, or holding an archive of the same settings.
        layout: of which archive.
        configuration: of the phantoms.
        cases: how many.
        on_case: called with the name of each case once it is there.

    Returns:
        One record per case: its id, number and lesions.

    Raises:
        UserError: the folder holds something else, or lesions do not fit into the lungs.
    """
    if cases < 1:
        raise UserError(f"phantom needs at least 1 case, not {cases}")
    about = {"archive": layout.name, "version": __version__, "cases": cases}
    settings = {**about, **configuration.as_json()}
    check_archive(folder, settings)
    _check_room(configuration, _unwritten(folder, layout, configuration, cases))
    folder.mkdir(parents=True, exist_ok=True)
    write_json(folder / SETTINGS_FILE, settings)
    records = []
    for record in _cases(folder, layout, configuration, cases):
        records.append(record)
        on_case(record["id"])
    layout.finish(folder, records)
    write_json(folder / ORACLE_FOLDER / NODULES_FILE, {"cases": records})
    return records


def check_archive(folder: Path, settings: dict[str, Any]) -> None:
    """Check that the folder is new, empty, or an archive of these settings.

    Raises:
        UserError: it is none of these.
    """
    if folder.exists() and not folder.is_dir():
        raise UserError(f"{folder} is not a folder: choose another --output")
    settings_file = folder / SETTINGS_FILE
    if settings_file.is_file():
        _check_same(settings_file, settings)
    elif folder.is_dir() and any(folder.iterdir()):
        raise UserError(f"{folder} is not empty and does not contain a phantom: choose another --output")


def remove_archive(folder: Path) -> None:
    """Delete a phantom archive; does nothing to a folder that is absent or empty.

    Raises:
        UserError: the folder holds something else.
    """
    if not folder.exists():
        return
    if (folder / SETTINGS_FILE).is_file():
        shutil.rmtree(folder)
    elif not folder.is_dir() or any(folder.iterdir()):
        raise UserError(
            f"{folder} does not contain a phantom and is not overwritten: choose another --output"
        )


def _check_same(settings_file: Path, settings: dict[str, Any]) -> None:
    found = read_json(settings_file, dict[str, Any], "Use --overwrite")
    differing = sorted(key for key in {*found, *settings} if found.get(key) != settings.get(key))
    if differing:
        raise UserError(
            f"{settings_file.parent} holds a phantom of other settings ({', '.join(differing)} differ): "
            "choose another --output, or --overwrite to replace it"
        )


def _cases(
    folder: Path, layout: ArchiveLayout, configuration: PhantomConfiguration, cases: int
) -> Iterator[CaseRecord]:
    for case in range(cases):
        record_file = _record_file(folder, layout, configuration, case)
        if not record_file.is_file():
            thorax = make_thorax(configuration, case)
            place = record_file.relative_to(folder)  # its presence says that the case is complete
            with whole_files(folder, last=str(place)) as making:
                record = layout.write_case(making, thorax, configuration.seed, case)
                write_json(making / place, dict(record))
        yield read_json(record_file, CaseRecord, "Delete it, and its case is made again")


def _record_file(folder: Path, layout: ArchiveLayout, configuration: PhantomConfiguration, case: int) -> Path:
    """The oracle of a case, written last."""
    return folder / ORACLE_FOLDER / f"{layout.case_id(configuration.seed, case)}.json"


def _unwritten(
    folder: Path, layout: ArchiveLayout, configuration: PhantomConfiguration, cases: int
) -> list[int]:
    return [case for case in range(cases) if not _record_file(folder, layout, configuration, case).is_file()]


def _check_room(configuration: PhantomConfiguration, cases: Iterable[int]) -> None:
    """Raise a `UserError` naming the first scan that has no room for its lesions."""
    for case in cases:
        try:
            arrange(configuration, case)
        except NoRoomError as error:
            raise UserError(f"scan {case + 1}: {error}. Nothing was written") from error
