"""CT taken with a tilted gantry, brought upright together with its contours."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest
import SimpleITK as sitk
from dicom_patient import MakePatient, SaveDicom
from exact_polygons import exact_mask

from nnunetv2_raemd.dataset_conversion.archives.nsclc_radiomics.nsclc_radiomics_choices import (
    GantryTilt,
    Incomplete,
)
from nnunetv2_raemd.dataset_conversion.archives.nsclc_radiomics.patient_case import ContouredCt, MaskChoice
from nnunetv2_raemd.dataset_conversion.archives.nsclc_radiomics.patient_matching import (
    find_nsclc_radiomics_cases,
)
from nnunetv2_raemd.dicom.dicom_index import index_folder
from nnunetv2_raemd.dicom.mask_source import MaskSource
from nnunetv2_raemd.errors import UserError

# along columns and along rows, as a scanner writes them for a gantry tilted by 16.26 degrees
TILTED_ROWS = (1, 0, 0, 0, 0.96, -0.28)
OUTLINE = [(2.3, 3.1), (3.0, 11.2), (7.6, 12.9), (9.2, 6.4), (6.1, 2.2)]  # (row, column) in the first slice


def write_tilted(
    make_patient: Any, save: Any, *, degrees: float, orientation: tuple[float, ...], along_rows: float = 1.0
) -> Any:
    """Slices displaced along their rows (and by the rest along their columns) with each step upwards.

    The contours stay at one place of the upright grid that begins at the first slice.
    """
    patient = make_patient(orientation=orientation)
    sideways = along_rows * patient.row_axis + np.sqrt(1 - along_rows**2) * patient.column_axis
    upright, step = patient.position, np.tan(np.radians(degrees))
    patient.position = lambda index: upright(index) + step * patient.heights_mm[index] * sideways
    for index in range(len(patient.heights_mm)):
        save(patient.ct_slice(index), patient.folder / f"{index}.dcm")
    outline = [("CLOSED_PLANAR", patient.to_world(OUTLINE, patient.heights_mm[i])) for i in range(1, 7)]
    patient.write_rtstruct({"GTV-1": outline})
    return patient


def only_case(folder: Path, **choices: Any) -> ContouredCt:
    (case,) = find_nsclc_radiomics_cases(index_folder(folder), choice=MaskChoice(**choices)).cases
    assert isinstance(case, ContouredCt)
    return case


@pytest.mark.parametrize("degrees", [15.0, -15.0, 28.0, 4.0])
@pytest.mark.parametrize("orientation", [(1, 0, 0, 0, 1, 0), TILTED_ROWS, (-1, 0, 0, 0, -1, 0)], ids=str)
def test_contours_are_exact_on_the_upright_grid(
    make_patient: MakePatient,
    save_dicom: SaveDicom,
    tmp_path: Path,
    degrees: float,
    orientation: tuple[float, ...],
) -> None:
    """Every voxel centre, found in the world by the image's own geometry, against exact polygons."""
    patient = write_tilted(make_patient, save_dicom, degrees=degrees, orientation=orientation)
    loaded = only_case(tmp_path / "dicom").load()
    label = sitk.GetArrayFromImage(loaded.label)
    first = np.array(loaded.label.TransformPhysicalPointToContinuousIndex(patient.position(0).tolist()))
    assert np.allclose(first, np.rint(first), atol=1e-6)  # pixels of the first slice stay where they were
    column, row, _ = np.rint(first).astype(int)
    moved = [(r + row, c + column) for r, c in OUTLINE]
    expected = np.zeros(label.shape)
    expected[1:7] = exact_mask(moved, label.shape[1:])
    assert expected.any() and np.count_nonzero(label != expected) == 0
    note = f"the gantry was tilted by about {abs(degrees):.1f} degrees"
    assert any(note in check for check in loaded.details["checks"])


@pytest.mark.parametrize("along_rows", [1.0, 0.6])
def test_voxels_are_interpolated_in_their_own_slice(
    make_patient: MakePatient, save_dicom: SaveDicom, tmp_path: Path, along_rows: float
) -> None:
    """SimpleITK resamples each slice by itself, from where it lies in the world, as the reference."""
    patient = write_tilted(
        make_patient, save_dicom, degrees=20, orientation=(1, 0, 0, 0, 1, 0), along_rows=along_rows
    )
    image = only_case(tmp_path / "dicom").load().image
    hu = sitk.GetArrayFromImage(image)
    compared = 0
    for index in range(8):
        slice_image = sitk.GetImageFromArray(patient.stored[index].astype(np.float32) - 1024)
        slice_image.SetSpacing([1.5, 2.0])
        slice_image.SetOrigin(patient.position(index)[:2].tolist())
        reference = image[:, :, index]
        moved = sitk.Resample(slice_image, reference, sitk.Transform(), sitk.sitkLinear)
        wanted = sitk.GetArrayFromImage(moved)
        origin = slice_image.TransformPhysicalPointToContinuousIndex(reference.GetOrigin())
        columns, rows = (np.arange(n) + first for n, first in zip(reference.GetSize(), origin, strict=True))
        seen = np.outer((rows >= 0) & (rows <= 11), (columns >= 0) & (columns <= 15))
        assert np.abs(hu[index][seen] - wanted[seen]).max() <= 0.51
        compared += int(seen.sum())
    assert compared > 0.75 * patient.stored.size


