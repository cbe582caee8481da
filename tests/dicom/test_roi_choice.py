"""Which ROI or segment is meant."""

from __future__ import annotations

import pytest

from nnunetv2_raemd.dataset_conversion.archives.nsclc_radiomics.nsclc_radiomics_choices import DEFAULT_ROI
from nnunetv2_raemd.dicom.index_entries import Roi
from nnunetv2_raemd.dicom.roi_choice import RoiChoice
from nnunetv2_raemd.errors import UserError


def rois(*names: str) -> list[Roi]:
    return [Roi(number, (name,)) for number, name in enumerate(names)]


@pytest.mark.parametrize(
    "name", ["GTV-1", "gtv-1", "GTV1", "gtv_1", "GTV 1", "GTV-1,gtv-pre-op", "Neoplasm, Primary"]
)
def test_primary_tumour_is_found_under_its_names(name: str) -> None:
    assert [roi.names for roi in RoiChoice(DEFAULT_ROI).of(rois("Lung", name, "gtv-2"))] == [(name,)]


@pytest.mark.parametrize(
    "name", ["gtv-2", "GTV-10", "GTV-1a", "my GTV-1", "gtv_4r", "PTV1", "Neoplasm, Secondary"]
)
def test_others_are_not_taken_for_it(name: str) -> None:
    with pytest.raises(UserError, match="there are: Lung, "):
        RoiChoice(DEFAULT_ROI).of(rois("Lung", name))


def test_lung1_003_has_three_tumours_and_only_the_first_is_taken_unless_merged() -> None:
    found = rois("GTV-1", "gtv-2", "gtv-3", "Lung-Left")
    assert RoiChoice(DEFAULT_ROI).of(found) == (found[0],)
    assert RoiChoice(DEFAULT_ROI, merge=True).of(found) == (found[0],)
    assert RoiChoice(r"gtv-\d", merge=True).of(found) == tuple(found[:3])
    with pytest.raises(UserError, match="3 ROIs match"):
        RoiChoice(r"gtv-\d").of(found)


def test_label_description_and_coded_type_count_where_no_name_does() -> None:
    described = Roi(7, ("Segment 7", "Neoplasm, Primary"))
    assert RoiChoice(DEFAULT_ROI).of([described, *rois("Lung")]) == (described,)
    named = Roi(8, ("GTV-1", "Neoplasm, Primary"))
    assert RoiChoice(DEFAULT_ROI).of([described, named]) == (named,)
    assert RoiChoice(DEFAULT_ROI, merge=True).of([described, named]) == (described, named)


def test_all_names_are_told_where_none_matches() -> None:
    with pytest.raises(UserError, match=r"there are: Segment 7 / Lung, number 3$"):
        RoiChoice(DEFAULT_ROI).of([Roi(7, ("Segment 7", "Lung")), Roi(3, ())])


def test_bad_expression_is_the_users_error() -> None:
    with pytest.raises(UserError, match="not a regular expression"):
        RoiChoice("gtv(")
