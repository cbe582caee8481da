"""Contours that no reader draws are named, and those of real readers are not."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np
from lidc_files import block

from nnunetv2_raemd.dataset_conversion.archives.lidc.lidc_xml_files import XmlFile
from nnunetv2_raemd.dataset_conversion.archives.lidc.odd_contours import about_contours
from nnunetv2_raemd.dataset_conversion.archives.lidc.reader_masks import AxialGrid

GRID = AxialGrid((40, 40, 8), (0.0, 0.0, 0.0), (1.0, 1.0, 2.5))
HOLED = block("7", [2.5, 5.0, 7.5], ((4, 20), (7, 28)), hole=((6, 9), (9, 12)))


def test_a_whole_nodule_with_holes_is_none() -> None:
    assert list(about_contours(HOLED, GRID)) == []


def test_slices_without_a_contour_are_counted() -> None:
    (told,) = about_contours(block("7", [2.5, 10.0, 15.0], ((4, 20), (7, 28))), GRID)
    assert told == "nodule 7: 3 slices between its first and last without a contour, left empty"


def test_a_hole_that_nothing_surrounds() -> None:
    """The inclusion of the middle slice is gone, or was written as an exclusion."""
    middle = [c for c in HOLED.contours if c.z_mm == 5.0 and c.inclusion]
    gone = tuple(c for c in HOLED.contours if c is not middle[0])
    absent, hole = about_contours(replace(HOLED, contours=gone), GRID)
    assert absent.startswith("nodule 7: 1 slice between")
    assert hole == "nodule 7: a hole at z = 5 mm without a contour around it (inclusion FALSE)"


def test_points_that_are_missing_or_in_disorder() -> None:
    first, *others = HOLED.contours
    half = replace(first, points=first.points[: len(first.points) // 2])
    mixed = replace(first, points=first.points[np.random.default_rng(0).permutation(len(first.points))])
    for contour in (half, mixed):
        (told,) = about_contours(replace(HOLED, contours=(contour, *others)), GRID)
        assert told.startswith("nodule 7: the contour at z = 2.5 mm has a step of ")


def test_real_readers_draw_nothing_of_the_kind(real_data: Path) -> None:
    n_nodules = 0
    for file in sorted((real_data / "lidc").rglob("*.xml")):
        for annotation in XmlFile(file).read():
            heights_mm = sorted({contour.z_mm for contour in annotation.contours})
            distance_mm = min(np.diff(heights_mm), default=1.0)
            grid = AxialGrid((512, 512, 1000), (0.0, 0.0, heights_mm[0]), (1.0, 1.0, float(distance_mm)))
            assert list(about_contours(annotation, grid)) == []
            n_nodules += 1
    assert n_nodules == 88