def test_nothing_of_the_slices_is_cut_off(
    make_patient: MakePatient, save_dicom: SaveDicom, tmp_path: Path
) -> None:
    write_tilted(make_patient, save_dicom, degrees=25, orientation=(1, 0, 0, 0, 1, 0))
    image = only_case(tmp_path / "dicom").load().image
    rows = int(np.ceil(np.tan(np.radians(25)) * 21 / 2.0))
    assert image.GetSize() == (16, 12 + rows, 8)
    hu = sitk.GetArrayFromImage(image)
    assert (hu[0, 12:] == hu.min()).all() and (hu[-1, : rows - 1] == hu.min()).all()


def test_segments_move_with_their_slices(
    make_patient: MakePatient, save_dicom: SaveDicom, tmp_path: Path
) -> None:
    """Displaced by a whole row a slice, so that no pixel is between two."""
    pytest.importorskip("highdicom")
    from seg_files import make_seg, two_masks  # noqa: PLC0415

    degrees = float(np.degrees(np.arctan(2.0 / 3.0)))
    patient = write_tilted(make_patient, save_dicom, degrees=degrees, orientation=(1, 0, 0, 0, 1, 0))
    masks = two_masks()
    seg = make_seg(patient, masks)
    save_dicom(seg, patient.folder / "seg.dcm")
    label = sitk.GetArrayFromImage(only_case(tmp_path / "dicom", source=MaskSource.SEG).load().label)
    assert label.shape == (8, 12 + 7, 16)
    for index in range(8):
        assert np.array_equal(label[index, index : index + 12], masks[index, ..., 0])
        assert label[index].sum() == masks[index, ..., 0].sum()


def test_tilt_may_be_refused(make_patient: MakePatient, save_dicom: SaveDicom, tmp_path: Path) -> None:
    write_tilted(make_patient, save_dicom, degrees=15, orientation=(1, 0, 0, 0, 1, 0))
    with pytest.raises(UserError, match=r"tilted by about 15\.0 degrees \(--gantry-tilt resample"):
        only_case(tmp_path / "dicom", gantry_tilt=GantryTilt.REFUSE).load()


@pytest.mark.parametrize("sideways_mm", [[0, 1, 4, 2, 3, 0, 5, 6], [9.0 * i for i in range(8)]], ids=str)
def test_displacement_that_no_gantry_makes_is_refused(
    make_patient: MakePatient, save_dicom: SaveDicom, tmp_path: Path, sideways_mm: list[float]
) -> None:
    patient = make_patient()
    for index, shift in enumerate(sideways_mm):
        position = (patient.position(index) + np.array([0, shift, 0])).tolist()
        save_dicom(patient.ct_slice(index, ImagePositionPatient=position), patient.folder / f"{index}.dcm")
    patient.write_rtstruct({"GTV-1": patient.box([2], rows=(3, 5), columns=(4, 9))})
    with pytest.raises(UserError, match="displaced sideways by more than a tilted gantry"):
        only_case(tmp_path / "dicom").load()


def test_missing_slice_of_a_tilted_series_is_interpolated_upright(
    make_patient: MakePatient, save_dicom: SaveDicom, tmp_path: Path
) -> None:
    patient = write_tilted(make_patient, save_dicom, degrees=15, orientation=(1, 0, 0, 0, 1, 0))
    whole = sitk.GetArrayFromImage(only_case(tmp_path / "dicom").load().image).astype(int)
    (patient.folder / "3.dcm").unlink()
    loaded = only_case(tmp_path / "dicom", incomplete=Incomplete.KEEP).load()
    hu = sitk.GetArrayFromImage(loaded.image)
    assert np.array_equal(hu[[0, 1, 2, 4, 5, 6, 7]], whole[[0, 1, 2, 4, 5, 6, 7]])
    assert np.abs(hu[3] - (whole[2] + whole[4]) / 2).max() <= 1
    assert sitk.GetArrayFromImage(loaded.label)[3].any()
