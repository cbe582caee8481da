"""A remark on scans whose voxels do not look like those that the network was trained on."""

from __future__ import annotations

from typing import Any

import numpy as np

from nnunetv2_raemd.volumes.hu_values import unlike_hu


def about_values(image: np.ndarray, dataset_json: dict[str, Any]) -> str | None:
    """A remark where a CT does not look like HU.

    Args:
        image: (C, Z, Y, X) as in the files, with the channels of `dataset_json`.
    """
    names = dataset_json.get("channel_names", dataset_json.get("modality", {}))
    for channel, name in zip(image, names.values(), strict=False):
        if str(name).casefold() == "ct" and (why := unlike_hu(channel)) is not None:
            return f"{why}. The network expects HU"
    return None
