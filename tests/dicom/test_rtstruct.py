"""Which ROI is meant, and its contours."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pydicom
import pytest
from dicom_patient import MakePatient, SaveDicom
from pydicom.dataelem import RawDataElement
from pydicom.dataset import Dataset
from pydicom.tag import Tag

from nnunetv2_raemd.dataset_conversion.archives.nsclc_radiomics.nsclc_radiomics_choices import DEFAULT_ROI
from nnunetv2_raemd.dicom.ct_series import order_series
from nnunetv2_raemd.dicom.dicom_headers import read_header
from nnunetv2_raemd.dicom.dicom_index import index_folder
from nnunetv2_raemd.dicom.index_entries import Delineation, Roi, Unreadable
from nnunetv2_raemd.dicom.roi_choice import RoiChoice
from nnunetv2_raemd.dicom.rtstruct import _points, draw_rois
from nnunetv2_raemd.errors import UserError


def rois_of(file: Path) -> tuple[Roi, ...]:
    header = read_header(file)
    assert isinstance(header, Delineation)
    return header.rois


def test_contours_are_found_by_number_and_not_by_order(make_patient: MakePatient) -> None:
    """The file lists the contours of the ROIs in another order than the ROIs."""
    patient = make_patient()
    patient.write_ct()
    file = patient.write_rtstruct(
        {
            "Lung": patient.box(range(8), rows=(0, 11), columns=(0, 15)),
            "GTV-1": patient.box([2, 3], rows=(3, 5), columns=(4, 9)),
            "Heart": patient.box([6], rows=(1, 2), columns=(1, 2)),
        }
    )
    series = order_series(index_folder(patient.folder).ct[patient.uids["ct"]])
    drawn = draw_rois(file, RoiChoice(DEFAULT_ROI).of(rois_of(file)), series.stack)
    expected = np.zeros((8, 12, 16), dtype=bool)
    expected[2:4, 3:6, 4:10] = True
    assert np.array_equal(drawn.mask, expected) and not drawn.problems
    merged = draw_rois(file, RoiChoice("gtv-1|heart", merge=True).of(rois_of(file)), series.stack)
    expected[6, 1:3, 1:3] = True
    assert np.array_equal(merged.mask, expected)


def test_kinds_of_contours(make_patient: MakePatient) -> None:
    patient = make_patient()
    patient.write_ct()
    inner = [("CLOSEDPLANAR_XOR", p) for _, p in patient.box([3], rows=(4, 6), columns=(4, 6))]
    outer = [("CLOSEDPLANAR_XOR", p) for _, p in patient.box([3], rows=(2, 8), columns=(2, 8))]
    point = ("POINT", patient.to_world([(3, 3)], 9.0))
    file = patient.write_rtstruct({"GTV-1": [*inner, *outer, point, ("CLOSED_PLANAR", point[1])]})
    series = order_series(index_folder(patient.folder).ct[patient.uids["ct"]])
    drawn = draw_rois(file, rois_of(file), series.stack)
    assert drawn.mask.sum() == 49 - 9
    assert drawn.problems == [
        "GTV-1, contour 3: POINT is not a closed contour",
        "GTV-1, contour 4: only 1 points",
    ]


def test_coordinates_that_are_no_triples_are_refused(make_patient: MakePatient) -> None:
    patient = make_patient()
    patient.write_ct()
    file = patient.write_rtstruct({"GTV-1": [("CLOSED_PLANAR", np.arange(10.0))]})
    series = order_series(index_folder(patient.folder).ct[patient.uids["ct"]])
    with pytest.raises(UserError, match="GTV-1, contour 1: ContourData"):
        draw_rois(file, rois_of(file), series.stack)


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        (b"1.5\\-2\\3e1", [[1.5, -2, 30]]),
        (b" 1 \\ 2\\3 ", [[1, 2, 3]]),  # padded, as DS may be
        (b"1\\2\\3\0", [[1, 2, 3]]),
        (b"", []),
        (None, []),
    ],
)
def test_coordinates_are_read_from_the_bytes_of_the_file(text: bytes | None, expected: list[float]) -> None:
    item = Dataset()
    tag = Tag("ContourData")
    item[tag] = RawDataElement(tag, "DS", len(text or b""), text, 0, True, True)
    assert _points(item, "contour").tolist() == expected


@pytest.mark.parametrize("text", [b"1\\2", b"1\\\\3", b"1\\2\\John", b"1\\2\\3\\\xe9"])
def test_coordinates_that_are_no_numbers_are_not_quoted(text: bytes) -> None:
    item = Dataset()
    tag = Tag("ContourData")
    item[tag] = RawDataElement(tag, "DS", len(text), text, 0, True, True)
    with pytest.raises(UserError, match="contour 7: ContourData is not a list") as error:
        _points(item, "contour 7")
    assert "John" not in str(error.value)


def test_real_coordinates_are_what_pydicom_makes_of_them(real_data: Path) -> None:
    files = [*(real_data / "nsclc-radiomics").rglob("1-1.dcm"), *(real_data / "ibsi").rglob("*.dcm")]
    files += (real_data / "dicom-odd" / "rt-utils").rglob("*.dcm")
    compared = 0
    for file in files:
        raw, converted = pydicom.dcmread(file), pydicom.dcmread(file)
        for ours, theirs in zip(_all_contours(raw), _all_contours(converted), strict=True):
            expected = np.array(theirs.get("ContourData") or [], dtype=float).reshape(-1, 3)
            assert np.array_equal(_points(ours, "contour"), expected)
            compared += 1
    assert compared > 500


def _all_contours(dataset: Dataset) -> list[Dataset]:
    items = dataset.get("ROIContourSequence") or ()
    return [contour for item in items for contour in item.get("ContourSequence") or ()]


def test_description_on_several_lines_is_one_name(make_patient: MakePatient, save_dicom: SaveDicom) -> None:
    """ROIDescription may hold line breaks; other control characters tell of a damaged header."""
    patient = make_patient()
    file = patient.write_rtstruct({"GTV-1": []})
    dataset = pydicom.dcmread(file)
    dataset.StructureSetROISequence[0].ROIDescription = "primary\r\ntumour"
    save_dicom(dataset, file)
    assert rois_of(file)[0].names == ("GTV-1", "primary tumour")
    dataset.StructureSetROISequence[0].ROIDescription = "primary\x02tumour"
    save_dicom(dataset, file)
    unreadable = read_header(file)
    assert isinstance(unreadable, Unreadable)
    assert unreadable.reason == "a text in its header is not text: the file is damaged"


def test_rois_of_one_number_are_refused(make_patient: MakePatient, save_dicom: SaveDicom) -> None:
    """Contours name their ROI by its number alone: the mask would hold those of both."""
    patient = make_patient()
    patient.write_ct()
    box = patient.box([2, 3], rows=(3, 5), columns=(4, 9))
    file = patient.write_rtstruct({"GTV-1": box, "Lung": patient.box([1], rows=(0, 11), columns=(0, 15))})
    dataset = pydicom.dcmread(file)
    for entry in dataset.StructureSetROISequence:
        entry.ROINumber = 3
    for entry in dataset.ROIContourSequence:
        entry.ReferencedROINumber = 3
    save_dicom(dataset, file)
    series = order_series(index_folder(patient.folder).ct[patient.uids["ct"]])
    with pytest.raises(UserError, match="GTV-1 and Lung have the same ROI number"):
        draw_rois(file, RoiChoice(DEFAULT_ROI).of(rois_of(file)), series.stack)
    for entry in dataset.StructureSetROISequence:
        entry.ROIName = "GTV-1"
    save_dicom(dataset, file)
    assert draw_rois(file, rois_of(file), series.stack).drawn == 3


def test_a_contour_of_fewer_points_than_it_says_is_cut_off(
    make_patient: MakePatient, save_dicom: SaveDicom
) -> None:
    patient = make_patient()
    patient.write_ct()
    file = patient.write_rtstruct({"GTV-1": patient.box([2, 3], rows=(3, 5), columns=(4, 9))})
    dataset = pydicom.dcmread(file)
    contour = dataset.ROIContourSequence[0].ContourSequence[0]
    contour.ContourData = contour.ContourData[:9]
    save_dicom(dataset, file)
    series = order_series(index_folder(patient.folder).ct[patient.uids["ct"]])
    drawn = draw_rois(file, rois_of(file), series.stack)
    assert drawn.lost == ["GTV-1, contour 1: it holds 3 of the 4 points that it should have"]
    assert not drawn.mask[2].any() and drawn.mask[3].sum() == 18


def test_contours_beside_their_slab_are_refused(make_patient: MakePatient, save_dicom: SaveDicom) -> None:
    """DICOM PS3.3 2020 C.8.8.6.2, retired since; a vector of zeros says that they are on their plane."""
    patient = make_patient()
    patient.write_ct()
    file = patient.write_rtstruct({"GTV-1": patient.box([2, 3], rows=(3, 5), columns=(4, 9))})
    series = order_series(index_folder(patient.folder).ct[patient.uids["ct"]])
    dataset = pydicom.dcmread(file)
    contours = dataset.ROIContourSequence[0].ContourSequence
    for offset_mm, refused in (([0, 0, 0], False), ([0, 0, 3], True)):
        contours[1].ContourOffsetVector = offset_mm
        save_dicom(dataset, file)
        if refused:
            with pytest.raises(UserError, match=r"GTV-1, contour 2: its ContourOffsetVector, \(0, 0, 3\) mm"):
                draw_rois(file, rois_of(file), series.stack)
        else:
            assert np.flatnonzero(
                draw_rois(file, rois_of(file), series.stack).mask.any(axis=(1, 2))
            ).tolist() == [
                2,
                3,
            ]


@pytest.mark.parametrize(("thickness_mm", "told"), [(None, False), (3, False), (9, True)])
def test_slabs_of_several_slices_are_told_of(
    make_patient: MakePatient, save_dicom: SaveDicom, thickness_mm: float | None, told: bool
) -> None:
    patient = make_patient()
    patient.write_ct()
    file = patient.write_rtstruct({"GTV-1": patient.box([4], rows=(3, 5), columns=(4, 9))})
    series = order_series(index_folder(patient.folder).ct[patient.uids["ct"]])
    dataset = pydicom.dcmread(file)
    dataset.ROIContourSequence[0].ContourSequence[0].ContourSlabThickness = thickness_mm
    save_dicom(dataset, file)
    drawn = draw_rois(file, rois_of(file), series.stack)
    assert drawn.mask.sum() == drawn.mask[4].sum() == 3 * 6
    assert [note for note in drawn.notes if "slabs of 9 mm" in note and "3 mm apart" in note] == drawn.notes
    assert bool(drawn.notes) == told
