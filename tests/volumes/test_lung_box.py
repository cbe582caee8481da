"""The box round the lungs: of the phantom, whose lungs and lesions are known, and of real CT."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from xml.etree import ElementTree

import numpy as np
import pydicom
import pytest
import SimpleITK as sitk

from nnunetv2_raemd.phantom.configuration import LUNA16
from nnunetv2_raemd.phantom.thorax import LEFT_LUNG, RIGHT_LUNG, Thorax, make_thorax
from nnunetv2_raemd.volumes.boxes import Box
from nnunetv2_raemd.volumes.lung_box import MARGIN_MM, Anatomy, anatomy_of, find_lung_box

COARSE = replace(LUNA16, shape=(60, 96, 96), spacing_mm=(5.0, 3.6, 3.6))
AIR_HU, WATER_HU = -1000.0, 0.0


@pytest.fixture(scope="module")
def thorax() -> Thorax:
    return make_thorax(COARSE, 0)


def box_of(hu: np.ndarray, spacing_mm: tuple[float, ...], anatomy: Anatomy | None = None) -> Box:
    found = find_lung_box(hu, spacing_mm, anatomy or Anatomy())
    assert found.box is not None, found.reason
    return found.box


def test_lungs_and_lesions_of_phantoms_lie_within_and_much_is_left_out() -> None:
    for case in range(3):
        thorax = make_thorax(COARSE, case)
        box = box_of(thorax.hu, thorax.spacing_mm)
        for wanted in (np.isin(thorax.lung_labels, (LEFT_LUNG, RIGHT_LUNG)), thorax.lesion_labels > 0):
            assert np.count_nonzero(wanted[box]) == np.count_nonzero(wanted)
        assert thorax.hu[box].size < 0.75 * thorax.hu.size


def test_the_margin_is_in_mm(thorax: Thorax) -> None:
    lungs = np.isin(thorax.lung_labels, (LEFT_LUNG, RIGHT_LUNG))
    box = box_of(thorax.hu, thorax.spacing_mm)
    for axis, side in enumerate(box):
        held = np.flatnonzero(lungs.any(axis=tuple({0, 1, 2} - {axis})))
        for margin in (held[0] - side.start, side.stop - 1 - held[-1]):
            at_the_end = side.start == 0 or side.stop == lungs.shape[axis]
            grid_mm = 2 * 5.0  # lungs are found on a coarse grid, and the trachea belongs to their air
            assert at_the_end or MARGIN_MM - grid_mm <= margin * thorax.spacing_mm[axis]


def test_a_turned_image_gives_the_turned_box(thorax: Thorax) -> None:
    # (y, z, x): coronal slices
    z, y, x = box_of(thorax.hu, thorax.spacing_mm)
    spacing_mm = (thorax.spacing_mm[1], thorax.spacing_mm[0], thorax.spacing_mm[2])
    turned = box_of(np.swapaxes(thorax.hu, 0, 1), spacing_mm, Anatomy(along=1, across=2))
    assert turned == (y, z, x)


def test_anatomy_comes_from_the_direction_cosines() -> None:
    assert anatomy_of((1, 0, 0, 0, 1, 0, 0, 0, 1)) == Anatomy(along=0, across=2)
    assert anatomy_of((-1, 0, 0, 0, -1, 0, 0, 0, 1)) == Anatomy(along=0, across=2)
    # coronal: columns to the left, rows to the feet, slices to the back
    assert anatomy_of((1, 0, 0, 0, 0, 1, 0, -1, 0)) == Anatomy(along=1, across=2)


def body() -> np.ndarray:
    """A box of water in air, 40 x 60 x 60 voxels."""
    hu = np.full((40, 60, 60), AIR_HU, np.float32)
    hu[:, 5:55, 5:55] = WATER_HU
    return hu


def test_without_lungs_there_is_no_box() -> None:
    hu = body()
    hu[10:12, 20:22, 20:22] = AIR_HU  # a bubble
    found = find_lung_box(hu, (4.0, 4.0, 4.0))
    assert found.box is None
    assert "no lungs" in found.reason


def test_with_one_lung_there_is_no_box_since_the_other_may_be_the_diseased_one() -> None:
    hu = body()
    hu[5:35, 15:45, 10:25] = -850
    found = find_lung_box(hu, (4.0, 4.0, 4.0))
    assert found.box is None
    assert "one lung only" in found.reason


def test_two_lungs_without_a_trachea_are_found_and_a_bubble_far_off_is_not() -> None:
    hu = body()
    hu[5:20, 15:45, 10:25] = hu[5:20, 15:45, 35:50] = -850
    hu[36:38, 30:32, 30:32] = AIR_HU
    box = box_of(hu, (4.0, 4.0, 4.0))
    assert box == (slice(0, 25), slice(10, 50), slice(5, 55))  # 20 mm are 5 voxels


def test_images_without_hu_have_no_lungs() -> None:
    assert find_lung_box(np.random.default_rng(0).random((20, 30, 30)), (2.0, 2.0, 2.0)).box is None


def test_the_tumour_of_a_real_scan_lies_within(real_data: Path) -> None:
    folder = real_data / "nsclc-radiomics"
    series = _ct_series(sorted(folder.rglob("*.dcm")))
    box = box_of(sitk.GetArrayFromImage(series), series.GetSpacing()[::-1], anatomy_of(series.GetDirection()))
    assert np.prod([side.stop - side.start for side in box]) < 0.6 * np.prod(series.GetSize())
    corners = _contour_points(folder, "GTV-1")
    assert len(corners) > 1000
    for point in corners:
        x, y, z = series.TransformPhysicalPointToIndex(point.tolist())
        for side, place in zip(box, (z, y, x), strict=True):
            assert side.start <= place < side.stop


def _contour_points(folder: Path, name: str) -> np.ndarray:
    """The corners (x, y, z) in mm of all contours of a structure."""
    for file in folder.rglob("*.dcm"):
        dataset = pydicom.dcmread(file)
        if dataset.Modality == "RTSTRUCT":
            numbers = [roi.ROINumber for roi in dataset.StructureSetROISequence if roi.ROIName == name]
            (item,) = (i for i in dataset.ROIContourSequence if i.ReferencedROINumber == numbers[0])
            return np.concatenate([np.reshape(c.ContourData, (-1, 3)) for c in item.ContourSequence])
    raise FileNotFoundError(folder)


def test_the_tumor_of_a_scan_of_thick_slices_lies_within(real_data: Path) -> None:
    """The archive's own boxes round the tumor, of the slices of either kernel that it names."""
    folder = real_data / "lung-pet-ct-dx"
    tumor = {file.stem: _tumor_box(file) for file in (folder / "annotation-A0002").glob("*.xml")}
    n_slices = 0
    for files in _series_below(folder):
        image = sitk.ReadImage(files)
        z, y, x = box_of(
            sitk.GetArrayFromImage(image), image.GetSpacing()[::-1], anatomy_of(image.GetDirection())
        )
        uids = [str(pydicom.dcmread(file, stop_before_pixels=True).SOPInstanceUID) for file in files]
        for k, uid in enumerate(uids):
            if uid in tumor:
                left, top, right, bottom = tumor[uid]
                assert z.start <= k < z.stop
                assert x.start <= left < right < x.stop
                assert y.start <= top < bottom < y.stop
                n_slices += 1
    assert n_slices > 5


