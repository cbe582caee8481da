"""What the network saw of one lesion: a patch of its own size round it, and the voxels of the lesion."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import torch
import torch.nn.functional as F
from scipy import ndimage
from torch import Tensor, nn


@dataclass(frozen=True)
class LesionWindow:
    """One lesion as the network takes it.

    Attributes:
        image: (1, C, T, H, W), of the patch size of the training.
        roi: voxels (T, H, W) of the lesion.
        start: first voxel of the window in the preprocessed image (z, y, x); negative where it was padded.
        head: channel of the logits that the lesion is of.
        regions: whether heads are regions (sigmoid) and not classes (softmax).
    """

    image: Tensor
    roi: Tensor
    start: tuple[int, int, int]
    head: int
    regions: bool

    @property
    def middle(self) -> int:
        """The slice of the window that holds most of the lesion."""
        return int(self.roi.flatten(1).sum(1).argmax())

    def probability(self, logits: Tensor) -> Tensor:
        """Of the lesion's label, (B, T, H, W), from logits (B, heads, T, H, W)."""
        chances = logits.sigmoid() if self.regions else logits.softmax(1)
        return chances[:, self.head]

    def score(self, logits: Tensor) -> Tensor:
        """How much speaks for the lesion: the mean log odds of its label in it, (B,)."""
        own = logits[:, self.head]
        if not self.regions:
            others = [head for head in range(logits.shape[1]) if head != self.head]
            own = own - logits[:, others].logsumexp(1)
        return (own * self.roi).sum((1, 2, 3)) / self.roi.sum()


def cut_window(
    image: Tensor, centre: Sequence[float], patch_size: Sequence[int]
) -> tuple[Tensor, tuple[int, int, int]]:
    """The patch of an image (C, Z, Y, X) round a place, (1, C, T, H, W), and its first voxel.

    It stays within the image where that is large enough; else it is padded with zeros, as in prediction.
    """
    sides, padding, start = [], [], []
    for place, length, size in zip(centre, image.shape[1:], patch_size, strict=True):
        first = min(max(round(place - (size - 1) / 2), 0), max(length - size, 0))
        before = max(size - length, 0) // 2
        sides.append(slice(first, min(first + size, length)))
        padding.append((before, size - before - (sides[-1].stop - first)))
        start.append(first - before)
    z, y, x = sides
    pads = [width for side in reversed(padding) for width in side]
    return F.pad(image[:, z, y, x], pads)[None].float(), (start[0], start[1], start[2])


def lesion_window(
    network: nn.Module,
    image: Tensor,
    centre: Sequence[float],
    patch_size: Sequence[int],
    *,
    head: int,
    regions: bool,
) -> LesionWindow | None:
    """The window round a lesion's centre; None where the network predicts nothing of its label there.

    The lesion is the 26-connected component of what the network predicts in the window that lies nearest to
    the centre.
    """
    cut, start = cut_window(image, centre, patch_size)
    with torch.inference_mode():
        logits = network(cut)
    predicted = logits[0, head] > 0 if regions else logits[0].argmax(0) == head
    parts, number = ndimage.label(predicted.numpy(), [[[1] * 3] * 3] * 3)
    if not number:
        return None
    places = torch.from_numpy(parts).nonzero()
    offsets = places - (torch.tensor(centre) - torch.tensor(start))
    nearest = places[offsets.square().sum(1).argmin()]
    roi = torch.from_numpy(parts == parts[tuple(nearest.tolist())])
    return LesionWindow(cut, roi, start, head, regions)
