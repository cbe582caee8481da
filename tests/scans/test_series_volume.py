"""From a series to an image, and from labels on that image back to the series' own slices."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest
import SimpleITK as sitk
from dicom_patient import DicomPatient, save

from nnunetv2_raemd.dicom.ct_series import CtSeries, order_series
from nnunetv2_raemd.dicom.dicom_index import index_folder
from nnunetv2_raemd.scans.series_volume import on_own_slices, series_image

POSITIONS: dict[str, dict[str, Any]] = {
    "even": {},
    "prone": {"orientation": (-1, 0, 0, 0, -1, 0)},
    "oblique": {"orientation": (0.36, 0.48, -0.8, -0.8, 0.6, 0.0)},
    "slice missing": {"heights_mm": (0.0, 3.0, 6.0, 12.0, 15.0, 18.0)},
    "irregular": {"heights_mm": (0.0, 3.0, 6.1, 9.0, 12.4, 15.0, 17.1, 20.5)},
    "tilted": {"tilt": 9.0},
    "tilted, slice missing": {"tilt": -14.0, "heights_mm": (0.0, 3.0, 6.0, 12.0, 15.0, 18.0)},
}


@pytest.fixture(params=list(POSITIONS))
def series(request: pytest.FixtureRequest, tmp_path: Path) -> CtSeries:
    """A series in each of the positions."""
    options = dict(POSITIONS[request.param])
    slope = np.tan(np.radians(options.pop("tilt", 0.0)))
    patient = DicomPatient(tmp_path, **options)
    for index, height in enumerate(patient.heights_mm):
        position = patient.position(index) + slope * height * patient.row_axis
        image = patient.ct_slice(index, ImagePositionPatient=[round(float(x), 6) for x in position])
        save(image, tmp_path / f"{index}.dcm")
    (images,) = index_folder(tmp_path).ct.values()
    return order_series(images)


def test_every_pixel_takes_the_value_of_the_nearest_voxel(series: CtSeries) -> None:
    """SimpleITK's index of the same place is the reference."""
    image, _ = series_image(series)
    values = np.arange(1, image.GetNumberOfPixels() + 1, dtype=np.uint32).reshape(image.GetSize()[::-1])
    own = on_own_slices(values, image, series.stack)
    size = image.GetSize()
    for index, position in enumerate(series.stack.positions_mm):
        for row, column in ((0, 0), (3, 7), (11, 15), (11, 0)):
            place = position + row * series.stack.row_step_mm + column * series.stack.column_step_mm
            x, y, z = image.TransformPhysicalPointToContinuousIndex(place.tolist())
            nearest = tuple(np.rint(np.array([z, y, x]) - 1e-4).astype(int))
            inside = all(0 <= i < n for i, n in zip(nearest, size[::-1], strict=True))
            assert own[index, row, column] == (values[nearest] if inside else 0)


def test_no_pixel_of_the_series_is_beyond_the_image(series: CtSeries) -> None:
    image, _ = series_image(series)
    ones = np.ones(image.GetSize()[::-1], np.uint8)
    assert on_own_slices(ones, image, series.stack).all()


def test_of_an_even_series_labels_stay_as_they_are(tmp_path: Path) -> None:
    patient = DicomPatient(tmp_path)
    patient.write_ct()
    (images,) = index_folder(tmp_path).ct.values()
    series = order_series(images)
    image, notes = series_image(series)
    labels = np.random.default_rng(0).integers(0, 3, (8, 12, 16)).astype(np.uint8)
    assert np.array_equal(on_own_slices(labels, image, series.stack), labels)
    assert np.array_equal(sitk.GetArrayFromImage(image), patient.stored.astype(int) - 1024)
    assert notes == ()


def test_what_was_done_to_the_slices_is_said(series: CtSeries) -> None:
    _, notes = series_image(series)
    assert any("resampled" in note for note in notes) is not series.is_even
    assert any("tilted" in note for note in notes) is series.is_tilted
