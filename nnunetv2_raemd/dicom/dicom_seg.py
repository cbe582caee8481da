"""Segments of DICOM SEG files (PS3.3 C.8.20.2) on the slices of a CT series.

highdicom reads the file and decodes its frames. Where a frame belongs is worked out here: highdicom's own
`get_pixels_by_source_instance` trusts references without a look at the geometry, and its `get_volume` needs
evenly spaced slices. Where they apply, all three agree.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from nnunetv2_raemd.dicom.dicom_files import check_can_be_opened, reading
from nnunetv2_raemd.dicom.functional_groups import FunctionalGroups
from nnunetv2_raemd.dicom.image_attributes import referenced_images, slice_geometry
from nnunetv2_raemd.dicom.index_entries import Roi
from nnunetv2_raemd.dicom.pixels import check_size
from nnunetv2_raemd.dicom.tag_values import sequence
from nnunetv2_raemd.errors import UserError
from nnunetv2_raemd.extras import needs_extra
from nnunetv2_raemd.rasterize.contours import (
    Rasterized,
    SliceStack,
    nearest_height,
    nothing_drawn,
)

if TYPE_CHECKING:
    from highdicom.seg import Segmentation

# How far a frame may be from the pixels of its slice at any corner, in pixels, and from the slice, as a part
# of the distance of slices: writers round positions and spacings, and a mask must not shift.
SHIFT_PIXELS = 0.1
OFF_SLICE_FRACTION = 0.1
PLACE_DIGITS = 2  # of a position in mm
# A fractional segment counts as present from here on.
FRACTIONAL_THRESHOLD = 0.5


@dataclass(frozen=True)
class CtSlices:
    """Slices of a CT series and what other files name each by (`CtInstance.uid`), in the same order."""

    stack: SliceStack
    uids: tuple[str, ...]


@dataclass(frozen=True)
class _Frame:
    """One frame: its pixels in the segment (rows, columns; bool), its plane and the images it was made from.

    `plane` is position, and step to the next row and column, (3, 3), all in mm.
    """

    name: str
    pixels: np.ndarray
    plane: np.ndarray
    source_uids: tuple[str, ...]


def draw_segments(path: Path, segments: Sequence[Roi], ct: CtSlices) -> Rasterized:
    """Mask of the union of `segments` of the SEG in `path` on the slices of `ct`.

    A frame belongs to the one image it was made from, or else to the slice at its position; its rows and
    columns may run the other way round or cover a part of the slice. Fractional segments count from 0.5 on.
    Frames between slices are named in the result.

    Raises:
        UserError: if the file cannot be read, its geometry is not that of the CT, or two frames contradict
            each other.
    """
    result = nothing_drawn(ct.stack)
    with reading(path):
        for frame in _frames(_read(path), segments):
            _draw(frame, ct, result)
    return result


def segments_without_pixels(path: Path, segments: Sequence[Roi]) -> list[Roi]:
    """Those of `segments` of which no frame marks a pixel; raises as `draw_segments`."""
    with reading(path):
        seg = _read(path)
        return [segment for segment in segments if next(_frames(seg, [segment]), None) is None]


def _read(path: Path) -> Segmentation:
    with needs_extra("dicom", "reading DICOM SEG"):
        from highdicom.seg import segread  # noqa: PLC0415 - an extra

    check_can_be_opened(path)
    seg = segread(path)
    check_size(seg)
    _check_numbers(seg)
    return seg


def _check_numbers(seg: Segmentation) -> None:
    """Frames name their segment by its number alone: of one number, those of several would be united."""
    times = Counter(int(item.SegmentNumber) for item in seg.SegmentSequence)
    if shared := [number for number, n in times.items() if n > 1]:
        raise UserError(
            f"several segments have the number {shared[0]}: nobody can tell whose frames are whose"
        )


def _frames(seg: Segmentation, segments: Sequence[Roi]) -> Iterator[_Frame]:
    """Frames that hold anything of the segments, in the order of the file."""
    wanted = [segment.number for segment in segments]
    shared = seg.SharedFunctionalGroupsSequence[0]
    places: dict[tuple[float, ...], tuple[str, bytes]] = {}
    for index, own in enumerate(seg.PerFrameFunctionalGroupsSequence):
        groups, name = FunctionalGroups(own, shared), f"frame {index + 1}"
        number = 0 if seg.SegmentationType == "LABELMAP" else _segment_number(groups)
        if number and number not in wanted:
            continue
        pixels = _pixels(seg, index, wanted)
        content = name, np.packbits(pixels).tobytes()
        first, same = places.setdefault((number, *_place(groups)), content)
        if same != content[1]:
            raise UserError(
                f"{first} and {name} show the same segment at the same place and differ, as those of several "
                "points in time do: nobody can tell which of them is of this CT"
            )
        if first == name and pixels.any():
            yield _Frame(name, pixels, _plane(groups), _sources(groups))


def _place(groups: FunctionalGroups) -> tuple[float, ...]:
    """Position of a frame in mm, rounded to what writers differ by; none where it has none."""
    position = groups.item("PlanePositionSequence").get("ImagePositionPatient") or ()
    return tuple(round(float(coordinate), PLACE_DIGITS) for coordinate in position)


def _segment_number(groups: FunctionalGroups) -> int:
    identification = groups.find("SegmentIdentificationSequence")
    if identification is None:
        raise UserError("its frames do not say to which segment they belong")
    return int(identification.ReferencedSegmentNumber)


def _pixels(seg: Segmentation, index: int, wanted: Sequence[int]) -> np.ndarray:
    stored = seg.get_stored_frame(index + 1)
    if seg.SegmentationType == "LABELMAP":
        return np.isin(stored, wanted)
    if seg.SegmentationType == "FRACTIONAL":
        return stored >= FRACTIONAL_THRESHOLD * _whole(seg)
    return stored != 0


def _whole(seg: Segmentation) -> int:
    """The value of a pixel that lies in the segment as a whole (PS3.3 C.8.20.2)."""
    found = int(seg.MaximumFractionalValue)
    if found <= 0:
        raise UserError(f"its MaximumFractionalValue is {found}: nobody can tell what its values mean")
    return found


def _plane(groups: FunctionalGroups) -> np.ndarray:
    plane = slice_geometry(
        groups.item("PlanePositionSequence"),
        groups.item("PlaneOrientationSequence"),
        groups.item("PixelMeasuresSequence"),
    )
    if plane is None:
        raise UserError("its frames lack position, orientation or pixel spacing")
    along_columns, along_rows = np.reshape(plane.orientation, (2, 3))
    row_mm, column_mm = plane.pixel_spacing_mm
    return np.array([plane.position_mm, along_rows * row_mm, along_columns * column_mm])


def _sources(groups: FunctionalGroups) -> tuple[str, ...]:
    images = sequence(groups.item("DerivationImageSequence"), "SourceImageSequence")
    return tuple(uid for image in images for uid in referenced_images(image))


def _draw(frame: _Frame, ct: CtSlices, result: Rasterized) -> None:
    """By the image the frame was made from where it names exactly one of the CT, else by its position."""
    named = [ct.uids.index(uid) for uid in frame.source_uids if uid in ct.uids]
    index = named[0] if len(named) == 1 else _slice_at(frame, ct.stack, result)
    if index is not None:
        rows, columns = _in_slice(frame, ct.stack, index)
        result.mask[index, rows, columns] = True
        result.drawn += 1


def _slice_at(frame: _Frame, stack: SliceStack, result: Rasterized) -> int | None:
    """Index of the slice nearest to a frame; None, and said so, beyond half the usual slice distance."""
    height, slices = float(frame.plane[0] @ stack.normal), stack.heights_mm
    index = nearest_height(slices, height)
    if abs(height - slices[index]) <= stack.usual_distance_mm / 2:
        return index
    between = slices.min() < height < slices.max()
    (result.in_gaps if between else result.lost).append(f"{frame.name}: the CT has no slice there")
    return None


def _in_slice(frame: _Frame, stack: SliceStack, index: int) -> tuple[np.ndarray, np.ndarray]:
    """Rows and columns in slice `index` of the pixels that the frame marks."""
    marked = _turn(frame, stack) @ np.array(np.nonzero(frame.pixels)) + _shift(frame, stack, index)[:, None]
    if (marked < 0).any() or (marked >= np.array(stack.shape)[:, None]).any():
        raise UserError(f"{frame.name} marks pixels outside the CT")
    return marked[0], marked[1]


def _turn(frame: _Frame, stack: SliceStack) -> np.ndarray:
    """(2, 2) whole numbers: from (row, column) of the frame to that of a slice, without the shift."""
    steps, extent = frame.plane[1:].T, max(frame.pixels.shape)
    turn = np.linalg.pinv(_steps(stack)) @ steps
    whole = np.rint(turn).astype(int)
    is_turn = np.array_equal(np.abs(whole).sum(axis=0), [1, 1]) and abs(round(np.linalg.det(whole))) == 1
    bend = np.abs(turn - whole).max() * extent
    rise_mm = np.abs(stack.normal @ steps).max() * extent
    if not is_turn or bend > SHIFT_PIXELS or rise_mm > OFF_SLICE_FRACTION * stack.usual_distance_mm:
        raise UserError(f"orientation or pixel spacing of {frame.name} is not that of the CT")
    return whole


def _shift(frame: _Frame, stack: SliceStack, index: int) -> np.ndarray:
    """(row, column) in slice `index` of the first pixel of a frame."""
    offset = frame.plane[0] - stack.positions_mm[index]
    off_mm = abs(float(offset @ stack.normal))
    if off_mm > OFF_SLICE_FRACTION * stack.usual_distance_mm:
        raise UserError(f"{frame.name} lies {off_mm:.2f} mm off the CT slice it belongs to")
    shift = np.linalg.pinv(_steps(stack)) @ offset
    whole = np.rint(shift).astype(int)
    if np.abs(shift - whole).max() > SHIFT_PIXELS:
        raise UserError(f"{frame.name} is shifted against the pixels of the CT by a part of a pixel")
    return whole


def _steps(stack: SliceStack) -> np.ndarray:
    """(3, 2): from a pixel to the next row and to the next column, in mm."""
    return np.stack([stack.row_step_mm, stack.column_step_mm], axis=1)
