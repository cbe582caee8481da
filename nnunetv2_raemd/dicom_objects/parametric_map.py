"""DICOM Parametric Map (PS3.3 A.75): a number for each pixel of the series, as of uncertainty.

In single precision, uncompressed, because readers such as dcmqi's take nothing else: four bytes for each
pixel, which are written slice by slice.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from highdicom import VOILUTFunctionValues, VOILUTTransformation
from highdicom.pm import ParametricMap, RealWorldValueMapping
from pydicom.sr.coding import Code

from nnunetv2_raemd.dicom_objects import equipment
from nnunetv2_raemd.dicom_objects.measurement_report import SCHEME
from nnunetv2_raemd.dicom_objects.object_kinds import ObjectKind
from nnunetv2_raemd.dicom_objects.segmented_series import SegmentedSeries
from nnunetv2_raemd.dicom_objects.source_frames import name_frames
from nnunetv2_raemd.dicom_objects.streamed_frames import Slices, frame_stream, of_one_pixel, slices_of_frames

NO_UNIT = Code("1", "UCUM", "no units")


@dataclass(frozen=True)
class PixelMap:
    """One number for each pixel.

    Attributes:
        name: such as "mutual information"; at most 16 characters are its label in viewers.
        explanation: what the number is, and its unit.
        values: of S slices, (rows, columns) each, not negative; kept in single precision.
    """

    name: str
    explanation: str
    values: Slices

    @property
    def code(self) -> Code:
        """What is measured; no scheme of DICOM's has a code for these."""
        return Code(self.name.upper().replace(" ", "_")[:16], SCHEME, self.name.capitalize())


def parametric_map(series: SegmentedSeries, pixels: PixelMap, number: int) -> ParametricMap:
    """The map on all slices of the series; its pixels are read from `pixels` when it is written.

    Args:
        number: of this map among those of the series, from 1.
    """
    highest = max(*(float(np.float32(one.max())) for one in pixels.values), 1e-6)
    mapping = RealWorldValueMapping(
        lut_label=pixels.code.value,
        lut_explanation=pixels.explanation[:64],
        unit=NO_UNIT,
        value_range=(0.0, highest),
        slope=1.0,
        intercept=0.0,
        quantity_definition=pixels.code,
    )
    # linear between the ends; plain LINEAR would want a width of at least 1 (PS3.3 C.11.2.1.2)
    window = VOILUTTransformation(
        window_center=highest / 2, window_width=highest, voi_lut_function=VOILUTFunctionValues.LINEAR_EXACT
    )
    made = ParametricMap(
        source_images=of_one_pixel(series.source.headers),
        pixel_array=np.zeros((len(pixels.values), 1, 1), np.float32),
        series_instance_uid=series.series_uid(ObjectKind.UNCERTAINTY.value),
        series_number=equipment.UNCERTAINTY_SERIES,
        sop_instance_uid=series.uid(ObjectKind.UNCERTAINTY.value, pixels.name),
        instance_number=number,
        manufacturer=equipment.MANUFACTURER,
        manufacturer_model_name=equipment.MODEL_NAME,
        software_versions=series.algorithm.version,
        device_serial_number=equipment.SERIAL_NUMBER,
        contains_recognizable_visual_features=False,
        real_world_value_mappings=[mapping],
        voi_lut_transformations=[window],
        content_label=pixels.code.value,
        content_description=pixels.explanation[:64],
        series_description="RAEMD-Net uncertainty",
    )
    made.Rows, made.Columns = series.source.stack.shape
    made.FloatPixelData = frame_stream(pixels.values, slices_of_frames(made, series.source))
    name_frames(made, series.source)
    made.Laterality = ""  # of a paired organ it must be there, and both lungs may be shown
    return made
