"""One picture of a case: each lesion with the outline of its mask, in three orientations."""

from __future__ import annotations

import io
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import SimpleITK as sitk
from matplotlib.axes import Axes
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.collections import LineCollection
from matplotlib.figure import Figure
from matplotlib.patches import Rectangle
from scipy import ndimage

from nnunetv2_raemd.dataset_conversion.case import LESION

MOST_LESIONS = 6


@dataclass(frozen=True)
class Window:
    """CT numbers from black to white."""

    name: str
    low_hu: int
    high_hu: int


LUNG = Window("lung", -1350, 150)  # centre -600, width 1500
MEDIASTINUM = Window("mediastinum", -160, 240)  # centre 40, width 400
_OUTLINE_COLOURS = {LESION: "#ff453a", 2: "#40c8ff", 3: "#ffd60a", 4: "#30d158"}
_OTHER_COLOUR = "#bf5af2"
_CLOSE_UP_MM, _MARGIN_MM = 60.0, 15.0
_PANEL_IN, _TITLE_IN, _DPI = 2.6, 0.26, 100
_COLUMNS = 7
# axis across which a slice is taken, width of outlines, window
_CLOSE_UPS = (
    (0, 0.0, LUNG),
    (0, 1.0, LUNG),
    (0, 0.0, MEDIASTINUM),
    (0, 1.0, MEDIASTINUM),
    (1, 1.0, LUNG),
    (2, 1.0, LUNG),
)
_ANY_NEIGHBOUR = np.ones((3, 3, 3), dtype=bool)


@dataclass(frozen=True)
class Scan:
    """Voxels (z, y, x) turned so that x grows to the patient's left, y to the back and z to the head.

    `spacing_mm` is in the order of the arrays' axes; `turned` and `stored` are the image after and before.
    """

    hu: np.ndarray
    labels: np.ndarray
    spacing_mm: np.ndarray
    turned: sitk.Image
    stored: sitk.Image

    def stored_slice(self, index: Sequence[int]) -> int:
        """The slice of the file, from 1, that the voxel at `index` (z, y, x) lies in."""
        point = self.turned.TransformIndexToPhysicalPoint([int(i) for i in reversed(index)])
        return int(self.stored.TransformPhysicalPointToIndex(point)[2]) + 1

    @property
    def first_end(self) -> str:
        """The end of the patient at which the file's first slice lies."""
        return "feet" if self.stored.GetDirection()[8] > 0 else "head"


@dataclass(frozen=True)
class Lesion:
    """A connected component: its box, and the index (z, y, x) of its largest slice in each orientation."""

    box: tuple[slice, ...]
    largest_slices: tuple[int, ...]
    voxels: int


def draw_case(image: sitk.Image, label: sitk.Image, title: str, *, comment: str = "") -> bytes:
    """The picture as a JPEG file; `comment` is kept in it.

    The largest `MOST_LESIONS` lesions have a row each: the whole axial slice, then close-ups: axial without
    and with outline, the same in the mediastinal window, coronal, sagittal. A case without lesions shows its
    middle slices.
    """
    scan = _turn(image, label)
    lesions = find_lesions(scan.labels)
    shown = lesions[:MOST_LESIONS]
    rows = max(len(shown), 1)
    figure = Figure(
        (_COLUMNS * _PANEL_IN, rows * (_PANEL_IN + _TITLE_IN) + _TITLE_IN), dpi=_DPI, facecolor="black"
    )
    canvas = FigureCanvasAgg(figure)
    more = f", the largest {len(shown)} shown" if len(lesions) > len(shown) else ""
    _write(figure, figure.get_figheight() - _TITLE_IN, f"{title}    lesions: {len(lesions)}{more}", "white")
    for row, lesion in enumerate(shown):
        _draw_lesion(figure, scan, lesion, row, f"lesion {row + 1}")
    if not shown:
        _draw_middle(figure, scan)
    file = io.BytesIO()
    canvas.print_jpg(file, pil_kwargs={"quality": 90, "subsampling": 0, "comment": comment.encode()})
    return file.getvalue()


