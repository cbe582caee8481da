"""Where voxels of a preprocessed image lie in the scan and in the patient, and back."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import SimpleITK as sitk
from numpy.typing import NDArray


@dataclass(frozen=True)
class PreprocessedSpace:
    """What nnU-Net did to the grid of a scan: transposed, cropped, resampled.

    Attributes:
        transpose: axes of the scan's array (z, y, x) in the order of the preprocessed image.
        crop_start: first voxel of the crop, in that order.
        step: voxels of the scan per voxel of the preprocessed image, in that order.
    """

    transpose: tuple[int, ...]
    crop_start: tuple[int, ...]
    step: tuple[float, ...]

    @classmethod
    def of(
        cls, properties: dict[str, Any], transpose: Sequence[int], shape: Sequence[int]
    ) -> PreprocessedSpace:
        """From what nnU-Net remembers of the image, and the shape (Z, Y, X) that it has become."""
        cropped = properties["shape_after_cropping_and_before_resampling"]
        return cls(
            tuple(transpose),
            tuple(int(side[0]) for side in properties["bbox_used_for_cropping"]),
            tuple(before / after for before, after in zip(cropped, shape, strict=True)),
        )

    def from_scan(self, voxel: Sequence[float]) -> tuple[float, ...]:
        """A place (slice, row, column) of the scan in the preprocessed image."""
        return tuple(
            (voxel[axis] - start + 0.5) / step - 0.5
            for axis, start, step in zip(self.transpose, self.crop_start, self.step, strict=True)
        )

    def to_scan(self, place: Sequence[float]) -> tuple[float, ...]:
        """The inverse of `from_scan`."""
        voxel = [0.0] * len(place)
        for axis, start, step, index in zip(self.transpose, self.crop_start, self.step, place, strict=True):
            voxel[axis] = (index + 0.5) * step - 0.5 + start
        return tuple(voxel)

    def in_patient(self, window: NDArray[Any], start: Sequence[int], scan: sitk.Image) -> sitk.Image:
        """A window (z, y, x) of the preprocessed image as an image that lies in the patient.

        Args:
            start: first voxel of the window in the preprocessed image.
            scan: says where the scan lies.
        """
        back = np.argsort(self.transpose).tolist()
        image = sitk.GetImageFromArray(np.ascontiguousarray(window.transpose(back), np.float32))
        steps = [self.step[axis] for axis in back][::-1]
        image.SetSpacing(np.multiply(scan.GetSpacing(), steps).tolist())
        image.SetDirection(scan.GetDirection())
        first = self.to_scan([float(index) for index in start])[::-1]
        image.SetOrigin(scan.TransformContinuousIndexToPhysicalPoint(first))
        return image
