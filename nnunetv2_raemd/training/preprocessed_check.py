"""Whether preprocessed data is of the plan that it is to be trained by, as a look at a few cases tells.

nnU-Net finds the data by the name of the plan alone. Where a dataset was planned again, with another spacing
or with other cases, and not preprocessed again, a network learns from images that it will never be shown.
"""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
from nnunetv2.preprocessing.resampling.default_resampling import compute_new_shape
from nnunetv2.utilities.plans_handling.plans_handler import ConfigurationManager, PlansManager

from nnunetv2_raemd.counted import counted
from nnunetv2_raemd.errors import UserError

N_CHECKED = 8
# Of the range of normalized values: what rounding may add
TOLERANCE = 0.01
# Median HU of labels: air, and far above soft tissue with contrast
LIGHTEST, DENSEST = -1050, 500
# What the plan must name for the check to know what it does
PREPROCESSOR, RESAMPLING, CT_NORMALIZATION = (
    "DefaultPreprocessor",
    "resample_data_or_seg_to_shape",
    "CTNormalization",
)


def check_preprocessed(dataset: Any, plans: PlansManager, configuration: ConfigurationManager) -> None:
    """Compare size and values of a few cases with what the plan makes of them.

    Args:
        dataset: nnU-Net's, of the preprocessed cases.

    Raises:
        UserError: if they were preprocessed by another plan.
    """
    if configuration.configuration.get("preprocessor_name") != PREPROCESSOR:
        return
    identifiers = sorted(dataset.identifiers)
    for number, case in enumerate(identifiers[:: max(1, len(identifiers) // N_CHECKED)][:N_CHECKED]):
        image, _, _, properties = dataset.load_case(case)
        wrong = _wrong_size(image.shape[1:], properties, plans, configuration)
        if wrong is None and number == 0:  # which takes reading it
            wrong = _wrong_values(np.asarray(image[:]), plans, configuration)
        if wrong is not None:
            raise UserError(
                f"{case} in {dataset.source_folder} was preprocessed by another plan than "
                f"{plans.plans_name}: {wrong}. Run nnUNetv2_preprocess again with this plan"
            )


def _wrong_size(
    shape: tuple[int, ...],
    properties: dict[str, Any],
    plans: PlansManager,
    configuration: ConfigurationManager,
) -> str | None:
    spacing = [properties["spacing"][axis] for axis in plans.transpose_forward]
    target = [*spacing[: len(spacing) - len(configuration.spacing)], *configuration.spacing]
    before = properties["shape_after_cropping_and_before_resampling"]
    expected = compute_new_shape(before, spacing, target)
    if tuple(shape) == tuple(expected):
        return None
    return (
        f"it has {_by(shape)} voxels, and would have {_by(expected)} at the plan's spacing of "
        f"{_by(f'{mm:g}' for mm in configuration.spacing)} mm"
    )


def _wrong_values(image: np.ndarray, plans: PlansManager, configuration: ConfigurationManager) -> str | None:
    """What is outside the range to which nnU-Net clips CT; its resampling stays within it."""
    if configuration.configuration.get("resampling_fn_data") != RESAMPLING:
        return None
    for channel, scheme in enumerate(configuration.normalization_schemes):
        of_training = plans.foreground_intensity_properties_per_channel.get(str(channel))
        if scheme != CT_NORMALIZATION or of_training is None:
            continue
        lowest, highest = (
            (of_training[limit] - of_training["mean"]) / max(of_training["std"], 1e-8)
            for limit in ("percentile_00_5", "percentile_99_5")
        )
        slack = TOLERANCE * (highest - lowest)
        found = float(image[channel].min()), float(image[channel].max())
        if found[0] < lowest - slack or found[1] > highest + slack:
            return (
                f"its values reach from {found[0]:.2f} to {found[1]:.2f}, and the plan's normalization clips "
                f"them to {lowest:.2f} to {highest:.2f}"
            )
    return None


def _by(sizes: Any) -> str:
    return " x ".join(str(size) for size in sizes)


def about_intensities(plans: PlansManager, configuration: ConfigurationManager) -> Iterator[str]:
    """What tells that the images of a training are no HU: lesions are neither as dense as bone nor as air.

    A network trained on them is good for such images only, and says nothing when it is shown HU.
    """
    for channel, scheme in enumerate(configuration.normalization_schemes):
        of_training = plans.foreground_intensity_properties_per_channel.get(str(channel), {})
        median = of_training.get("median")
        if scheme == CT_NORMALIZATION and median is not None and (median < LIGHTEST or median > DENSEST):
            yield (
                f"where {plans.dataset_name} has labels, the median of channel {channel} is {median:.0f}, "
                "which is no lesion in HU. The images seem to be HU plus or less 1024, and so must be all "
                "images to predict: rather write HU, and plan and preprocess again"
            )


def changed_since(raw: Path, preprocessed: Path, file_ending: str) -> Iterator[str]:
    """What has changed in the raw dataset since it was preprocessed, as its labels tell; they are not read.

    Args:
        raw, preprocessed: the folders of the dataset. Without the raw one, nothing is known.
    """
    now, then = (
        {file.name: file.stat() for file in folder.glob(f"*{file_ending}")}
        for folder in (raw / "labelsTr", preprocessed / "gt_segmentations")
    )
    if not now or not then:
        return
    new = sorted(now.keys() - then.keys())
    gone = sorted(then.keys() - now.keys())
    changed = sorted(name for name in now.keys() & then.keys() if now[name].st_size != then[name].st_size)
    for names, what in ((new, "added"), (gone, "removed"), (changed, "changed")):
        if names:
            yield f"{counted(len(names), 'label')} of {raw} {what} since it was preprocessed, as {names[0]}"
