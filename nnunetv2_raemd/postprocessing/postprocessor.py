"""The chosen settings of all labels of a dataset, applied to a segmentation as an array."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from nnunetv2_raemd.errors import UserError
from nnunetv2_raemd.nnunet_files.label_set import LabelSet, labels_of
from nnunetv2_raemd.nnunet_files.probability_map import ProbabilityMaps, channel_of
from nnunetv2_raemd.nnunet_files.segmentation_file import Labels
from nnunetv2_raemd.postprocessing.postprocessing_steps import postprocess
from nnunetv2_raemd.postprocessing.settings_file import LabelSettings
from nnunetv2_raemd.volumes.boxes import Mask


@dataclass(frozen=True)
class Postprocessor:
    """Post-processing of a dataset's segmentations.

    Attributes:
        settings: one for each label or region, in the order of `labels`.
        region_order: regions_class_order of dataset.json; None without regions.
    """

    settings: tuple[LabelSettings, ...]
    labels: LabelSet
    region_order: tuple[int, ...] | None

    @property
    def needs_probabilities(self) -> bool:
        """Whether the segmentation alone does not do."""
        return any(label.settings.needs_probabilities for label in self.settings)

    def __call__(
        self, segmentation: Labels, maps: ProbabilityMaps | None, spacing_mm: Sequence[float]
    ) -> Labels:
        """A segmentation (Z, Y, X) after all steps; the one given is not changed.

        Args:
            maps: probabilities (channels, Z, Y, X) as nnU-Net has them; only read where they are needed.
            spacing_mm: (z, y, x).
        """
        masks = {}
        for label in self.settings:
            before = np.isin(segmentation, label.target.values)
            probability = None if maps is None else channel_of(maps, self.labels, label.target)
            after = postprocess(before, probability, spacing_mm=spacing_mm, settings=label.settings)
            masks[label.target.values] = (before, after)
        return combine(segmentation, masks, self.region_order)

    def steps(self) -> str:
        """What is done to which label, in words for a report; "nothing", where nothing was kept."""
        described = [f"{label.target.name}: {steps}" for label in self.settings if (steps := _steps(label))]
        return "; ".join(described) or "nothing"


def postprocessor_for(
    settings: Sequence[LabelSettings], dataset_json: Mapping[str, Any], origin: str
) -> Postprocessor:
    """The post-processing of a dataset's segmentations.

    Args:
        origin: where `dataset_json` was read, for the message.

    Raises:
        UserError: if the settings are of other labels.
    """
    labels = labels_of(dict(dataset_json))
    by_values = {label.target.values: label for label in settings}
    missing = [target.name for target in labels.targets if target.values not in by_values]
    if missing or len(by_values) != len(labels.targets):
        raise UserError(
            f"the settings were chosen for other labels than those of {origin}: "
            "run raemd postprocess determine for it"
        )
    has_regions = any(len(target.values) > 1 for target in labels.targets)
    return Postprocessor(
        tuple(by_values[target.values] for target in labels.targets),
        labels,
        tuple(dataset_json["regions_class_order"]) if has_regions else None,
    )


def combine(
    segmentation: Labels,
    masks: Mapping[tuple[int, ...], tuple[Mask, Mask]],
    region_order: Sequence[int] | None,
) -> Labels:
    """The segmentation with each label's mask changed from the first of the pair to the second.

    Labels: what a label loses becomes background, what it wins was background. Regions: all are painted anew
    in nnU-Net's order (regions_class_order of dataset.json).
    """
    if region_order is not None:
        painted = np.zeros_like(segmentation)
        for value, (_, after) in zip(region_order, masks.values(), strict=True):
            painted[after] = value
        return painted
    result = segmentation.copy()
    for before, after in masks.values():
        result[before & ~after] = 0
    for (value, *_), (_, after) in masks.items():
        result[after & (result == 0)] = value
    return result


def _steps(label: LabelSettings) -> str:
    chosen = label.settings
    steps = {
        f"threshold {chosen.threshold}": chosen.threshold is not None,
        f"opening {chosen.opening_mm:g} mm": bool(chosen.opening_mm),
        f"closing {chosen.closing_mm:g} mm": bool(chosen.closing_mm),
        "holes filled": chosen.fill_holes,
        f"components below {chosen.min_volume_mm3:g} mm3 removed": bool(chosen.min_volume_mm3),
        f"components below probability {chosen.min_probability:g} removed": bool(chosen.min_probability),
    }
    return ", ".join(step for step, is_taken in steps.items() if is_taken)
