"""CT images, RTSTRUCT and SEG files below a folder, known by their headers and not by where they lie."""

from __future__ import annotations

import itertools
from collections import defaultdict
from collections.abc import Generator, Iterable, Iterator, Sequence
from contextlib import closing
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path

from nnunetv2_raemd.dicom.dicom_files import is_blank
from nnunetv2_raemd.dicom.dicom_headers import read_header
from nnunetv2_raemd.dicom.index_entries import (
    CtInstance,
    Delineation,
    Entry,
    MultiFrameCt,
    Unreadable,
)
from nnunetv2_raemd.execution.local_processes import map_in_order
from nnunetv2_raemd.execution.progress import progress
from nnunetv2_raemd.source_files import files_below

_FILES_PER_TASK = 64


@dataclass(frozen=True)
class DicomIndex:
    """All CT images by series UID, all RTSTRUCT and SEG files, and the files that could not be read."""

    ct: dict[str, tuple[CtInstance, ...]]
    delineations: tuple[Delineation, ...]
    unreadable: tuple[Unreadable, ...]

    @cached_property
    def ct_image_uids(self) -> frozenset[str]:
        """SOP instance UIDs of all CT images."""
        return frozenset(image.sop_uid for images in self.ct.values() for image in images)

    @cached_property
    def series_by_folder(self) -> dict[Path, set[str]]:
        """UIDs of the CT series that have images in a folder."""
        found: dict[Path, set[str]] = defaultdict(set)
        for uid, images in self.ct.items():
            for image in images:
                found[image.path.parent].add(uid)
        return dict(found)


def index_folder(folder: Path, *, workers: int = 1) -> DicomIndex:
    """Read the header of every file below `folder` once, in `workers` processes.

    Files that are not DICOM or are of other kinds are passed over, but not blank ones that are called like
    the CT images beside them: these may be slices that were not copied.
    """
    files = files_below(folder)
    entries: list[Entry] = []
    passed_over: list[Path] = []
    with progress("Reading headers", len(files)) as advance, closing(_headers(files, workers)) as headers:
        for file, entry in zip(files, headers, strict=True):
            advance(failed=isinstance(entry, Unreadable))
            if entry is None:
                passed_over.append(file)
            else:
                entries.append(entry)
    series: dict[str, list[CtInstance]] = defaultdict(list)
    for image in _images(entries):
        series[image.series_uid].append(image)
    entries += _blank(passed_over, itertools.chain.from_iterable(series.values()))
    return DicomIndex(
        {uid: tuple(instances) for uid, instances in series.items()},
        tuple(e for e in entries if isinstance(e, Delineation)),
        tuple(e for e in entries if isinstance(e, Unreadable)),
    )


def _blank(passed_over: Sequence[Path], images: Iterable[CtInstance]) -> list[Unreadable]:
    """Files without content whose folder and ending are those of images."""
    called = {(image.path.parent, image.path.suffix.lower()) for image in images}
    named = [file for file in passed_over if (file.parent, file.suffix.lower()) in called]
    return [Unreadable(file, "it is empty or holds zeros only") for file in named if is_blank(file)]


def _images(entries: Sequence[Entry]) -> Iterator[CtInstance]:
    for entry in entries:
        if isinstance(entry, CtInstance):
            yield entry
        elif isinstance(entry, MultiFrameCt):
            yield from entry.frames


def _headers(files: Sequence[Path], workers: int) -> Generator[Entry | None, None, None]:
    if workers <= 1 or len(files) <= _FILES_PER_TASK:
        yield from map(read_header, files)
    else:
        yield from map_in_order(read_header, files, workers=workers, at_a_time=_FILES_PER_TASK)
