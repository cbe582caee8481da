"""What LIDC's readers drew: nodules as contours in slices, whichever file they were read from.

Armato et al., "The Lung Image Database Consortium (LIDC) and Image Database Resource Initiative (IDRI): a
completed reference database of lung nodules on CT scans", Medical Physics 38 (2011).
"""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Protocol

import numpy as np
from numpy.typing import ArrayLike

# A contour of fewer points encloses no pixel. The database leaves most of them out, the XML files do not.
MIN_POINTS = 3
_LARGEST = 10_000  # columns, rows or millimetres; far above any CT


@dataclass(frozen=True)
class ReaderContour:
    """A closed contour in one slice.

    z_mm: world z of the slice (DICOM ImagePositionPatient).
    points: (N, 2) integer (column, row) of the slice as DICOM stores it. These pixels lie just *outside* the
        nodule.
    inclusion: False for a hole.
    """

    z_mm: float
    points: np.ndarray
    inclusion: bool = True


@dataclass(frozen=True)
class ReaderAnnotation:
    """One nodule of 3 mm or more as one reader drew it.

    `nodule_id` is the reader's own name for it. Its beginning tells at whose workstation it was given.
    `session` numbers the reader's session among those of the scan; None where the source does not say.
    `rated` tells whether the reader also rated it (subtlety, malignancy ...), as all of LUNA16's are.
    """

    nodule_id: str
    contours: tuple[ReaderContour, ...]
    session: int | None = None
    rated: bool = True


@dataclass(frozen=True)
class UnoutlinedMarks:
    """What readers marked by a point and did not outline: numbers of marks over all readers."""

    small_nodules: int
    non_nodules: int


class AnnotationSource(Protocol):
    """Where the annotations of one CT series are; pickled and sent to a worker."""

    @property
    def name(self) -> str:
        """The source as the report names it."""

    def digest(self) -> str:
        """Changes when what the source says does; never raises."""

    def read(self) -> tuple[ReaderAnnotation, ...]:
        """The annotations, one reader's after the other's.

        Raises:
            UserError: if they cannot be read.
        """

    def unoutlined(self) -> UnoutlinedMarks | None:
        """What readers marked beside them; None where the source does not say. Raises as `read` does."""


@dataclass(frozen=True)
class KnownAnnotations:
    """Annotations that have been read already, from the source of that `name`."""

    name: str
    annotations: tuple[ReaderAnnotation, ...] = ()

    def digest(self) -> str:
        """SHA-256 over all that decides the mask."""
        digest = hashlib.sha256()
        for annotation in self.annotations:
            digest.update(repr((annotation.nodule_id, annotation.rated)).encode())
            for contour in annotation.contours:
                digest.update(repr((contour.z_mm, contour.inclusion, len(contour.points))).encode())
                digest.update(contour.points.astype("<i4").tobytes())
        return digest.hexdigest()

    def read(self) -> tuple[ReaderAnnotation, ...]:
        """The annotations."""
        return self.annotations

    def unoutlined(self) -> None:
        """The database holds outlines alone."""


def make_contour(z_mm: float, points: ArrayLike, *, inclusion: bool) -> ReaderContour:
    """A contour from what a file says: points (N, 2); raises `ValueError` for coordinates that no CT has."""
    try:
        pixels = np.array(points, dtype=np.int64).reshape(-1, 2)
    except OverflowError:
        raise ValueError("a contour with coordinates of more than 64 bits") from None
    if np.any(pixels < 0) or np.any(pixels >= _LARGEST):
        raise ValueError(f"a contour with coordinates that are not those of a pixel (0 to {_LARGEST - 1})")
    if not abs(z_mm) < _LARGEST:
        raise ValueError(f"a contour at z = {z_mm:g} mm")
    return ReaderContour(z_mm, pixels.astype(np.int32), inclusion)


def make_annotation(
    nodule_id: str, contours: Sequence[ReaderContour], session: int | None = None, *, rated: bool = True
) -> ReaderAnnotation:
    """The annotation without contours that enclose nothing, which may leave none."""
    enclosing = tuple(contour for contour in contours if len(contour.points) >= MIN_POINTS)
    return ReaderAnnotation(nodule_id, enclosing, session, rated)
