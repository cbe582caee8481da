"""Which images of a series are of one scan: passes, reconstructions, projections, scouts and pages."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from dicom_patient import MakePatient, SaveDicom

from nnunetv2_raemd.dataset_conversion.archives.nsclc_radiomics.patient_case import MaskChoice
from nnunetv2_raemd.dataset_conversion.archives.nsclc_radiomics.patient_matching import (
    find_nsclc_radiomics_cases,
)
from nnunetv2_raemd.dicom.ct_series import CtSeries, order_series, read_hu
from nnunetv2_raemd.dicom.dicom_index import index_folder
from nnunetv2_raemd.dicom.image_groups import References
from nnunetv2_raemd.errors import UserError

FIRST = [0.0, 3, 6, 9, 12, 15]
MIP = ["DERIVED", "SECONDARY", "MIP"]
Changes = dict[str, Any]


def write(patient: Any, of_slices: Sequence[Changes], save: Any) -> None:
    for index, changes in enumerate(of_slices):
        save(patient.ct_slice(index, **changes), patient.folder / f"{(7 * index) % 31}.dcm")


def two_passes(heights: Sequence[float], save: Any, make_patient: Any, **of_second: Any) -> Any:
    """The slices FIRST, and those at `heights`, which also have the attributes `of_second`."""
    patient = make_patient(heights_mm=[*FIRST, *heights])
    write(patient, [{} for _ in FIRST] + [of_second for _ in heights], save)
    return patient


def series_of(patient: Any, listed: Sequence[int] = (), drawn_on: Sequence[int] = ()) -> CtSeries:
    references = References(
        frozenset(map(patient.slice_uid, listed)), lambda: frozenset(map(patient.slice_uid, drawn_on))
    )
    return order_series(index_folder(patient.folder).ct[patient.uids["ct"]], references)


def assert_slices(series: CtSeries, patient: Any, indices: Sequence[int]) -> None:
    assert np.array_equal(read_hu(series), patient.stored[list(indices)].astype(int) - 1024)


OTHER = {
    "acquisition": {"AcquisitionNumber": 2},
    "temporal position": {"TemporalPositionIdentifier": 2},
    "kernel": {"ConvolutionKernel": "B70f"},
    "kind of image": {"ImageType": MIP},
    "pixel spacing": {"PixelSpacing": [1.0, 0.75]},
    "orientation": {"ImageOrientationPatient": [1, 0, 0, 0, 0.96, 0.28]},
    "meaning of values": {"RescaleType": "Z_EFF"},
}


@pytest.mark.parametrize("heights", [[10.0, 13, 16, 19, 22], FIRST[:5], [1.5, 4.5, 7.5]], ids=str)
@pytest.mark.parametrize("other", OTHER.values(), ids=OTHER)
def test_listed_images_decide(
    make_patient: MakePatient, save_dicom: SaveDicom, other: Changes, heights: list[float]
) -> None:
    """Overlapping, at the same places, and interleaved."""
    patient = two_passes(heights, save_dicom, make_patient, **other)
    series = series_of(patient, listed=range(6))
    assert_slices(series, patient, range(6))
    assert "others of the series left out" in series.notes[0] and f"{len(heights)} images" in series.notes[0]


def test_contours_decide_where_all_are_listed(make_patient: MakePatient, save_dicom: SaveDicom) -> None:
    patient = two_passes([10.0, 13, 16, 19], save_dicom, make_patient, AcquisitionNumber=2)
    assert_slices(series_of(patient, listed=range(10), drawn_on=[7]), patient, range(6, 10))


@pytest.mark.parametrize("heights", [[10.0, 13, 16, 19], [1.5, 4.5, 7.5], [30.0, 33, 36]], ids=str)
def test_without_a_list_acquisitions_are_named_and_refused(
    make_patient: MakePatient, save_dicom: SaveDicom, heights: list[float]
) -> None:
    patient = two_passes(heights, save_dicom, make_patient, AcquisitionNumber=2)
    with pytest.raises(UserError, match=r"2 scans, .*6 images, 100 to 115 mm.*acquisition 2"):
        series_of(patient)


def test_derived_images_between_slices_are_left_out_without_a_list(
    make_patient: MakePatient, save_dicom: SaveDicom
) -> None:
    patient = two_passes([1.5, 4.5, 7.5], save_dicom, make_patient, ImageType=MIP)
    series = series_of(patient)
    assert_slices(series, patient, range(6))
    assert r"DERIVED\SECONDARY\MIP (3 images" in series.notes[0]


def test_series_of_derived_images_only_is_a_scan(make_patient: MakePatient, save_dicom: SaveDicom) -> None:
    patient = make_patient(heights_mm=FIRST)
    write(patient, [{"ImageType": ["DERIVED", "SECONDARY", "AXIAL"]} for _ in FIRST], save_dicom)
    assert_slices(series_of(patient), patient, range(6))


@pytest.mark.parametrize("heights", [[10.1, 13.1, 16.1, 19.1], FIRST[2:5]], ids=str)
def test_listed_images_decide_where_headers_are_the_same(
    make_patient: MakePatient, save_dicom: SaveDicom, heights: list[float]
) -> None:
    patient = two_passes(heights, save_dicom, make_patient)
    series = series_of(patient, listed=range(6))
    assert_slices(series, patient, range(6))
    assert "does not list" in series.notes[0]


def test_list_of_the_slices_with_contours_only_is_no_scan(
    make_patient: MakePatient, save_dicom: SaveDicom
) -> None:
    patient = make_patient(heights_mm=[*FIRST, 18.0, 24.0])
    write(patient, [{} for _ in range(8)], save_dicom)
    assert_slices(series_of(patient, listed=[2, 3]), patient, range(8))


@pytest.mark.parametrize("heights", [[10.0, 13, 16, 19], [1.0, 4, 7, 10, 13, 16]], ids=str)
def test_passes_that_nothing_tells_apart_are_refused(
    make_patient: MakePatient, save_dicom: SaveDicom, heights: list[float]
) -> None:
    patient = two_passes(heights, save_dicom, make_patient)
    with pytest.raises(UserError, match="two passes over the same region"):
        series_of(patient)


def test_acquisitions_that_continue_each_other_are_one_scan(
    make_patient: MakePatient, save_dicom: SaveDicom
) -> None:
    """As of two breath-holds, or where each rotation is numbered as an acquisition."""
    patient = two_passes([18.0, 21, 24, 27], save_dicom, make_patient, AcquisitionNumber=2)
    assert_slices(series_of(patient), patient, range(10))
    assert_slices(series_of(patient, listed=range(6)), patient, range(6))


@pytest.mark.parametrize("rotation", [1, 2])
def test_rotations_numbered_as_acquisitions_are_one_scan_with_its_gap(
    make_patient: MakePatient, save_dicom: SaveDicom, rotation: int
) -> None:
    patient = make_patient(heights_mm=[3.0 * i for i in range(14) if i != 5])
    write(patient, [{"AcquisitionNumber": 1 + i // rotation} for i in range(13)], save_dicom)
    series = series_of(patient, listed=[2, 3])
    assert_slices(series, patient, range(13))
    assert series.missing_in_gaps == 1


PAGES = {
    "localizer": {
        "ImageType": ["ORIGINAL", "PRIMARY", "LOCALIZER"],
        "ImageOrientationPatient": [1, 0, 0, 0, 0, -1],
    },
    "localizer that does not say so": {"ImageOrientationPatient": [1, 0, 0, 0, 0, -1]},
    "of another size that does not say so": {
        "ImageOrientationPatient": [0, 1, 0, 0, 0, -1],
        "Rows": 6,
        "PixelData": bytes(6 * 16 * 2),
    },
    "dose page": {
        "ImageType": ["DERIVED", "SECONDARY", "SCREEN SAVE"],
        "ImagePositionPatient": None,
        "ImageOrientationPatient": None,
        "RescaleSlope": None,
    },
    "dose page of another kind": {
        "ImageType": ["ORIGINAL", "SECONDARY", "OTHER"],
        "ImagePositionPatient": None,
    },
}


@pytest.mark.parametrize("listed", [range(7), (), range(6)], ids=["all listed", "no list", "slices listed"])
@pytest.mark.parametrize("page", PAGES.values(), ids=PAGES)
def test_scout_and_dose_page_are_dropped_with_a_remark(
    make_patient: MakePatient, save_dicom: SaveDicom, page: Changes, listed: Sequence[int]
) -> None:
    patient = make_patient(heights_mm=[*FIRST, 40.0])
    write(patient, [*({} for _ in FIRST), page], save_dicom)
    series = series_of(patient, listed=listed, drawn_on=[2] if listed else [])
    assert_slices(series, patient, range(6))
    assert len(series.notes) == 1 and "1 " in series.notes[0]


@pytest.mark.parametrize(
    "change",
    [{"PixelSpacing": [2.0, 1.6]}, {"ImagePositionPatient": None}, {"ImageOrientationPatient": None}],
    ids=str,
)
@pytest.mark.parametrize("listed", [range(6), ()], ids=["listed", "no list"])
def test_slice_with_a_wrong_header_is_not_taken_for_a_page(
    make_patient: MakePatient, save_dicom: SaveDicom, change: Changes, listed: Sequence[int]
) -> None:
    patient = make_patient(heights_mm=FIRST)
    write(patient, [change if index == 3 else {} for index in range(6)], save_dicom)
    with pytest.raises(UserError, match=r"differs in size, pixel spacing|lacks position"):
        series_of(patient, listed=listed, drawn_on=[2] if listed else [])


def test_unspecified_values_are_taken_for_hu_with_a_remark(
    make_patient: MakePatient, save_dicom: SaveDicom
) -> None:
    patient = make_patient(heights_mm=FIRST)
    write(patient, [{"RescaleType": "US"} for _ in FIRST], save_dicom)
    series = series_of(patient)
    assert series.notes == ("RescaleType is US (unspecified): the values are taken for HU",)


def test_public_case_of_two_passes(real_data: Path) -> None:
    """The second pass begins within the first; the structure set lists the images of the first."""
    folder = real_data / "public-cases" / "two-passes-overlapping" / "input"
    (case,) = find_nsclc_radiomics_cases(index_folder(folder), choice=MaskChoice()).cases
    loaded = case.load()
    assert loaded.image.GetSize()[2] == 10 and loaded.image.GetSpacing()[2] == 3.0
    assert any("acquisition 2" in note for note in loaded.details["checks"])


def test_public_case_of_a_spectral_map(real_data: Path) -> None:
    folder = real_data / "public-cases" / "rescale-type-not-hu" / "input"
    with pytest.raises(UserError, match="its RescaleType is Z_EFF"):
        order_series(next(iter(index_folder(folder).ct.values())))
