"""LIDC XML files made by hand."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from pathlib import Path

import numpy as np

from nnunetv2_raemd.dataset_conversion.archives.lidc.annotations import ReaderAnnotation, ReaderContour

Box = tuple[tuple[int, int], tuple[int, int]]  # rows and columns, from the first to the last


def ring(rows: tuple[int, int], columns: tuple[int, int]) -> np.ndarray:
    """The pixels round a block of pixels, as a reader contours it: (N, 2), (column, row)."""
    (top, bottom), (left, right) = (rows[0] - 1, rows[1] + 1), (columns[0] - 1, columns[1] + 1)
    corners = [
        *((c, top) for c in range(left, right)),
        *((right, r) for r in range(top, bottom)),
        *((c, bottom) for c in range(right, left, -1)),
        *((left, r) for r in range(bottom, top, -1)),
    ]
    return np.array(corners, dtype=np.int32)


def block(name: str, heights_mm: Iterable[float], box: Box, *, hole: Box | None = None) -> ReaderAnnotation:
    """A nodule that is the same block of pixels in some slices, perhaps with a hole."""
    contours = []
    for z_mm in heights_mm:
        contours.append(ReaderContour(z_mm, ring(*box)))
        if hole is not None:
            # the pixels of a hole's contour are in the hole, so that a larger ring is drawn inside it
            (top, bottom), (left, right) = hole
            inner = ring((top + 1, bottom - 1), (left + 1, right - 1))
            contours.append(ReaderContour(z_mm, inner, inclusion=False))
    return ReaderAnnotation(name, tuple(contours))


def write_xml(file: Path, series_uid: str, sessions: Sequence[Sequence[ReaderAnnotation]]) -> Path:
    """Write the annotations of each reader; beside them a small nodule and a finding that is none."""
    text = "".join(f"<readingSession>{_session(session)}</readingSession>" for session in sessions)
    header = f"<ResponseHeader><SeriesInstanceUid>{series_uid}</SeriesInstanceUid></ResponseHeader>"
    file.parent.mkdir(parents=True, exist_ok=True)
    file.write_text(
        f'<?xml version="1.0" encoding="UTF-8"?>\n<LidcReadMessage xmlns="http://www.nih.gov">\n{header}\n'
        f"{text}\n</LidcReadMessage>\n",
        encoding="utf-8",
    )
    return file


def sop_uid(z_mm: float) -> str:
    """The image at that height."""
    return f"1.2.{round(1000 * (z_mm + 1000))}"


def _session(annotations: Sequence[ReaderAnnotation]) -> str:
    point = "<edgeMap><xCoord>3</xCoord><yCoord>4</yCoord></edgeMap>"
    small = f"<roi><imageZposition>0</imageZposition><inclusion>TRUE</inclusion>{point}</roi>"
    other = "<nonNodule><nonNoduleID>9</nonNoduleID><locus><xCoord>1</xCoord></locus></nonNodule>"
    nodules = "".join(_nodule(annotation) for annotation in annotations)
    small_nodule = f"<unblindedReadNodule><noduleID>small</noduleID>{small}</unblindedReadNodule>"
    return f"{small_nodule}{nodules}{other}"


def _nodule(annotation: ReaderAnnotation) -> str:
    characteristics = "<characteristics><subtlety>5</subtlety></characteristics>" if annotation.rated else ""
    rois = "".join(_roi(contour) for contour in annotation.contours)
    name = f"<noduleID>{annotation.nodule_id}</noduleID>"
    return f"<unblindedReadNodule>{name}{characteristics}{rois}</unblindedReadNodule>"


def _roi(contour: ReaderContour) -> str:
    edge = "".join(
        f"<edgeMap><xCoord>{column}</xCoord><yCoord>{row}</yCoord></edgeMap>"
        for column, row in contour.points.tolist()
    )
    inclusion = "TRUE" if contour.inclusion else "FALSE"
    return (
        f"<roi><imageZposition>{contour.z_mm}</imageZposition><imageSOP_UID>{sop_uid(contour.z_mm)}</imageSOP_UID>"
        f"<inclusion>{inclusion}</inclusion>{edge}</roi>"
    )
