"""Whether the voxels of a scan can be HU: files that other programs write often hold them plus 1024."""

from __future__ import annotations

from typing import Any

import numpy as np

AIR_HU = -500
LEAST_AIR = 1e-3
_ASKED = 4  # one in so many slices


def about_values(image: np.ndarray, dataset_json: dict[str, Any]) -> str | None:
    """A remark where a CT holds next to no air, which there is in the lungs and round every patient.

    Args:
        image: (C, Z, Y, X) as in the files, with the channels of `dataset_json`.
    """
    names = dataset_json.get("channel_names", dataset_json.get("modality", {}))
    for channel, name in zip(image, names.values(), strict=False):
        if str(name).casefold() == "ct" and np.mean(channel[::_ASKED] < AIR_HU) < LEAST_AIR:
            return (
                f"its values do not look like HU (from {channel.min():g} to {channel.max():g}): fewer than "
                f"one voxel in a thousand is air (below {AIR_HU} HU). The network expects HU"
            )
    return None
