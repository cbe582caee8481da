"""Which images of a series are of one scan.

A series may hold scouts, dose pages, maximum intensity projections, a second reconstruction or several
acquisitions. Between images of different ones nothing may be interpolated, so one group is taken:

1. Scouts and pages are left out. So is an image that says nothing of its place and is of another kind than
   the slices.
2. What is left is grouped by acquisition, ImageType, convolution kernel, RescaleType, size, pixel spacing and
   orientation.
3. Of several groups those stay that hold images which the contours' file lists. Of these, acquisitions one
   above the other that continue each other's slices without a step are one scan. Then those stay with images
   that the contours say they were drawn on; then those that are not derived from other images; then those
   with more than one image. If more than one is left, they are named and refused.
4. Where those that the contours' file lists lie evenly and others of the group lie off their grid, at their
   places, or among slices listed from end to end, the listed ones are the scan.
"""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Callable, Collection, Sequence
from dataclasses import dataclass, field, replace

import numpy as np

from nnunetv2_raemd.counted import counted
from nnunetv2_raemd.dicom.index_entries import CtInstance, SliceGeometry
from nnunetv2_raemd.dicom.spacing import UNEVEN_FRACTION, is_even
from nnunetv2_raemd.errors import UserError

ORIENTATION_TOLERANCE = 1e-3
SPACING_TOLERANCE_MM = 1e-4
# Slices whose normals are farther apart than this many degrees are never of one stack, whatever is damaged.
_OTHER_VIEW_DEGREES = 30
# Slices of one rotation, as of step-and-shoot scans that number them as acquisitions.
_ROTATION = 4
_PAGES = ("LOCALIZER", "SCREEN SAVE", "SCREENSHOT", "DOSE_INFO", "DOSE REPORT", "DOSE")
_DERIVED = (
    "DERIVED",
    "MIP",
    "MAXIP",
    "MINIP",
    "MPR",
    "AVERAGE",
    "PROJECTION IMAGE",
    "REFORMATTED",
    "CSA MPR",
)
_SHOWN = 6
_MANY = 5  # images, so many that they are not just the slices with contours


@dataclass(frozen=True)
class References:
    """The images that the contours' file names, as `CtInstance.uid` or, of all frames, by their file.

    listed: those that it lists for its series.
    drawn_on: looks up those that the contours themselves name, which takes time.
    """

    listed: Collection[str] = frozenset()
    drawn_on: Callable[[], Collection[str]] = field(default=frozenset)


@dataclass(frozen=True)
class ChosenImages:
    """The images of one scan, in no order, and what was left out and why."""

    images: tuple[CtInstance, ...]
    notes: tuple[str, ...] = ()


def images_of_one_scan(images: Sequence[CtInstance], references: References | None = None) -> ChosenImages:
    """Those of `images`, which are of one series, that are of one scan, by the rule above.

    Raises:
        UserError: if there are none or it cannot be decided.
    """
    references = references or References()
    slices, notes = _without_pages(images)
    groups = _grouped(_without_rotations(slices))
    chosen = _chosen(groups, references)
    rest = [group for group in groups if not _is_part(group, chosen)]
    _refuse_damaged(chosen, rest, references)
    if rest:
        notes.append(f"{_described(chosen)} taken; others of the series left out: {_list(rest)}")
    listed = _listed_alone(chosen, references)
    if len(listed) < len(chosen):
        notes.append(
            f"{counted(len(chosen) - len(listed), 'image')} left out: the contours' file does not list "
            "them, and they are of another pass than those it lists"
        )
    return ChosenImages(tuple(listed), tuple(notes))


def geometry_of(image: CtInstance) -> SliceGeometry:
    """The image plane, which a CT image must have."""
    if image.geometry is None:
        raise UserError(f"{image.name} lacks position, orientation or pixel spacing")
    return image.geometry


def height_mm(image: CtInstance) -> float:
    """Position along the image's own normal."""
    return float(np.dot(geometry_of(image).position_mm, _normal(image)))


def same_plane(one: CtInstance, other: CtInstance) -> bool:
    """Whether two images have the same size, pixel spacing and orientation."""
    mine, theirs = geometry_of(one), geometry_of(other)
    return (
        one.shape == other.shape
        and _close(mine.pixel_spacing_mm, theirs.pixel_spacing_mm, SPACING_TOLERANCE_MM)
        and _close(mine.orientation, theirs.orientation, ORIENTATION_TOLERANCE)
    )


