"""One synthetic thorax CT with its exact masks: the parts put together."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from nnunetv2_raemd.phantom import tissues
from nnunetv2_raemd.phantom.configuration import PhantomConfiguration
from nnunetv2_raemd.phantom.grid import Box, FloatArray, Grid
from nnunetv2_raemd.phantom.lesion_places import Lesion, NoRoomError, attach_lesions, place_free_lesions
from nnunetv2_raemd.phantom.lung_map import map_lung
from nnunetv2_raemd.phantom.lungs import (
    ADULT_WIDTH_MM,
    SIDES,
    ChestShape,
    Side,
    body_depth,
    cage_depth,
    diaphragm_height,
    heart_depth,
    lung_depth,
    sample_chest,
)
from nnunetv2_raemd.phantom.mediastinum import airways, oesophagus, paint_airways, paint_mediastinum
from nnunetv2_raemd.phantom.painting import occupancy, paint
from nnunetv2_raemd.phantom.scanner import scan, smooth_texture
from nnunetv2_raemd.phantom.skeleton import cord_depth, paint_skeleton
from nnunetv2_raemd.phantom.tubes import Tube, paint_tube, tube_box, tube_depth
from nnunetv2_raemd.phantom.vessels import grow_vessels, with_solid_hu

# LUNA16's lung segmentation
LEFT_LUNG, RIGHT_LUNG, TRACHEA = 3, 4, 5
LARGEST_WIDTH_MM = 370.0
SUPERSAMPLING = 3
ARRANGEMENTS = 10  # tries to place all lesions of a scan


@dataclass(frozen=True)
class LesionRecord:
    """What the oracle says about one lesion.

    Attributes:
        label: its value in `Thorax.lesion_labels`.
        kind: how it lies in the lung.
        nominal_diameter_mm: diameter of the analytic shape.
        equivalent_diameter_mm: diameter of the sphere of the mask's volume.
        volume_mm3: the mask's volume.
        centroid_voxel: mean (z, y, x) index of the mask's voxels.
    """

    label: int
    kind: str
    nominal_diameter_mm: float
    equivalent_diameter_mm: float
    volume_mm3: float
    centroid_voxel: tuple[float, float, float]


@dataclass(frozen=True)
class Thorax:
    """A synthetic scan; every array is (z, y, x), first slice at the feet, first row at the front, first
    column at the patient's right.

    Attributes:
        spacing_mm: distance of voxel centres along (z, y, x).
        hu: int16 CT numbers.
        lesion_labels: uint8, 0 or the number of the lesion whose shape holds the voxel's centre.
        lung_labels: uint8, LUNA16's labels: 3 left lung, 4 right lung, 5 trachea and main bronchi.
        organs: masks of `Heart`, `Esophagus` and `Spinal-Cord`.
        lesions: one record per lesion, in the order of the labels.
    """

    spacing_mm: tuple[float, float, float]
    hu: NDArray[np.int16]
    lesion_labels: NDArray[np.uint8]
    lung_labels: NDArray[np.uint8]
    organs: dict[str, NDArray[np.bool_]]
    lesions: tuple[LesionRecord, ...]


def make_thorax(configuration: PhantomConfiguration, case: int) -> Thorax:
    """Make case number `case`, which depends on the settings and the number only.

    Raises:
        NoRoomError: the lungs have no room for the lesions asked for.
    """
    grid = Grid(configuration.shape, configuration.spacing_mm)
    chest, lesions, vessels = arrange(configuration, case)
    *_, texture, noise = _generators(configuration, case)
    lung_share = {side: _share(lung_depth(chest, grid.axes(), side), grid) for side in SIDES}
    tissue = _paint_body(chest, grid, texture)
    _paint_lungs(tissue, lung_share, grid, texture)
    tubes = airways(chest)
    paint_airways(tissue, tubes, grid)
    for side, tree in zip(SIDES, vessels, strict=True):
        for tube in with_solid_hu(tree, texture):
            paint_tube(tissue, tube, grid, within=lung_share[side])
    lesion_labels = _paint_lesions(tissue, lesions, grid)
    return Thorax(
        spacing_mm=grid.spacing_mm,
        hu=scan(tissue, grid, noise_hu=configuration.noise_hu, rng=noise),
        lesion_labels=lesion_labels,
        lung_labels=_label_lungs(lung_share, tubes, lesion_labels, grid),
        organs=_organs(chest, grid),
        lesions=tuple(_record(k, lesion, lesion_labels, grid) for k, lesion in enumerate(lesions, start=1)),
    )


def arrange(
    configuration: PhantomConfiguration, case: int
) -> tuple[ChestShape, list[Lesion], list[list[Tube]]]:
    """The chest of a case, its lesions, and the vessels of each lung: all that can fail, before any painting.

    Lesions that find no place are drawn again together with their vessels, a few times.

    Raises:
        NoRoomError: the lungs have no room for the lesions asked for.
    """
    grid = Grid(configuration.shape, configuration.spacing_mm)
    anatomy, places, growth, *_ = _generators(configuration, case)
    chest = sample_chest(anatomy, scale=_scale(grid))
    for attempt in range(1, ARRANGEMENTS):
        try:
            return chest, *_plan_lungs(chest, configuration, grid, places, growth)
        except NoRoomError:
            places, growth = _redrawn(configuration, case, attempt)
    return chest, *_plan_lungs(chest, configuration, grid, places, growth)


def _generators(configuration: PhantomConfiguration, case: int) -> list[np.random.Generator]:
    """Of anatomy, lesions' places, vessels' growth, texture and noise; the use of one changes no other."""
    return [np.random.default_rng(s) for s in np.random.SeedSequence([configuration.seed, case]).spawn(5)]


def _redrawn(configuration: PhantomConfiguration, case: int, attempt: int) -> list[np.random.Generator]:
    """Other generators of places and growth."""
    seeds = np.random.SeedSequence([configuration.seed, case, attempt]).spawn(2)
    return [np.random.default_rng(s) for s in seeds]


def _scale(grid: Grid) -> float:
    """The chest that fills 94 % of the field of view, but none larger than a large adult's."""
    _, depth, width = 2 * 0.94 * grid.half_extent_mm
    return float(min(width, depth * ADULT_WIDTH_MM / 240, LARGEST_WIDTH_MM) / ADULT_WIDTH_MM)


