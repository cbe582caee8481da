"""LIDC's annotations of a phantom: contours just outside the exact masks, the same by all four readers.

Layout: the XML files of LIDC-IDRI, https://doi.org/10.7937/K9/TCIA.2015.LO9QL9SX
"""

from __future__ import annotations

from collections.abc import Iterator
from itertools import pairwise
from pathlib import Path
from xml.etree import ElementTree
from xml.etree.ElementTree import Element, SubElement

import numpy as np
import SimpleITK as sitk
from numpy.typing import NDArray
from scipy import ndimage

from nnunetv2_raemd.phantom.mask_outlines import trace_outlines

NAMESPACE = "http://www.nih.gov"
READERS = 4
# what readers say of a nodule of 3 mm or more: smaller findings in these files have none
CHARACTERISTICS = {
    "subtlety": 5,
    "internalStructure": 1,
    "calcification": 6,
    "sphericity": 4,
    "margin": 5,
    "lobulation": 1,
    "spiculation": 1,
    "texture": 5,
    "malignancy": 3,
}


def write_lidc_xml(path: Path, series_uid: str, lesion_labels: sitk.Image) -> None:
    """Write the annotations of one scan.

    Args:
        path: the file; its folder is made.
        series_uid: the scan's SeriesInstanceUID.
        lesion_labels: 0, or the number of the lesion, on the scan's grid as it is stored.
    """
    root = Element("LidcReadMessage", xmlns=NAMESPACE)
    SubElement(SubElement(root, "ResponseHeader"), "SeriesInstanceUid").text = series_uid
    labels = sitk.GetArrayViewFromImage(lesion_labels)
    for reader in range(1, READERS + 1):
        session = SubElement(root, "readingSession")
        SubElement(session, "servicingRadiologistID").text = f"phantom reader {reader}"
        for number in range(1, int(labels.max(initial=0)) + 1):
            _add_nodule(session, f"R{reader}_{number}", labels == number, lesion_labels)
    ElementTree.indent(root)
    path.parent.mkdir(parents=True, exist_ok=True)
    ElementTree.ElementTree(root).write(path, encoding="UTF-8", xml_declaration=True)


def outside_contours(mask: NDArray[np.bool_]) -> Iterator[tuple[bool, NDArray[np.int64]]]:
    """Contours as LIDC's readers drew them: closed chains of pixels next to the mask, outside of it.

    Args:
        mask: (rows, columns); may have holes, but no islands in them.

    Yields:
        Whether the contour encloses nodule (else it encloses a hole), and its points, (N, 2), (row, column).
    """
    regions, n_regions = ndimage.label(mask)
    for region in range(1, n_regions + 1):
        filled = ndimage.binary_fill_holes(regions == region)
        (outline,) = trace_outlines(filled)  # neither side touches itself at a corner only
        yield True, _pixels_beside(outline, filled, inside=False)
    holes, n_holes = ndimage.label(ndimage.binary_fill_holes(mask) & ~mask)
    for hole in range(1, n_holes + 1):
        for outline in trace_outlines(holes == hole):
            yield False, _pixels_beside(outline, holes == hole, inside=True)


def _add_nodule(session: Element, name: str, mask: NDArray[np.bool_], grid: sitk.Image) -> None:
    nodule = SubElement(session, "unblindedReadNodule")
    SubElement(nodule, "noduleID").text = name
    described = SubElement(nodule, "characteristics")
    for characteristic, value in CHARACTERISTICS.items():
        SubElement(described, characteristic).text = str(value)
    for index in np.flatnonzero(mask.any(axis=(1, 2))).tolist():
        z_mm = grid.TransformIndexToPhysicalPoint((0, 0, index))[2]
        for is_nodule, points in outside_contours(mask[index]):
            _add_contour(nodule, z_mm, is_nodule, points)


def _add_contour(nodule: Element, z_mm: float, is_nodule: bool, points: NDArray[np.int64]) -> None:
    roi = SubElement(nodule, "roi")
    SubElement(roi, "imageZposition").text = f"{z_mm:.6f}"
    SubElement(roi, "inclusion").text = str(is_nodule).upper()
    for row, column in points.tolist():
        edge = SubElement(roi, "edgeMap")
        SubElement(edge, "xCoord").text = str(column)
        SubElement(edge, "yCoord").text = str(row)


def _pixels_beside(
    outline: NDArray[np.float64], mask: NDArray[np.bool_], *, inside: bool
) -> NDArray[np.int64]:
    """The chain of pixels along an outline of pixel edges, on the side asked for."""
    corners = np.concatenate([outline, outline[:1]])
    chain = []
    for start, end in pairwise(corners):
        length = round(float(np.abs(end - start).sum()))
        step = (end - start) / length
        across = np.array([-step[1], step[0]]) / 2
        middles = start + step * (np.arange(length)[:, None] + 0.5)
        one = np.round(middles + across).astype(np.int64)
        other = np.round(middles - across).astype(np.int64)
        chain.append(one if _is_set(mask, one[0]) == inside else other)
    return np.concatenate(chain)


def _is_set(mask: NDArray[np.bool_], pixel: NDArray[np.int64]) -> bool:
    return bool(np.all(pixel >= 0) and np.all(pixel < mask.shape) and mask[tuple(pixel)])