def _close(one: Sequence[float], other: Sequence[float], tolerance: float) -> bool:
    return max(abs(a - b) for a, b in zip(one, other, strict=True)) <= tolerance


_Group = list[CtInstance]


def _without_pages(images: Sequence[CtInstance]) -> tuple[_Group, list[str]]:
    pages = {name: [i for i in images if name in i.kind.image_type] for name in _PAGES}
    dropped = {image.uid for found in pages.values() for image in found}
    notes = [
        f"{counted(len(found), f'{name.lower()} image')} dropped" for name, found in pages.items() if found
    ]
    slices = [image for image in images if image.uid not in dropped]
    placed = {_stated_kind(image) for image in slices if image.geometry is not None}
    lost = [image for image in slices if image.geometry is None and _stated_kind(image) not in placed]
    if placed and lost:
        notes.append(f"{counted(len(lost), 'image')} of another kind without a place in the patient dropped")
        slices = [image for image in slices if image not in lost]
    if not slices:
        raise UserError("the CT series holds nothing but localizers and pages of text")
    return slices, notes


def _without_rotations(images: Sequence[CtInstance]) -> _Group:
    """Without numbers of acquisition that count the rotations of one scan, each of a few slices."""
    sizes = Counter(image.kind.acquisition for image in images)
    if len(sizes) <= _ROTATION or max(sizes.values()) > _ROTATION:
        return list(images)
    return [replace(image, kind=replace(image.kind, acquisition="")) for image in images]


def _stated_kind(image: CtInstance) -> tuple[object, ...]:
    return image.kind.image_type, image.shape


def _kind(image: CtInstance) -> tuple[object, ...]:
    """What images of one scan share apart from acquisition and geometry."""
    meaning = image.rescale.type if image.rescale else ""
    return image.kind.image_type, image.kind.kernel, meaning


def _grouped(images: Sequence[CtInstance]) -> list[_Group]:
    groups: dict[tuple[object, ...], list[_Group]] = defaultdict(list)
    for image in images:
        stated = (*_kind(image), image.kind.acquisition)
        alike = groups[stated]
        mine = next((group for group in alike if same_plane(group[0], image)), None)
        if mine is None:
            alike.append([image])
        else:
            mine.append(image)
    return [group for alike in groups.values() for group in alike]


def _continued(groups: Sequence[_Group]) -> list[_Group]:
    """Acquisitions that lie one above the other and continue each other's slices without a step, joined."""
    joined: list[_Group] = []
    for group in sorted(groups, key=lambda group: min(map(height_mm, group))):
        below = next((other for other in joined if _continues(other, group)), None)
        if below is None:
            joined.append(list(group))
        else:
            below += group
    return joined


def _continues(below: _Group, above: _Group) -> bool:
    if _kind(below[0]) != _kind(above[0]) or not same_plane(below[0], above[0]):
        return False
    lower, upper = _heights(below), _heights(above)
    step = upper[0] - lower[-1]
    within = np.concatenate([np.diff(lower), np.diff(upper)])
    usual = np.median(within) if len(within) else step
    return bool(step > 0 and abs(step - usual) <= UNEVEN_FRACTION * usual)


def _chosen(groups: Sequence[_Group], references: References) -> _Group:
    left = _continued([g for g in groups if _names(references.listed, g)] or groups)
    sieves: tuple[Callable[[_Group], bool], ...] = (
        lambda group: _names(references.drawn_on(), group),
        lambda group: not _is_derived(group),
        lambda group: len(group) > 1,
    )
    for sieve in sieves:
        if len(left) > 1:
            left = [group for group in left if sieve(group)] or left
    if len(left) > 1:
        raise UserError(
            f"its CT series holds {len(left)} scans, and nothing says which is meant: {_list(left)}; keep "
            "the images of one"
        )
    return left[0]


def _is_part(group: _Group, of: _Group) -> bool:
    return any(image is group[0] for image in of)


def _names(uids: Collection[str], group: _Group) -> bool:
    return any(_is_named(image, uids) for image in group)


def _is_named(image: CtInstance, uids: Collection[str]) -> bool:
    return image.uid in uids or image.sop_uid in uids


def _is_derived(group: _Group) -> bool:
    return any(word in group[0].kind.image_type for word in _DERIVED)


