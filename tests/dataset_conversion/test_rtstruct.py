"""Which ROI is meant, and its contours."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from nnunetv2_raemd.dataset_conversion.choices import DEFAULT_ROI
from nnunetv2_raemd.dataset_conversion.ct_series import order_series
from nnunetv2_raemd.dataset_conversion.dicom_index import Roi, StructureSet, index_folder, read_header
from nnunetv2_raemd.dataset_conversion.rtstruct import RoiChoice, draw_rois
from nnunetv2_raemd.errors import UserError


def structure_set(*names: str) -> StructureSet:
    rois = tuple(Roi(number, (name,)) for number, name in enumerate(names))
    return StructureSet(Path("rt.dcm"), "1", "P", "2", (), (), rois)


@pytest.mark.parametrize("name", ["GTV-1", "gtv-1", "GTV1", "gtv_1", "GTV 1", "GTV-1,gtv-pre-op"])
def test_primary_tumour_is_found_under_its_names(name: str) -> None:
    assert [roi.names for roi in RoiChoice(DEFAULT_ROI).of(structure_set("Lung", name, "gtv-2"))] == [(name,)]


@pytest.mark.parametrize(
    "name", ["gtv-2", "GTV-10", "GTV-1a", "my GTV-1", "gtv_4r", "PTV1", "Neoplasm, Primary"]
)
def test_others_are_not_taken_for_it(name: str) -> None:
    with pytest.raises(UserError, match="there are: Lung, "):
        RoiChoice(DEFAULT_ROI).of(structure_set("Lung", name))


def test_several_matches_need_merge() -> None:
    rois = structure_set("GTV-1", "gtv-2", "gtv-3", "Heart")
    with pytest.raises(UserError, match="3 ROIs are called like"):
        RoiChoice(r"gtv-\d").of(rois)
    assert len(RoiChoice(r"gtv-\d", merge=True).of(rois)) == 3


def test_label_or_description_will_do() -> None:
    roi = Roi(7, ("ROI-7", "Neoplasm, Primary"))
    found = StructureSet(Path("rt.dcm"), "1", "P", "2", (), (), (roi,))
    assert RoiChoice("neoplasm, primary").of(found) == (roi,)


def test_bad_expression_is_the_users_error() -> None:
    with pytest.raises(UserError, match="not a regular expression"):
        RoiChoice("gtv(")


def test_contours_are_found_by_number_and_not_by_order(make_patient) -> None:
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
    header = read_header(file)
    drawn = draw_rois(file, RoiChoice(DEFAULT_ROI).of(header), series.stack)
    expected = np.zeros((8, 12, 16), dtype=bool)
    expected[2:4, 3:6, 4:10] = True
    assert np.array_equal(drawn.mask, expected) and not drawn.problems
    merged = draw_rois(file, RoiChoice("gtv-1|heart", merge=True).of(header), series.stack)
    expected[6, 1:3, 1:3] = True
    assert np.array_equal(merged.mask, expected)


def test_kinds_of_contours(make_patient) -> None:
    patient = make_patient()
    patient.write_ct()
    inner = [("CLOSEDPLANAR_XOR", p) for _, p in patient.box([3], rows=(4, 6), columns=(4, 6))]
    outer = [("CLOSEDPLANAR_XOR", p) for _, p in patient.box([3], rows=(2, 8), columns=(2, 8))]
    point = ("POINT", patient.to_world([(3, 3)], 9.0))
    file = patient.write_rtstruct({"GTV-1": [*inner, *outer, point, ("CLOSED_PLANAR", point[1])]})
    series = order_series(index_folder(patient.folder).ct[patient.uids["ct"]])
    drawn = draw_rois(file, read_header(file).rois, series.stack)
    assert drawn.mask.sum() == 49 - 9
    assert drawn.problems == [
        "GTV-1, contour 3: POINT is not a closed contour",
        "GTV-1, contour 4: only 1 points",
    ]


def test_coordinates_that_are_no_triples_are_refused(make_patient) -> None:
    patient = make_patient()
    patient.write_ct()
    file = patient.write_rtstruct({"GTV-1": [("CLOSED_PLANAR", np.arange(10.0))]})
    series = order_series(index_folder(patient.folder).ct[patient.uids["ct"]])
    with pytest.raises(UserError, match="GTV-1, contour 1: ContourData"):
        draw_rois(file, read_header(file).rois, series.stack)