def _share(depth_mm: FloatArray, grid: Grid) -> FloatArray:
    return occupancy(depth_mm, grid.edge_mm)


def _plan_lungs(
    chest: ChestShape,
    configuration: PhantomConfiguration,
    grid: Grid,
    places: np.random.Generator,
    growth: np.random.Generator,
) -> tuple[list[Lesion], list[list[Tube]]]:
    """Lesions that need no vessel, then vessels round them, then lesions on vessels."""
    lungs = [map_lung(chest, grid, side) for side in SIDES]
    low, high = configuration.lesion_count
    kinds = [
        configuration.lesion_kinds[k]
        for k in places.integers(len(configuration.lesion_kinds), size=places.integers(low, high + 1))
    ]
    free = [kind for kind in kinds if kind != "vessel-attached"]
    lesions = place_free_lesions(lungs, free, configuration, grid, places)
    vessels = [
        grow_vessels(
            lung,
            configuration,
            [lesion.shape for lesion in lesions if lesion.lung is lung],
            scale=chest.scale,
            rng=growth,
        )
        for lung in lungs
    ]
    attached = attach_lesions(
        list(zip(lungs, vessels, strict=True)),
        len(kinds) - len(free),
        lesions,
        configuration,
        grid,
        places,
    )
    return lesions + attached, vessels


def _paint_body(chest: ChestShape, grid: Grid, rng: np.random.Generator) -> FloatArray:
    """Air, fat, muscle, organs and bones."""
    axes = grid.axes()
    tissue = np.full(grid.shape, tissues.AIR, dtype=np.float32)
    body, cage = body_depth(chest, axes), cage_depth(chest, axes)
    fat = tissues.FAT + 8 * smooth_texture(grid, 20, rng)
    paint(tissue, _share(body + 0 * axes[0], grid), fat, grid.whole)
    muscle = np.minimum(cage + np.float32(17 * chest.scale), body - np.float32(6 * chest.scale))
    mottled = tissues.MUSCLE + 12 * smooth_texture(grid, 8, rng)
    paint(tissue, _share(muscle, grid), mottled, grid.whole)
    paint(tissue, _share(cage, grid), tissues.FAT + 50 + 30 * smooth_texture(grid, 9, rng), grid.whole)
    for side, sign in zip(SIDES, (1, -1), strict=True):
        z, y, x = chest.adult(axes)
        below = diaphragm_height(chest, (z, y, x), side) - z
        organ = np.minimum(np.minimum(below, sign * x) * np.float32(chest.scale), cage)
        paint(tissue, _share(organ, grid), tissues.LIVER if side == "right" else tissues.MUSCLE, grid.whole)
    paint_skeleton(tissue, chest, grid)
    paint_mediastinum(tissue, chest, grid)
    return tissue