def _refuse_damaged(chosen: _Group, rest: Sequence[_Group], references: References) -> None:
    """An image that differs in its geometry alone and fits among the slices is one with a wrong header."""
    named = [group for group in [chosen, *rest] if _names(references.listed, group)]
    for group in rest:
        odd, first = group[0], chosen[0]
        alike = _kind(odd) == _kind(first) and odd.kind.acquisition == first.kind.acquisition
        if alike and (not named or _is_part(group, [i for g in named for i in g])) and _fits(group, chosen):
            raise UserError(f"{odd.name} differs in size, pixel spacing or orientation from {first.name}")


def _fits(group: _Group, chosen: _Group) -> bool:
    """Whether one of a few images would fill a gap of the chosen or continue them."""
    if len(group) >= len(chosen):
        return False
    heights, normal = _heights(chosen), _normal(chosen[0])
    gaps = np.diff(heights)
    usual = float(np.median(gaps)) if len(gaps) else 0.0
    for image in group:
        height = float(np.dot(geometry_of(image).position_mm, normal))
        at = int(np.searchsorted(heights, height))
        if 0 < at < len(heights) and gaps[at - 1] > 1.5 * usual:
            return True
        off = max(heights[0] - height, height - heights[-1])
        if 0 < off <= 1.5 * usual and not _is_other_view(image, chosen[0]):
            return True
    return False


def _is_other_view(one: CtInstance, other: CtInstance) -> bool:
    return bool(abs(np.dot(_normal(one), _normal(other))) < np.cos(np.radians(_OTHER_VIEW_DEGREES)))


def _listed_alone(group: _Group, references: References) -> _Group:
    """The listed images of a group where they are evenly spaced and the others are of another pass."""
    listed = [image for image in group if _is_named(image, references.listed)]
    others = [image for image in group if not _is_named(image, references.listed)]
    if len(listed) < 2 or not others or not is_even(_heights(listed)):
        return group
    is_other = _is_other_pass(_heights(others), _heights(listed), even=is_even(_heights(group)))
    return listed if is_other else group


def _is_other_pass(others: np.ndarray, listed: np.ndarray, *, even: bool) -> bool:
    """Whether images can be none of the slices that a file lists for the contoured region alone.

    They lie among slices that are listed from end to end; or among many where all together are not `even`; or
    off the grid of those listed, or at their places.
    """
    step = (listed[-1] - listed[0]) / (len(listed) - 1)
    within = (others > listed[0] - UNEVEN_FRACTION * step) & (others < listed[-1] + UNEVEN_FRACTION * step)
    from_end_to_end = others[0] > listed[0] - step and others[-1] < listed[-1] + step
    of_half = (others - listed[0]) / (step / 2)
    off_grid = np.abs(of_half - np.rint(of_half)) > 2 * UNEVEN_FRACTION
    at_same_place = np.rint(of_half) % 2 == 0
    many = len(listed) >= _MANY and not even
    return bool(
        (within & (from_end_to_end | many | off_grid | at_same_place)).any()
        or (len(listed) >= len(others) and off_grid.any())
    )


def _heights(group: _Group) -> np.ndarray:
    """Ascending, along the normal of the first; an image that is there twice counts once."""
    normal = _normal(group[0])
    by_uid = {image.uid: float(np.dot(geometry_of(image).position_mm, normal)) for image in group}
    return np.sort(list(by_uid.values()))


def _normal(image: CtInstance) -> np.ndarray:
    along_columns, along_rows = np.reshape(geometry_of(image).orientation, (2, 3))
    return np.cross(along_columns, along_rows)


def _list(groups: Sequence[_Group]) -> str:
    more = f" and {len(groups) - _SHOWN} more" if len(groups) > _SHOWN else ""
    return "; ".join(map(_described, groups[:_SHOWN])) + more


def _described(group: _Group) -> str:
    heights, kind = _heights(group), group[0].kind
    named = [
        f"acquisition {kind.acquisition}" if kind.acquisition else "",
        "\\".join(kind.image_type),
        f"kernel {kind.kernel}" if kind.kernel else "",
    ]
    images = f"{len(group)} images" if len(group) > 1 else "1 image"
    return f"{', '.join(filter(None, named)) or 'images'} ({images}, {heights[0]:g} to {heights[-1]:g} mm)"
