"""Whether an attribution says something: deletion and insertion (Petsiuk et al., BMVC 2018), localisation.

Voxels are taken away (replaced by `surroundings`) from the highest attribution on: the sooner the lesion is
gone, the better they were named. Or they are put into the empty surroundings: the sooner it is there, the
better. Both are areas under the lesion's probability over the share of voxels. An attribution that does no
better than chance, or than one of an untrained network (Adebayo et al., NeurIPS 2018), explains nothing.
"""

from __future__ import annotations

from dataclasses import dataclass

import torch
from scipy import ndimage
from torch import Tensor, nn

from nnunetv2_raemd.explanation.gradient_attribution import surroundings
from nnunetv2_raemd.explanation.lesion_window import LesionWindow

SHARES = (0.0, 0.001, 0.002, 0.005, 0.01, 0.02, 0.05, 0.1, 0.2, 0.5, 1.0)
"""Dense where a lesion is: it fills about a thousandth of a window."""


@dataclass(frozen=True)
class Faithfulness:
    """Of one attribution of one lesion.

    Attributes:
        deletion, insertion: mean probability over `SHARES`: deletion is better low, insertion high.
        inside: share of the positive attribution that lies in the lesion.
        by_chance: the lesion's share of the window, which an even attribution would have inside.
    """

    deletion: float
    insertion: float
    inside: float
    by_chance: float


@torch.inference_mode()
def faithfulness(
    network: nn.Module, window: LesionWindow, attribution: Tensor, lesion: Tensor | None = None
) -> Faithfulness:
    """Rate an attribution (T, H, W).

    Args:
        lesion: the reference (T, H, W), where it is known, for the localisation; else what was predicted.
    """
    order = attribution.flatten().argsort(descending=True, stable=True)
    empty = surroundings(window)
    n_voxels = [round(share * len(order)) for share in SHARES]
    deletion = [_probability(network, window, _mixed(window.image, empty, order[:n])) for n in n_voxels]
    insertion = [_probability(network, window, _mixed(empty, window.image, order[:n])) for n in n_voxels]
    region = window.roi if lesion is None else lesion
    positive = attribution.clamp(min=0)
    total = float(positive.sum())
    return Faithfulness(
        sum(deletion) / len(deletion),
        sum(insertion) / len(insertion),
        float(positive[region].sum()) / total if total else 0.0,
        float(region.float().mean()),
    )


def random_attribution(window: LesionWindow, seed: int, *, smoothness: float = 2.0) -> Tensor:
    """Blobs of the size of small lesions, anywhere: single voxels would be too easy to beat."""
    generator = torch.Generator().manual_seed(seed)
    noise = torch.rand(window.roi.shape, generator=generator)
    return torch.from_numpy(ndimage.gaussian_filter(noise.numpy(), smoothness))


def _mixed(image: Tensor, other: Tensor, voxels: Tensor) -> Tensor:
    """The image with these voxels (numbers in (T, H, W)) of another."""
    mixed = image.clone()
    mixed.flatten(2)[:, :, voxels] = other.flatten(2)[:, :, voxels]
    return mixed


def _probability(network: nn.Module, window: LesionWindow, image: Tensor) -> float:
    return float(window.probability(network(image))[0][window.roi].mean())
