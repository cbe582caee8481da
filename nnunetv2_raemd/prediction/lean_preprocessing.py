"""nnU-Net's preprocessing of a scan without its copies of the whole scan.

What nnU-Net does is done by its own preprocessor. It is given the resampling functions of the plan in a form
that takes some slices at a time, where slices keep their number, and the image itself instead of a copy.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from nnunetv2.utilities.label_handling.label_handling import convert_labelmap_to_one_hot
from nnunetv2.utilities.plans_handling.plans_handler import ConfigurationManager, PlansManager

from nnunetv2_raemd.prediction.resampling_in_slices import SLICES_AT_A_TIME
from nnunetv2_raemd.prediction.scan_part import find_lungs, note_part, part_of
from nnunetv2_raemd.prediction.tiling import other_than_whole
from nnunetv2_raemd.prediction.values_remark import about_values
from nnunetv2_raemd.volumes.lung_box import LungBox

LUNGS_REMARK = "raemd_lungs_remark"
VALUES_REMARK = "raemd_values_remark"
"""Both are among the properties that nnU-Net keeps of an image."""
Resampling = Callable[[np.ndarray, Sequence[int], Sequence[float], Sequence[float]], np.ndarray]


class ConfigurationInSlices(ConfigurationManager):
    """A configuration whose images are resampled some slices at a time, where slices keep their number.

    A slice of the result then depends on one slice of the source: cubic splines pass through their nodes.
    """

    def __init__(self, configuration: ConfigurationManager) -> None:
        super().__init__(configuration.configuration)

    @property
    def resampling_fn_data(self) -> Resampling:
        """As nnU-Net's, of images."""
        return in_slices(super().resampling_fn_data)

    @property
    def resampling_fn_seg(self) -> Resampling:
        """As nnU-Net's, of labels."""
        return in_slices(super().resampling_fn_seg)


def in_slices(whole: Resampling) -> Resampling:
    """A resampling function of (C, Z, Y, X) that goes from some slices to the next where Z stays the same."""

    def resample(
        values: np.ndarray,
        shape: Sequence[int],
        spacing_mm: Sequence[float],
        target_spacing_mm: Sequence[float],
    ) -> np.ndarray:
        if shape[0] != values.shape[1]:
            return whole(values, shape, spacing_mm, target_spacing_mm)
        if tuple(shape) == values.shape[1:]:
            return values
        result = np.empty((len(values), *shape), values.dtype)
        for start in range(0, shape[0], SLICES_AT_A_TIME):
            some = slice(start, min(start + SLICES_AT_A_TIME, shape[0]))
            size = (some.stop - some.start, *shape[1:])
            result[:, some] = whole(values[:, some], size, spacing_mm, target_spacing_mm)
        return result

    return resample


@dataclass(frozen=True)
class LeanPreprocessing:
    """nnU-Net's preprocessing by the plan of a model.

    Attributes:
        lungs: whether to note what lies round the lungs, of CT, as the part to predict.
    """

    plans: PlansManager
    configuration: ConfigurationManager
    dataset_json: dict[str, Any]
    lungs: bool = False
    verbose: bool = False

    def run(
        self, held: list[np.ndarray], previous: np.ndarray | None, properties: dict[str, Any]
    ) -> tuple[np.ndarray, dict[str, Any]]:
        """The image (C, Z, Y, X) as the network takes it, and what brings its segmentation back.

        Args:
            held: the image alone, which is taken out of the list: so nobody holds it any more once there is a
                copy of it.
            previous: labels (1, Z, Y, X) of the previous stage of a cascade, which become channels.
            properties: of nnU-Net's reader.
        """
        remark = about_values(held[0], self.dataset_json)
        lungs = find_lungs(held[0], properties) if self.lungs else None
        data, seg, properties = self.configuration.preprocessor_class(verbose=self.verbose).run_case_npy(
            held.pop(),
            previous,
            properties,
            self.plans,
            ConfigurationInSlices(self.configuration),
            self.dataset_json,
        )
        if previous is not None:
            labels = self.plans.get_label_manager(self.dataset_json).foreground_labels
            data = np.vstack((data, convert_labelmap_to_one_hot(seg[0], labels, data.dtype)))
        if remark is not None:
            properties[VALUES_REMARK] = remark
        if lungs is not None:
            self._note_lungs(lungs, data.shape[1:], properties)
        return data.astype(np.float32, copy=False), properties

    def _note_lungs(self, lungs: LungBox, shape: Sequence[int], properties: dict[str, Any]) -> None:
        if lungs.box is None:
            properties[LUNGS_REMARK] = f"{lungs.reason}: the whole scan is predicted"
            return
        note_part(shape, lungs.box, properties, self.plans.transpose_forward)
        part = part_of(properties)
        if part is not None and (reason := other_than_whole(self.configuration, shape, part)):
            properties[LUNGS_REMARK] = (
                f"in the box around the lungs, lesions may differ from those of the whole scan: {reason}"
            )

    def read(self, images: Sequence[Path], previous: Path | None) -> tuple[np.ndarray, dict[str, Any]]:
        """As `run`, of files that nnU-Net's reader of the plan reads."""
        reader = self.plans.image_reader_writer_class()
        image, properties = reader.read_images([str(file) for file in images])
        labels = None if previous is None else reader.read_seg(str(previous))[0]
        held = [image]
        del image
        return self.run(held, labels, properties)
