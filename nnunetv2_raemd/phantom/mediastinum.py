"""Heart, great vessels, oesophagus and the central airways."""

from __future__ import annotations

import numpy as np

from nnunetv2_raemd.phantom import tissues
from nnunetv2_raemd.phantom.grid import FloatArray, Grid
from nnunetv2_raemd.phantom.lungs import ChestShape, heart_depth
from nnunetv2_raemd.phantom.painting import occupancy, paint
from nnunetv2_raemd.phantom.tubes import Tube, paint_tube

# Centre lines in adult mm (z, y, x) and radii; see `lungs` for the directions.
_DESCENDING_AORTA = [(-200, 40, 14), (-90, 40, 18), (0, 42, 22), (32, 38, 21)]
_AORTIC_ARCH = [(32, 38, 21), (48, 18, 14), (48, -8, 2), (30, -24, -10), (-10, -24, -8)]
_PULMONARY_TRUNK = [(-25, -32, 10), (0, -24, 18), (12, -4, 24)]
_RIGHT_PULMONARY_ARTERY = [(4, -8, 18), (0, -2, -10), (-2, 2, -42)]
_LEFT_PULMONARY_ARTERY = [(10, -6, 22), (8, 6, 42)]
_VENA_CAVA = [(110, -18, -22), (30, -18, -24), (-20, -16, -24)]
_OESOPHAGUS = [(200, 36, 2), (60, 36, 4), (0, 34, 6), (-100, 26, 8), (-200, 20, 14)]
_TRACHEA = [(200, 8, 0), (80, 12, 0), (18, 18, -1)]
_RIGHT_BRONCHUS = [(18, 18, -1), (2, 20, -22), (-10, 20, -44), (-32, 26, -58)]
_LEFT_BRONCHUS = [(18, 18, -1), (0, 20, 24), (-10, 20, 46), (-34, 26, 60)]
_NECK_ARTERIES = ([(46, 6, 12), (120, 4, 22)], [(47, -6, 4), (120, -6, -14)])


def _tube(chest: ChestShape, path: list[tuple[int, int, int]], radii: tuple[float, float], hu: float) -> Tube:
    """A smooth tube through the control points of a path, with linearly changing radius."""
    control = np.array(path, dtype=np.float64) * chest.scale
    steps = np.linspace(0, len(path) - 1, 8 * (len(path) - 1) + 1)
    points = np.stack([np.interp(steps, range(len(path)), control[:, axis]) for axis in range(3)], axis=1)
    return Tube(points, np.linspace(*radii, len(points)) * chest.scale, hu)


def paint_mediastinum(volume: FloatArray, chest: ChestShape, grid: Grid) -> None:
    """Paint heart, great vessels and oesophagus in place."""
    heart = heart_depth(chest, grid.axes())
    paint(volume, occupancy(heart, grid.edge_mm), tissues.HEART, grid.whole)
    for path, radii in (
        (_DESCENDING_AORTA, (12.0, 13.0)),
        (_AORTIC_ARCH, (13.0, 15.0)),
        (_PULMONARY_TRUNK, (14.0, 13.0)),
        (_RIGHT_PULMONARY_ARTERY, (11.0, 8.0)),
        (_LEFT_PULMONARY_ARTERY, (11.0, 8.0)),
        (_VENA_CAVA, (8.0, 10.0)),
        *((path, (5.0, 4.0)) for path in _NECK_ARTERIES),
    ):
        paint_tube(volume, _tube(chest, path, radii, tissues.BLOOD), grid)
    paint_tube(volume, oesophagus(chest), grid)


def oesophagus(chest: ChestShape) -> Tube:
    """The oesophagus, behind the trachea and the heart."""
    return _tube(chest, _OESOPHAGUS, (8.0, 8.0), tissues.MUSCLE - 15)


def airways(chest: ChestShape) -> list[Tube]:
    """Trachea and main bronchi (their lumen)."""
    return [
        _tube(chest, _TRACHEA, (9.0, 9.0), tissues.AIR),
        _tube(chest, _RIGHT_BRONCHUS, (7.0, 4.0), tissues.AIR),
        _tube(chest, _LEFT_BRONCHUS, (6.5, 4.0), tissues.AIR),
    ]


def paint_airways(volume: FloatArray, tubes: list[Tube], grid: Grid) -> None:
    """Paint walls first, then all lumina, so that no wall closes a branching."""
    for tube in tubes:
        wall = 0.6 + 0.18 * float(tube.radii_mm.mean())
        paint_tube(volume, tube.widened(wall, hu=tissues.BRONCHIAL_WALL), grid)
    for tube in tubes:
        paint_tube(volume, tube, grid)
