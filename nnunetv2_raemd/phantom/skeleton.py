"""Ribs, sternum, vertebrae and shoulder blades."""

from __future__ import annotations

import numpy as np

from nnunetv2_raemd.phantom import tissues
from nnunetv2_raemd.phantom.grid import FloatArray, Grid
from nnunetv2_raemd.phantom.lungs import ChestShape, cage_depth, ellipse_depth
from nnunetv2_raemd.phantom.painting import occupancy, paint

RIB_PITCH = 27.0
RIB_THICKNESS = 11.0
VERTEBRA_PITCH = 27.0
SPINE_Y = 62.0


def paint_skeleton(volume: FloatArray, chest: ChestShape, grid: Grid) -> None:
    """Paint all bones in place."""
    _paint_bone(volume, _rib_depth(chest, grid), grid)
    _paint_bone(volume, _sternum_depth(chest, grid), grid)
    _paint_spine(volume, chest, grid)


def cord_depth(chest: ChestShape, grid: Grid) -> FloatArray:
    """Depth inside the spinal cord in true mm, for the whole grid."""
    z, y, x = chest.adult(grid.axes())
    return ellipse_depth(y - (SPINE_Y + 20), x, (6.0, 7.0)) * np.float32(chest.scale) + 0 * z


def _paint_bone(volume: FloatArray, depth_mm: FloatArray, grid: Grid) -> None:
    """Cortex outside, marrow 2 mm below."""
    paint(volume, occupancy(depth_mm, grid.edge_mm), tissues.CORTEX, grid.whole)
    paint(volume, occupancy(depth_mm - 2, grid.edge_mm), tissues.MARROW, grid.whole)


def _rib_depth(chest: ChestShape, grid: Grid) -> FloatArray:
    """Ribs: bars in a shell round the cage, sloping down from back to front."""
    z, y, _ = chest.adult(grid.axes())
    shell = 3.8 - np.abs(cage_depth(chest, grid.axes()) / np.float32(chest.scale) + 6.5)
    height = z - np.float32(0.55) * y
    from_rib = np.abs((height / RIB_PITCH) % 1 - 0.5) * RIB_PITCH
    bar = RIB_THICKNESS / 2 - from_rib
    return np.minimum(shell, bar).astype(np.float32) * np.float32(chest.scale)


def _sternum_depth(chest: ChestShape, grid: Grid) -> FloatArray:
    z, y, x = chest.adult(grid.axes())
    front = -(chest.cage[1] + 8.0)
    plate = ellipse_depth(y - np.float32(front), x, (6.5, 19.0))
    return np.minimum(plate, z + 55) * np.float32(chest.scale)


def _paint_spine(volume: FloatArray, chest: ChestShape, grid: Grid) -> None:
    z, y, x = chest.adult(grid.axes())
    scale = np.float32(chest.scale)
    body = ellipse_depth(y - SPINE_Y, x, (15.0, 19.0))
    paint(volume, occupancy((body + 0 * z) * scale, grid.edge_mm), tissues.DISC, grid.whole)
    level = np.abs((z / VERTEBRA_PITCH) % 1 - 0.5) * VERTEBRA_PITCH
    arch = np.minimum(ellipse_depth(y - (SPINE_Y + 20), x, (14.0, 16.0)), 8 - level)
    wing = np.minimum(ellipse_depth(y - (SPINE_Y + 19), x, (4.5, 34.0)), 5 - level)
    spine = np.minimum(ellipse_depth(y - (SPINE_Y + 29), x, (15.0, 3.5)), 9 - level)
    bone = np.maximum(np.maximum(np.minimum(body, 11.5 - level), arch), np.maximum(wing, spine))
    _paint_bone(volume, bone.astype(np.float32) * scale, grid)
    canal = ellipse_depth(y - (SPINE_Y + 20), x, (8.5, 10.0))
    paint(volume, occupancy((canal + 0 * z) * scale, grid.edge_mm), 5.0, grid.whole)
    paint(volume, occupancy(cord_depth(chest, grid), grid.edge_mm), tissues.CORD, grid.whole)
