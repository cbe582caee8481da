"""A part of a scan that is predicted, in the place of all of it: the rest is background."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from nnunetv2_raemd.volumes.boxes import Box
from nnunetv2_raemd.volumes.lung_box import LungBox, anatomy_of, find_lung_box

BACKGROUND_LOGIT = 20.0
"""softmax and sigmoid of it are 1 in half precision, and 0 of its negative"""
PREDICTED_BOX = "raemd_predicted_box"
PREPROCESSED_SHAPE = "raemd_preprocessed_shape"
"""among the properties that nnU-Net keeps of an image"""


def find_lungs(image: np.ndarray, properties: Mapping[str, Any]) -> LungBox:
    """The box round the lungs in an image (C, Z, Y, X) as nnU-Net reads it; CT is the first channel."""
    direction = properties.get("sitk_stuff", {}).get("direction", ())
    anatomy = anatomy_of(direction if len(direction) == 9 else np.eye(3).ravel().tolist())
    return find_lung_box(image[0], properties["spacing"], anatomy)


def note_part(
    preprocessed: Sequence[int], box: Box, properties: dict[str, Any], transpose: Sequence[int]
) -> None:
    """Note which part of a preprocessed image shows a box of the original one; a box beside it, not at all.

    Args:
        preprocessed: shape of the image (Z, Y, X).
        properties: of preprocessing, in which it is noted.
        transpose: order of the original axes in the preprocessed image.
    """
    cropped = properties["shape_after_cropping_and_before_resampling"]
    kept = [side[0] for side in properties["bbox_used_for_cropping"]]
    sides = []
    for axis, original in enumerate(transpose):
        scale = preprocessed[axis] / cropped[axis]
        start = math.floor((box[original].start - kept[axis]) * scale)
        stop = math.ceil((box[original].stop - kept[axis]) * scale)
        sides.append([max(0, start), min(preprocessed[axis], stop)])
    if all(start < stop for start, stop in sides):
        properties[PREDICTED_BOX], properties[PREPROCESSED_SHAPE] = sides, list(preprocessed)


def part_of(properties: Mapping[str, Any]) -> Box | None:
    """The part that is to be predicted; None for all of the image."""
    if PREDICTED_BOX not in properties:
        return None
    z, y, x = (slice(*side) for side in properties[PREDICTED_BOX])
    return z, y, x


@dataclass(frozen=True)
class PartialLogits:
    """Logits of a part of a scan that read as those of all of it; slices are made when they are asked for.

    Attributes:
        logits: (classes, Z, Y, X) of the part.
        box: where it lies.
        whole: (Z, Y, X) of the scan.
        has_background: whether the first class is the background, and not a region.
    """

    logits: np.ndarray
    box: Box
    whole: tuple[int, ...]
    has_background: bool

    @property
    def shape(self) -> tuple[int, ...]:
        """(classes, Z, Y, X) of the whole."""
        return (len(self.logits), *self.whole)

    @property
    def dtype(self) -> Any:
        return self.logits.dtype

    def __len__(self) -> int:
        return len(self.logits)

    def __getitem__(self, index: tuple[slice, int]) -> np.ndarray:
        """`[:, k]` alone: slice k of all classes, (classes, Y, X)."""
        _, k = index
        one = np.full((len(self.logits), *self.whole[1:]), -BACKGROUND_LOGIT, self.dtype)
        if self.has_background:
            one[0] = BACKGROUND_LOGIT
        along, *in_plane = self.box
        if along.start <= k < along.stop:
            inside = (slice(None), *in_plane)
            one[inside] = self.logits[:, k - along.start]
        return one

    def filled(self) -> np.ndarray:
        """The whole at once."""
        return np.stack([self[:, k] for k in range(self.whole[0])], axis=1)


def whole_logits(
    logits: np.ndarray, properties: Mapping[str, Any], *, has_background: bool
) -> np.ndarray | PartialLogits:
    """Logits of the whole scan, from those of what was predicted of it."""
    box = part_of(properties)
    if box is None:
        return logits
    return PartialLogits(logits, box, tuple(properties[PREPROCESSED_SHAPE]), has_background)