def _paint_lungs(
    tissue: FloatArray, lung_share: dict[Side, FloatArray], grid: Grid, rng: np.random.Generator
) -> None:
    """Parenchyma: denser towards the back, where blood sinks to, and uneven."""
    y = grid.axes()[1]
    density = tissues.LUNG + np.float32(35) * y / np.float32(grid.half_extent_mm[1])
    density = density + 14 * smooth_texture(grid, 18, rng) + 16 * smooth_texture(grid, 4, rng)
    for share in lung_share.values():
        paint(tissue, share, density, grid.whole)


def _paint_lesions(tissue: FloatArray, lesions: Sequence[Lesion], grid: Grid) -> NDArray[np.uint8]:
    """Paint the lesions, averaged over each voxel; return their exact labels, which end at the pleura."""
    labels = np.zeros(grid.shape, dtype=np.uint8)
    for number, lesion in enumerate(lesions, start=1):
        box = lesion.box(grid)
        paint(tissue, _lesion_share(lesion, grid, box), lesion.hu, box)
        labels[box][lesion.mask(grid)] = number
    return labels


def _lesion_share(lesion: Lesion, grid: Grid, box: Box) -> FloatArray:
    """Share of each voxel that the shape fills, by 3 x 3 x 3 points within the voxel."""
    steps = (np.arange(SUPERSAMPLING) + 0.5) / SUPERSAMPLING - 0.5
    dz, dy, dx = (steps * spacing for spacing in grid.spacing_mm)
    total = sum(
        lesion.shape.contains(grid.axes(box, offset_mm=(float(a), float(b), float(c)))).astype(np.float32)
        for a in dz
        for b in dy
        for c in dx
    )
    return np.asarray(total / np.float32(SUPERSAMPLING**3), dtype=np.float32)


def _label_lungs(
    lung_share: dict[Side, FloatArray], tubes: Sequence[Tube], lesion_labels: NDArray[np.uint8], grid: Grid
) -> NDArray[np.uint8]:
    labels = np.zeros(grid.shape, dtype=np.uint8)
    labels[lung_share["left"] > 0.5] = LEFT_LUNG
    labels[lung_share["right"] > 0.5] = RIGHT_LUNG
    for tube in tubes:
        box = tube_box(tube, grid)
        lumen = (tube_depth(tube, grid, box) > 0) & (lesion_labels[box] == 0)
        labels[box][lumen] = TRACHEA
    return labels


def _organs(chest: ChestShape, grid: Grid) -> dict[str, NDArray[np.bool_]]:
    gullet = oesophagus(chest)
    box = tube_box(gullet, grid)
    mask = np.zeros(grid.shape, dtype=bool)
    mask[box] = tube_depth(gullet, grid, box) > 0
    return {
        "Heart": heart_depth(chest, grid.axes()) > 0,
        "Esophagus": mask,
        "Spinal-Cord": cord_depth(chest, grid) > 0,
    }


def _record(label: int, lesion: Lesion, labels: NDArray[np.uint8], grid: Grid) -> LesionRecord:
    voxels = np.argwhere(labels == label)
    volume = len(voxels) * float(np.prod(grid.spacing_mm))
    z, y, x = voxels.mean(axis=0)
    return LesionRecord(
        label=label,
        kind=lesion.kind,
        nominal_diameter_mm=lesion.nominal_diameter_mm,
        equivalent_diameter_mm=(6 * volume / np.pi) ** (1 / 3),
        volume_mm3=volume,
        centroid_voxel=(float(z), float(y), float(x)),
    )
