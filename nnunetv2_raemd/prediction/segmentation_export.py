"""From logits to what is written: labels, and probabilities if wanted, in the original image's grid.

As nnU-Net's `convert_predicted_logits_to_segmentation_with_correct_shape`, but slice by slice: beside the
logits, memory holds the labels.
"""

from __future__ import annotations

import zipfile
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Protocol

import numpy as np
from batchgenerators.utilities.file_and_folder_operations import save_pickle
from nnunetv2.utilities.label_handling.label_handling import LabelManager
from nnunetv2.utilities.plans_handling.plans_handler import ConfigurationManager, PlansManager

from nnunetv2_raemd.nnunet_files.image_writing import check_was_written
from nnunetv2_raemd.prediction.resampling_in_slices import resampled_in_slices
from nnunetv2_raemd.prediction.scan_part import whole_logits
from nnunetv2_raemd.whole_files import folder_in_the_making

Properties = Mapping[str, Any]
"""What nnU-Net remembers of an image to bring its segmentation back to it."""


class Postprocessor(Protocol):
    """What is done to a segmentation before it is written."""

    @property
    def needs_probabilities(self) -> bool:
        """Whether the segmentation alone does not do."""

    def __call__(self, segmentation: Any, maps: Any, spacing_mm: Sequence[float], /) -> Any:
        """Labels and probabilities (channels, Z, Y, X) to labels, in the grid of the image."""

    def steps(self) -> str:
        """What it does, in words."""


@dataclass(frozen=True)
class SegmentationExport:
    """Brings results of a model back to the images that they are of."""

    plans: PlansManager
    configuration: ConfigurationManager
    label_manager: LabelManager
    postprocessor: Postprocessor | None = None

    def segmentation(
        self, logits: np.ndarray, properties: Properties, file: Path | None = None
    ) -> np.ndarray:
        """`labels` after post-processing, if there is any.

        Args:
            file: where probabilities that it needs are kept meanwhile, rather than in memory.
        """
        labels = self.labels(logits, properties)
        if self.postprocessor is None:
            return labels
        try:
            needs_maps = self.postprocessor.needs_probabilities
            maps = self.probabilities(logits, properties, file) if needs_maps else None
            spacing_mm = [float(mm) for mm in properties["spacing"]]
            processed: np.ndarray = self.postprocessor(labels, maps, spacing_mm)
            return processed
        finally:
            if file is not None:
                file.unlink(missing_ok=True)

    def labels(self, logits: np.ndarray, properties: Properties) -> np.ndarray:
        """Labels (Z, Y, X) in the grid of the image as read, 8 bit where that is enough."""
        dtype = np.uint8 if len(self.label_manager.foreground_labels) < 255 else np.uint16
        labels = np.zeros(properties["shape_before_cropping"], dtype)
        inside = labels[_box(properties)]
        for slices, values in self._resampled(logits, properties):
            inside[slices] = self.label_manager.convert_logits_to_segmentation(values)
        return labels.transpose(self.plans.transpose_backward)

    def probabilities(
        self, logits: np.ndarray, properties: Properties, file: Path | None = None
    ) -> np.ndarray:
        """Probabilities (classes or regions, Z, Y, X) in the grid of the image as read, 32 bit.

        Args:
            file: to keep them in rather than in memory, as .npy.
        """
        shape = (len(logits), *properties["shape_before_cropping"])
        if file is None:
            values_of_image = np.zeros(shape, np.float32)
        else:
            values_of_image = np.lib.format.open_memmap(file, "w+", np.float32, shape)
        if not self.label_manager.has_regions:
            values_of_image[0] = 1  # outside of what nnU-Net kept of the image, all is background
        box = (slice(None), *_box(properties))
        inside = values_of_image[box]
        for slices, values in self._resampled(logits, properties):
            inside[:, slices] = self.label_manager.apply_inference_nonlin(values).numpy()
        return values_of_image.transpose([0, *(axis + 1 for axis in self.plans.transpose_backward)])

    def write_probabilities(self, logits: np.ndarray, properties: Properties, truncated: Path) -> None:
        """Write `truncated`.npz as nnU-Net does; what is not compressed yet is kept in a file meanwhile."""
        with folder_in_the_making(truncated.parent) as making:
            probabilities = self.probabilities(logits, properties, making / "probabilities.npy")
            with (
                zipfile.ZipFile(f"{truncated}.npz", "w", zipfile.ZIP_DEFLATED) as archive,
                archive.open("probabilities.npy", "w", force_zip64=True) as member,
            ):
                _write_npy(probabilities, member)
            del probabilities  # Windows removes no file that is mapped into memory

    def _resampled(self, logits: np.ndarray, properties: Properties) -> Iterator[tuple[slice, np.ndarray]]:
        shape = tuple(properties["shape_after_cropping_and_before_resampling"])
        original_mm = [properties["spacing"][axis] for axis in self.plans.transpose_forward]
        spacing_mm = list(self.configuration.spacing)
        if len(spacing_mm) < len(shape):  # of a 2d configuration: slices stay as they are
            spacing_mm = [original_mm[0], *spacing_mm]
        has_background = not self.label_manager.has_regions
        whole = whole_logits(logits, properties, has_background=has_background)
        yield from resampled_in_slices(whole, shape, self.configuration, spacing_mm, original_mm)


def export_prediction_from_logits(  # noqa: PLR0913 - nnU-Net's function, and one argument more
    logits: np.ndarray,
    properties: dict[str, Any],
    configuration: ConfigurationManager,
    plans: PlansManager,
    dataset_json: dict[str, Any],
    truncated: str,
    save_probabilities: bool = False,
    *,
    postprocessor: Postprocessor | None = None,
) -> None:
    """Write what nnU-Net's function of this name writes: `truncated` and its endings."""
    export = SegmentationExport(plans, configuration, plans.get_label_manager(dataset_json), postprocessor)
    if save_probabilities:
        export.write_probabilities(logits, properties, Path(truncated))
        save_pickle(properties, f"{truncated}.pkl")
    labels = export.segmentation(logits, properties, Path(f"{truncated}.maps.unfinished"))
    writer = plans.image_reader_writer_class()
    file = Path(f"{truncated}{dataset_json['file_ending']}")
    writer.write_seg(labels, str(file), properties)
    check_was_written(file)


def _box(properties: Properties) -> tuple[slice, ...]:
    """What nnU-Net kept of the image, along its transposed axes."""
    return tuple(slice(low, high) for low, high in properties["bbox_used_for_cropping"])


def _write_npy(values: np.ndarray, stream: Any) -> None:
    """As `np.save`, a slice at a time: of an array that is not contiguous, numpy would make a copy."""
    header = np.lib.format.header_data_from_array_1_0(np.empty((), values.dtype))
    header |= {"shape": values.shape, "fortran_order": False}
    np.lib.format.write_array_header_2_0(stream, header)
    for channel in values:
        for one_slice in channel:
            stream.write(np.ascontiguousarray(one_slice).tobytes())