def colour_of(value: int) -> str:
    """The colour of a label's outline."""
    return _OUTLINE_COLOURS.get(value, _OTHER_COLOUR)


def find_lesions(labels: np.ndarray) -> list[Lesion]:
    """26-connected components of the lesion label in `labels` (z, y, x), the largest first."""
    around = ndimage.find_objects(labels, max_label=LESION)[0]
    if around is None:
        return []
    components, _ = ndimage.label(labels[around] == LESION, structure=_ANY_NEIGHBOUR)
    lesions = []
    for number, box in enumerate(ndimage.find_objects(components), start=1):
        inside = components[box] == number
        corner = [a.start + b.start for a, b in zip(around, box, strict=True)]
        areas = (inside.sum(axis=tuple({0, 1, 2} - {axis})) for axis in range(3))
        largest = tuple(c + int(area.argmax()) for c, area in zip(corner, areas, strict=True))
        whole = tuple(slice(c, c + n) for c, n in zip(corner, inside.shape, strict=True))
        lesions.append(Lesion(whole, largest, int(inside.sum())))
    return sorted(lesions, key=lambda lesion: (-lesion.voxels, lesion.largest_slices))


def outline(mask: np.ndarray) -> np.ndarray:
    """The edges of pixels between inside and outside of `mask` (rows, columns), as segments (N, 2, 2).

    A segment has two points (column, row); pixel centres are whole numbers, so that the outline is the mask
    itself and no smoothed version of it.
    """
    padded = np.pad(mask, 1)
    below = np.argwhere(padded[1:, 1:-1] != padded[:-1, 1:-1])  # (row, column) of the pixel under the edge
    right = np.argwhere(padded[1:-1, 1:] != padded[1:-1, :-1])
    horizontal = below[:, None, ::-1] + np.array([[-0.5, -0.5], [0.5, -0.5]])
    vertical = right[:, None, ::-1] + np.array([[-0.5, -0.5], [-0.5, 0.5]])
    return np.concatenate([horizontal, vertical])


def _turn(image: sitk.Image, label: sitk.Image) -> Scan:
    turned = sitk.DICOMOrient(image, "LPS")
    labels = sitk.DICOMOrient(label, "LPS")
    spacing_mm = np.array(turned.GetSpacing()[::-1])
    hu, voxels = sitk.GetArrayViewFromImage(turned), sitk.GetArrayFromImage(labels)
    return Scan(hu, voxels, spacing_mm, turned, image)


def _draw_lesion(figure: Figure, scan: Scan, lesion: Lesion, row: int, name: str) -> None:
    bottom = figure.get_figheight() - _TITLE_IN - (row + 1) * (_PANEL_IN + _TITLE_IN)
    ml = lesion.voxels * float(np.prod(scan.spacing_mm)) / 1000
    diameter_mm = (6000 * ml / np.pi) ** (1 / 3)
    depth = scan.stored.GetSize()[2]
    place = f"slice {scan.stored_slice(lesion.largest_slices)} of {depth} (1 is at the {scan.first_end})"
    _write(
        figure,
        bottom + _PANEL_IN,
        f"{name}: {ml:.3g} ml, equivalent diameter {diameter_mm:.1f} mm, {place}",
        colour_of(LESION),
    )
    centre = np.array([(s.start + s.stop - 1) / 2 for s in lesion.box]) * scan.spacing_mm
    extent = np.array([s.stop - s.start for s in lesion.box]) * scan.spacing_mm
    half_mm = max(_CLOSE_UP_MM, float(extent.max()) + 2 * _MARGIN_MM) / 2
    whole = _panel(figure, scan, 0, lesion.largest_slices, place=(0, bottom))
    _frame(whole, centre[[2, 1]], half_mm)
    for column, (axis, outline_width, window) in enumerate(_CLOSE_UPS, start=1):
        axes = _panel(
            figure,
            scan,
            axis,
            lesion.largest_slices,
            place=(column, bottom),
            outline_width=outline_width,
            window=window,
        )
        _zoom(axes, np.delete(centre, axis)[::-1], half_mm)