def _tumor_box(file: Path) -> tuple[int, int, int, int]:
    """Left, top, right and bottom in pixels."""
    box = ElementTree.parse(file).getroot().find(".//bndbox")
    assert box is not None
    left, top, right, bottom = (int(box.findtext(side, "")) for side in ("xmin", "ymin", "xmax", "ymax"))
    return left, top, right, bottom


def test_the_nodules_of_a_slab_lie_within_as_all_readers_drew_them(real_data: Path) -> None:
    """16 slices of LIDC-IDRI-0001: lungs are cut off at both ends."""
    image = _ct_series(sorted((real_data / "lidc" / "dicom").rglob("*.dcm")))
    (file,) = (real_data / "lidc" / "xml").rglob("*.xml")
    points = list(_lidc_points(file))
    assert len(points) > 100
    spacing_mm, anatomy = image.GetSpacing()[::-1], anatomy_of(image.GetDirection())
    box = box_of(sitk.GetArrayFromImage(image), spacing_mm, anatomy)
    n_shown = 0
    for x, y, z_mm in points:
        place = (round((z_mm - image.GetOrigin()[2]) / spacing_mm[0]), y, x)
        if not 0 <= place[0] < image.GetSize()[2]:
            continue
        n_shown += 1
        assert all(side.start <= index < side.stop for side, index in zip(box, place, strict=True))
    assert n_shown > 100


def _lidc_points(file: Path) -> Iterator[tuple[int, int, float]]:
    """Column, row and height in mm of the contours of nodules."""
    for roi in ElementTree.parse(file).getroot().iterfind(".//{*}roi"):
        z_mm = float(roi.findtext("{*}imageZposition", ""))
        for edge in roi.iterfind("{*}edgeMap"):
            yield int(edge.findtext("{*}xCoord", "")), int(edge.findtext("{*}yCoord", "")), z_mm


def test_both_kernels_of_a_real_scan_give_nearly_the_same_box(real_data: Path) -> None:
    series = [sitk.ReadImage(files) for files in _series_below(real_data / "lung-pet-ct-dx")]
    assert len(series) == 2
    boxes = [
        box_of(sitk.GetArrayFromImage(image), image.GetSpacing()[::-1], anatomy_of(image.GetDirection()))
        for image in series
    ]
    for one, other in zip(*boxes, strict=True):
        assert abs(one.start - other.start) <= 8
        assert abs(one.stop - other.stop) <= 8


def _series_below(folder: Path) -> list[tuple[str, ...]]:
    """The files of each series in folders of more than 20, from the feet up."""
    reader = sitk.ImageSeriesReader()
    folders = (one for one in sorted(folder.rglob("*")) if len(list(one.glob("*.dcm"))) > 20)
    return [
        reader.GetGDCMSeriesFileNames(str(one), uid)
        for one in folders
        for uid in reader.GetGDCMSeriesIDs(str(one))
    ]


def _ct_series(files: list[Path]) -> sitk.Image:
    """The largest series among the files."""
    reader = sitk.ImageSeriesReader()
    found: dict[str, tuple[str, ...]] = {}
    for folder in {file.parent for file in files}:
        for uid in reader.GetGDCMSeriesIDs(str(folder)):
            found[uid] = reader.GetGDCMSeriesFileNames(str(folder), uid)
    return sitk.ReadImage(max(found.values(), key=len))
