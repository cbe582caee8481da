"""Series taken with a tilted gantry: each slice is displaced against the one before, in its own plane.

The slices then form no rectangular grid. They do once each is moved in its plane by a part of a pixel: no
voxel is interpolated across slices, and contours keep their place in the world.
"""

from __future__ import annotations

from dataclasses import replace

import numpy as np

from nnunetv2_raemd.rasterize.contours import SliceStack

# Sideways drift over the whole stack that still counts as none, in pixels.
DRIFT_PIXELS = 0.1
# How far slices may be off the line that a tilted gantry displaces them along, in pixels.
_OFF_LINE_PIXELS = 0.5
_MOST_DEGREES = 45  # gantries tilt by 30 degrees at most
_ON_PIXEL = 1e-3
_AIR_HU = -1000


def is_tilted(stack: SliceStack) -> bool:
    """Whether the slices are displaced sideways."""
    return bool(np.abs(_drift_pixels(stack)).max() > DRIFT_PIXELS)


def tilt_degrees(stack: SliceStack) -> float | None:
    """The angle of the displacement; None for one that no gantry makes: not along a line, or too large."""
    heights, drift = stack.heights_mm - stack.heights_mm[0], _drift_pixels(stack)
    slope, *_ = np.linalg.lstsq(heights[:, None], drift, rcond=None)
    if np.abs(drift - heights[:, None] * slope).max() > _OFF_LINE_PIXELS:
        return None
    degrees = float(np.degrees(np.arctan(np.linalg.norm(slope[0] @ _steps(stack)))))
    return degrees if degrees <= _MOST_DEGREES else None


def upright(stack: SliceStack) -> SliceStack:
    """Slices at the same heights, one straight above the other, that hold all of those of `stack`.

    The pixels of the first slice stay where they are.
    """
    first, last = _margins(stack)
    origin = stack.positions_mm[0] + first @ _steps(stack)
    heights = stack.heights_mm - stack.heights_mm[0]
    rows, columns = np.array(stack.shape) + last - first
    return replace(
        stack, positions_mm=origin + np.outer(heights, stack.normal), shape=(int(rows), int(columns))
    )


def hu_upright(volume: np.ndarray, stack: SliceStack) -> np.ndarray:
    """HU (S, rows, columns) of the slices of `stack` on those of `upright`, interpolated linearly.

    What no slice has seen is filled with the least value there is, or air.
    """
    filling = min(int(volume.min()), _AIR_HU)
    out = np.full((len(volume), *upright(stack).shape), filling, dtype=volume.dtype)
    for index, (slice_hu, shift) in enumerate(zip(volume, _shifts(stack), strict=True)):
        moved = slice_hu.astype(np.float32) - filling
        for axis, pixels in enumerate(shift):
            moved = _moved(moved, axis, pixels, out.shape[axis + 1])
        out[index] += np.rint(moved).astype(out.dtype)
    return out


def mask_upright(mask: np.ndarray, stack: SliceStack) -> np.ndarray:
    """A mask (S, rows, columns), bool, on the slices of `upright`: moved by whole pixels, to the nearest."""
    out = np.zeros((len(mask), *upright(stack).shape), dtype=bool)
    rows, columns = mask.shape[1:]
    for target, marked, shift in zip(out, mask, np.rint(_shifts(stack)).astype(int), strict=True):
        target[shift[0] : shift[0] + rows, shift[1] : shift[1] + columns] = marked
    return out


def _moved(pixels: np.ndarray, axis: int, shift: float, length: int) -> np.ndarray:
    """Moved along `axis` by `shift` pixels into an array of `length` along it, 0 where there was nothing."""
    whole = int(np.floor(shift))
    part = np.float32(shift - whole)
    before = [(0, 0), (0, 0)]
    before[axis] = (whole, length - whole - pixels.shape[axis])
    there = np.pad(pixels, before)
    return there if part == 0 else there * (1 - part) + np.roll(there, 1, axis=axis) * part


def _shifts(stack: SliceStack) -> np.ndarray:
    """(S, 2): row and column that the first pixel of each slice has on the upright grid."""
    shifts = _drift_pixels(stack) - _margins(stack)[0]
    whole = np.rint(shifts)
    return np.where(np.abs(shifts - whole) <= _ON_PIXEL, whole, shifts)


def _margins(stack: SliceStack) -> tuple[np.ndarray, np.ndarray]:
    """Whole pixels, along rows and columns, that slices stand out before and behind the first."""
    drift = _drift_pixels(stack)
    return np.floor(drift.min(axis=0) + _ON_PIXEL).astype(int), np.ceil(drift.max(axis=0) - _ON_PIXEL).astype(
        int
    )


def _drift_pixels(stack: SliceStack) -> np.ndarray:
    """(S, 2): how far each slice is displaced against the first along rows and columns, in pixels."""
    return (stack.positions_mm - stack.positions_mm[0]) @ np.linalg.pinv(_steps(stack))


def _steps(stack: SliceStack) -> np.ndarray:
    """(2, 3): from a pixel to the next row and to the next column, in mm."""
    return np.stack([stack.row_step_mm, stack.column_step_mm])