def _draw_middle(figure: Figure, scan: Scan) -> None:
    middle = [n // 2 for n in scan.hu.shape]
    _write(figure, _PANEL_IN, "no lesion; middle slices", "white")
    for axis in range(3):
        _panel(figure, scan, axis, middle, place=(axis, 0.0))


def _panel(
    figure: Figure,
    scan: Scan,
    axis: int,
    index: Sequence[int],
    *,
    place: tuple[int, float],
    outline_width: float = 0.7,
    window: Window = LUNG,
) -> Axes:
    """The slice across `axis` at `index` (z, y, x) in millimetres, `place` is column and inches up."""
    rows_mm, columns_mm = np.delete(scan.spacing_mm, axis)
    hu, labels = np.take(scan.hu, index[axis], axis), np.take(scan.labels, index[axis], axis)
    width, height = figure.get_size_inches()
    column, bottom = place
    axes = figure.add_axes(
        (column * _PANEL_IN / width, bottom / height, _PANEL_IN / width * 0.99, _PANEL_IN / height * 0.99)
    )
    axes.set_facecolor("black")
    axes.set_axis_off()
    extent = _pixel_edges(hu.shape[1], columns_mm) + _pixel_edges(hu.shape[0], rows_mm)
    grey: dict[str, Any] = {"cmap": "gray", "vmin": window.low_hu, "vmax": window.high_hu}
    axes.imshow(hu, **grey, origin="lower", extent=extent, aspect="equal")
    if axis == 0:
        axes.invert_yaxis()  # the front of the patient is up
    if outline_width:
        _draw_outlines(axes, labels, (columns_mm, rows_mm), outline_width)
    _mark(axes, ("R", "L") if axis != 2 else ("A", "P"), window)
    return axes


def _mark(axes: Axes, sides: tuple[str, str], window: Window) -> None:
    """The patient's sides at the edges of a panel, and its window below."""
    style: dict[str, Any] = {
        "color": "#d1d1d6",
        "fontsize": 8,
        "transform": axes.transAxes,
        "bbox": {"facecolor": "black", "alpha": 0.5, "pad": 1, "linewidth": 0},
    }
    axes.text(0.02, 0.5, sides[0], va="center", **style)
    axes.text(0.98, 0.5, sides[1], va="center", ha="right", **style)
    axes.text(0.02, 0.02, window.name, **style)


def _draw_outlines(axes: Axes, labels: np.ndarray, pixel_mm: tuple[float, float], line_width: float) -> None:
    # neighbours share edges: what is ignored goes on top of the lung round it, the lesion on top of all
    for value in sorted((int(v) for v in np.unique(labels) if v), key=lambda v: (v == LESION, v)):
        segments = outline(labels == value) * np.asarray(pixel_mm)
        axes.add_collection(
            LineCollection(list(segments), colors=colour_of(value), linewidths=line_width), autolim=False
        )


def _zoom(axes: Axes, centre_mm: np.ndarray, half_mm: float) -> None:
    upside_down = axes.yaxis_inverted()
    axes.set_xlim(centre_mm[0] - half_mm, centre_mm[0] + half_mm)
    axes.set_ylim(centre_mm[1] - half_mm, centre_mm[1] + half_mm)
    if upside_down:
        axes.invert_yaxis()


def _frame(axes: Axes, centre_mm: np.ndarray, half_mm: float) -> None:
    corner = centre_mm - half_mm
    axes.add_patch(
        Rectangle((corner[0], corner[1]), 2 * half_mm, 2 * half_mm, fill=False, ec="#8e8e93", lw=0.6)
    )


def _pixel_edges(number: int, size_mm: float) -> tuple[float, float]:
    return -0.5 * size_mm, (number - 0.5) * size_mm


def _write(figure: Figure, bottom_in: float, text: str, colour: str) -> None:
    width, height = figure.get_size_inches()
    figure.text(0.06 / width, (bottom_in + 0.07) / height, text, color=colour, fontsize=9)
