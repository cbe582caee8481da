"""The phantom's reader annotations, as plain XML and as pixels."""

from __future__ import annotations

from pathlib import Path
from xml.etree import ElementTree

import numpy as np
import pytest
import SimpleITK as sitk
from matplotlib.path import Path as Outline

from nnunetv2_raemd.phantom.lidc_xml_writer import NAMESPACE, READERS, outside_contours, write_lidc_xml

SHAPES = {
    "pixel": ["#"],
    "bar": ["####"],
    "block": ["###", "###"],
    "diagonal pixels": ["#.", ".#"],
    "notch of one pixel": ["#.#", "###"],
    "notch of two": ["#..#", "####"],
    "notch of three": ["#...#", "#####"],
    "pocket with a narrow mouth": ["##.##", "#...#", "#####"],
    "staircase": ["#...", "##..", ".##.", "..##"],
    "two regions": ["##..#", "##..#"],
    "hole of one": ["###", "#.#", "###"],
    "hole of two": ["####", "#..#", "####"],
    "large hole": ["######", "#....#", "#....#", "#....#", "######"],
    "two holes at a corner": ["####", "#.##", "##.#", "####"],
}


def mask_of(shape: list[str]) -> np.ndarray:
    return np.pad(np.array([[c == "#" for c in row] for row in shape]), 2)


def filled_again(mask: np.ndarray) -> np.ndarray:
    """Inside by matplotlib, the contours' pixels outside: how the readers' contours are read."""
    pixels = np.argwhere(np.ones_like(mask))
    made = np.zeros_like(mask)
    for is_nodule, points in sorted(outside_contours(mask), key=lambda contour: not contour[0]):
        inside = Outline(np.concatenate([points, points[:1]])).contains_points(pixels).reshape(mask.shape)
        on_it = np.zeros_like(mask)
        on_it[tuple(points.T)] = True
        made = made | (inside & ~on_it) if is_nodule else made & ~(inside | on_it)
    return made


@pytest.mark.parametrize("shape", SHAPES.values(), ids=SHAPES)
def test_contours_run_outside_and_enclose_the_mask(shape: list[str]) -> None:
    mask = mask_of(shape)
    contours = list(outside_contours(mask))
    for _, points in contours:
        assert not mask[tuple(points.T)].any()
        steps = np.abs(np.diff(np.concatenate([points, points[:1]]), axis=0))
        assert steps.max() <= 1  # a chain without gaps
        assert len(points) >= 3  # fewer enclose nothing, to readers of the files
    assert np.array_equal(filled_again(mask), mask)


def test_pixel_is_enclosed_by_its_four_neighbours() -> None:
    ((is_nodule, points),) = outside_contours(mask_of(["#"]))
    assert is_nodule
    assert {tuple(p) for p in points.tolist()} == {(1, 2), (2, 1), (2, 3), (3, 2)}


def test_empty_slice_has_no_contours() -> None:
    assert not list(outside_contours(np.zeros((4, 5), dtype=bool)))


def test_file_has_every_lesion_by_every_reader_at_its_heights(tmp_path: Path) -> None:
    labels = np.zeros((6, 12, 14), dtype=np.uint8)
    labels[1:3, 2:5, 3:9] = 1
    labels[4, 8:10, 2:4] = 2
    image = sitk.GetImageFromArray(labels)
    image.SetOrigin((10.0, 20.0, -30.0))
    image.SetSpacing((0.7, 0.7, 2.5))
    write_lidc_xml(tmp_path / "new" / "1.xml", "1.2.3", image)
    root = ElementTree.parse(tmp_path / "new" / "1.xml").getroot()
    ns = {"n": NAMESPACE}
    assert root.tag == f"{{{NAMESPACE}}}LidcReadMessage"
    assert root.findtext("n:ResponseHeader/n:SeriesInstanceUid", namespaces=ns) == "1.2.3"
    sessions = root.findall("n:readingSession", ns)
    assert len(sessions) == READERS == 4
    for session in sessions:
        nodules = session.findall("n:unblindedReadNodule", ns)
        heights = [
            [float(z.text or "nan") for z in nodule.iterfind("n:roi/n:imageZposition", ns)]
            for nodule in nodules
        ]
        assert heights == [[-27.5, -25.0], [-20.0]]
        first = nodules[0].find("n:roi", ns)
        assert first is not None and first.findtext("n:inclusion", namespaces=ns) == "TRUE"
        columns = {int(x.text or "") for x in first.iterfind("n:edgeMap/n:xCoord", ns)}
        assert columns == set(range(2, 10))
    names = [n.text for n in root.iterfind(".//n:noduleID", ns)]
    assert len(set(names)) == len(names) == 8
