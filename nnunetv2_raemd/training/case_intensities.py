"""Cases of a training whose images are no HU while the others' are, as a look at a few slices of each tells.

What a plan says of intensities is of all cases together, in which one that is stored as HU plus 1024 does not
show. The preprocessed images are clipped to what lesions have, which leaves little of air and bone. Yet in
HU plus 1024 nothing lies between air and soft tissue, where lungs have borders and fat is, in HU less 1024
nothing above air. Scaled HU do not show.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Any

import numpy as np
from nnunetv2.utilities.plans_handling.plans_handler import ConfigurationManager, PlansManager
from numpy.typing import NDArray

from nnunetv2_raemd.counted import counted
from nnunetv2_raemd.training.preprocessed_check import CT_NORMALIZATION, PREPROCESSOR

N_SLICES = 5
# HU: below lies air, and up to soft tissue what is partly air, and fat; above, compact bone
_AIR, _NEARLY_SOFT, _DENSE = -500, -150, 850
# Shares of voxels, on real scans and on cubes of 51 mm around nodules (docs/own-data.md)
_LEAST_BETWEEN, _MOST_DENSE, _LEAST_ABOVE_AIR = 0.005, 0.1, 0.01
# Medians of whole images: more than blood with contrast, less than the lightest lung
_HEAVIEST, _LIGHTEST = 200, -950


def about_cases(
    datasets: Sequence[Any], plans: PlansManager, configuration: ConfigurationManager
) -> Iterator[str]:
    """A sentence for each kind of images that are no HU.

    Args:
        datasets: nnU-Net's, of preprocessed cases.
    """
    if configuration.configuration.get("preprocessor_name") != PREPROCESSOR:
        return
    of_case = {case: dataset for dataset in datasets for case in dataset.identifiers}
    for channel, scheme in enumerate(configuration.normalization_schemes):
        of_training = plans.foreground_intensity_properties_per_channel.get(str(channel))
        if scheme != CT_NORMALIZATION or of_training is None:
            continue
        found: dict[str, list[str]] = {}
        for case in sorted(of_case):
            image = of_case[case].load_case(case)[0]
            hu = _few_slices(image, channel) * max(of_training["std"], 1e-8) + of_training["mean"]
            why = unlike_hu_clipped(hu, of_training["percentile_00_5"], of_training["percentile_99_5"])
            if why is not None:
                found.setdefault(why, []).append(case)
        for why, cases in found.items():
            yield (
                f"{counted(len(cases), 'case')} of {len(of_case)}, as {cases[0]}: {why}. Look at the images; "
                "rather write HU, and plan and preprocess again"
            )


def _few_slices(image: Any, channel: int) -> NDArray[np.float32]:
    """The slices in the middle of `N_SLICES` parts of an image (C, Z, Y, X), which is read no further."""
    n = image.shape[1]
    chosen = sorted({(2 * part + 1) * n // (2 * N_SLICES) for part in range(N_SLICES)})
    return np.stack([np.asarray(image[channel, index]) for index in chosen]).astype(np.float32)


def unlike_hu_clipped(hu: NDArray[Any], lowest: float, highest: float) -> str | None:
    """Why voxels clipped to a range do not look like HU; None where they do, or nothing is left to see."""
    median = np.median(hu)
    if lowest < _NEARLY_SOFT:
        between = np.mean((hu > lowest + 1) & (hu < _NEARLY_SOFT))
        dense = np.mean(hu > min(_DENSE, highest - 1))
        if between < _LEAST_BETWEEN and (dense > _MOST_DENSE or median > _HEAVIEST):
            return (
                "next to nothing lies between air and soft tissue, and much is as dense as bone, as in HU "
                "plus 1024"
            )
    air = max(_AIR, lowest + 1)
    if np.mean(hu > air) < _LEAST_ABOVE_AIR and median <= max(_LIGHTEST, lowest + 1):
        return f"next to nothing is denser than {air:.0f} HU, as in HU less 1024"
    return None
