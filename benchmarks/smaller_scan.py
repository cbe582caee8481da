"""A CT from DICOM as a file of fewer and larger voxels, for `raemd bench --backends --scan`.

    python benchmarks/smaller_scan.py --dicom FOLDER --size 256 [--slices 14] --output CT.nii.gz

The first series in the folder is resampled linearly to SIZE x SIZE pixels, and to so many slices (by default
as many as it has), of the same extent.
"""

from __future__ import annotations

import argparse
from collections.abc import Sequence
from pathlib import Path

import numpy as np
import SimpleITK as sitk

from nnunetv2_raemd.dicom.ct_series import order_series
from nnunetv2_raemd.dicom.dicom_index import index_folder
from nnunetv2_raemd.scans.series_volume import series_image

AIR_HU = -1024


def resampled(image: sitk.Image, size: Sequence[int]) -> sitk.Image:
    """The image with `size` (x, y, z) voxels, from edge to edge of its outermost ones."""
    before, spacing_mm = np.array(image.GetSize()), np.array(image.GetSpacing())
    new_spacing_mm = spacing_mm * before / np.array(size)
    first_centre = ((new_spacing_mm / spacing_mm - 1) / 2).tolist()
    resampler = sitk.ResampleImageFilter()
    resampler.SetSize(list(size))
    resampler.SetOutputSpacing(new_spacing_mm.tolist())
    resampler.SetOutputOrigin(image.TransformContinuousIndexToPhysicalPoint(first_centre))
    resampler.SetOutputDirection(image.GetDirection())
    resampler.SetDefaultPixelValue(AIR_HU)
    return resampler.Execute(image)


def main() -> None:
    """Write the file."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawTextHelpFormatter)
    parser.add_argument("--dicom", type=Path, required=True)
    parser.add_argument("--size", type=int, default=256)
    parser.add_argument("--slices", type=int)
    parser.add_argument("--output", type=Path, required=True)
    options = parser.parse_args()
    instances = next(iter(index_folder(options.dicom).ct.values()))
    image, _ = series_image(order_series(instances))
    size = (options.size, options.size, options.slices or image.GetSize()[2])
    sitk.WriteImage(resampled(image, size), str(options.output))


if __name__ == "__main__":
    main()
