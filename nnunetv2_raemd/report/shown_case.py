"""One case for the slice viewer: grey slices, and the outlines of the reference and of every system."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray
from scipy.ndimage import label

from nnunetv2_raemd.errors import UserError
from nnunetv2_raemd.evaluation.case_evaluation import CaseFiles
from nnunetv2_raemd.nnunet_files.case_images import CaseImage
from nnunetv2_raemd.nnunet_files.label_set import LabelSet, Target
from nnunetv2_raemd.nnunet_files.segmentation_file import check_same_grid
from nnunetv2_raemd.report.case_and_slice_choice import choose_slices
from nnunetv2_raemd.report.displayed_volume import Volume, read_volume
from nnunetv2_raemd.report.grey_scale import CT_SCALE, GreyScale, scale_of
from nnunetv2_raemd.report.roles import REFERENCE
from nnunetv2_raemd.report.slice_pictures import jpegs, outline
from nnunetv2_raemd.volumes.hu_values import unlike_hu

_CLOSE_UP_SIDE = 32  # voxels, at least
_CLOSE_UP_FACTOR = 3  # times the mask's extent


@dataclass(frozen=True)
class ShownCase:
    """A case as the page's JSON, and what could not be shown of it."""

    content: dict[str, Any]
    problems: tuple[str, ...]


def show_case(files: Mapping[str, CaseFiles], image: CaseImage, labels: LabelSet) -> ShownCase:
    """Read a case and draw it.

    Without its image, outlines are shown on black; without one prediction, the others.

    Args:
        files: those of the case, by system.

    Raises:
        UserError: if the reference cannot be read.
    """
    some = next(iter(files.values()))
    reference = read_volume(some.reference, some.reader)
    problems: list[str] = []
    counted = _counted(reference, labels)
    volumes = {REFERENCE.name: replace(reference, voxels=np.where(counted, reference.voxels, 0))}
    for name, case in files.items():
        found = _read_beside(case.prediction, case.reader, reference, some.reference, problems)
        if found is not None:
            volumes[name] = found
    shown = _read_beside(image.file, image.reader, reference, some.reference, problems)
    slices = _slices(volumes)
    scale = CT_SCALE if shown is None else scale_of(shown.voxels[slices], image.channel)
    if shown is not None and scale is CT_SCALE and (why := unlike_hu(shown.voxels)) is not None:
        problems.append(f"{image.file}: {why}.")
    pictures = [None] * len(slices) if shown is None else jpegs(scale.grey(shown.voxels[slices]))
    outlines = {
        name: [_outlines(volume.voxels[i], counted[i], labels.targets) for i in slices]
        for name, volume in volumes.items()
    }
    content = {
        **_frame(reference, scale),
        **_first_view(volumes, slices),
        "note": " ".join(problems),
        "slices": [
            {"number": i + 1, "image": picture, "outlines": {name: outlines[name][k] for name in outlines}}
            for k, (i, picture) in enumerate(zip(slices, pictures, strict=True))
        ],
    }
    return ShownCase(content, tuple(problems))


def _read_beside(
    file: Path, reader: str, reference: Volume, reference_file: Path, problems: list[str]
) -> Volume | None:
    """A volume on the reference's grid; where there is none, the reason goes to `problems`."""
    try:
        found = read_volume(file, reader)
        check_same_grid(reference_file, file, reference.geometry, found.geometry)
    except UserError as error:
        problems.append(f"Not shown: {error}.")
        return None
    return found


def _slices(volumes: Mapping[str, Volume]) -> list[int]:
    counts = {name: np.count_nonzero(volume.voxels, axis=(1, 2)) for name, volume in volumes.items()}
    reference = counts.pop(REFERENCE.name)
    predicted = sum(counts.values(), np.zeros_like(reference))
    return choose_slices(reference, predicted)


def _frame(reference: Volume, scale: GreyScale) -> dict[str, Any]:
    """What is the same for all slices."""
    _, height, width = reference.voxels.shape
    z, y, x = reference.geometry.spacing_mm
    return {
        "height": height,
        "width": width,
        "spacing": [z, y, x],
        "depth": len(reference.voxels),
        "values": scale.values,
        "levels": scale.levels,
        "unit": scale.unit,
        "sides": reference.sides,
        "windows": [[window.name, window.low, window.high] for window in scale.windows],
    }


def _first_view(volumes: Mapping[str, Volume], slices: Sequence[int]) -> dict[str, Any]:
    """The slice to show first and the close-up's place in it: where most of the reference is.

    Of a case without any, where most is predicted: that is why it is among the worst.
    """
    masks = {name: volume.voxels[list(slices)] > 0 for name, volume in volumes.items()}
    shown = masks[REFERENCE.name]
    if not shown.any():
        shown = np.any(list(masks.values()), axis=0)
    start = int(np.count_nonzero(shown, axis=(1, 2)).argmax())
    return {"start": start, "closeUp": _close_up(shown[start])}


def _close_up(mask: NDArray[np.bool_]) -> list[float] | None:
    """First corner (x, y) and side, in voxels, of a square round a mask's largest part; None without any."""
    parts, n_parts = label(mask)
    if not n_parts:
        return None
    largest = np.bincount(parts.ravel())[1:].argmax() + 1
    sides = [(int(places.min()), int(places.max()) + 1) for places in np.nonzero(parts == largest)]
    extent = max(end - first for first, end in sides)
    side = min(max(_CLOSE_UP_SIDE, _CLOSE_UP_FACTOR * extent), *mask.shape)
    y, x = (
        min(max((first + end - side) / 2, 0), length - side)
        for (first, end), length in zip(sides, mask.shape, strict=True)
    )
    return [x, y, side]


def _counted(reference: Volume, labels: LabelSet) -> NDArray[np.bool_]:
    """Voxels outside the ignore label."""
    if labels.ignore_label is None:
        return np.ones(reference.voxels.shape, bool)
    return np.asarray(reference.voxels != labels.ignore_label)


def _outlines(labels: NDArray[Any], counted: NDArray[np.bool_], targets: Sequence[Target]) -> dict[str, str]:
    found = {target.name: outline(np.isin(labels, target.values) & counted) for target in targets}
    return {name: text for name, text in found.items() if text}
