"""Lung masks as a class and as a crop, on volumes whose answer is known."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import SimpleITK as sitk
from luna_folder import LunaFolder
from nnunetv2.utilities.label_handling.label_handling import LabelManager

from nnunetv2_raemd.dataset_conversion.archives.luna16.luna16_choices import LungUse
from nnunetv2_raemd.dataset_conversion.archives.luna16.luna16_scans import DESCRIPTION, find_luna16_cases
from nnunetv2_raemd.dataset_conversion.archives.luna16.lung_masks import (
    LungChoice,
    crop_to_lungs,
    describe_lung_class,
    find_lung_masks,
    lung_class,
    read_lungs,
    with_lungs,
)
from nnunetv2_raemd.dataset_conversion.archives.luna16.mask_sources import Spheres
from nnunetv2_raemd.dataset_conversion.case import FoundCases, LoadedCase
from nnunetv2_raemd.errors import UserError

TURNED = (-1, 0, 0, 0, -1, 0, 0, 0, 1)


def volume(array: np.ndarray, direction: tuple[float, ...] = (1, 0, 0, 0, 1, 0, 0, 0, 1)) -> sitk.Image:
    image = sitk.GetImageFromArray(array)
    image.SetSpacing((0.75, 0.5, 1.25))
    image.SetOrigin((-50.5, 20.25, -300.0))
    image.SetDirection(direction)
    return image


def loaded_case(label: np.ndarray, direction: tuple[float, ...] = (1, 0, 0, 0, 1, 0, 0, 0, 1)) -> LoadedCase:
    hu = np.arange(label.size, dtype=np.int16).reshape(label.shape)
    checks = {"checks": ["said before"]}
    return LoadedCase(volume(hu, direction), volume(label.astype(np.uint8), direction), checks)


def write_lungs(luna: LunaFolder, uid: str, labels: np.ndarray | None = None, **geometry: Any) -> Path:
    """A lung mask for a scan of the folder: by default the left half is lung 3, the right half lung 4."""
    scan = sitk.ReadImage(str(next(f for f in luna.path.rglob(f"{uid}.mhd") if "seg" not in f.parent.name)))
    if labels is None:
        labels = np.zeros(scan.GetSize()[::-1])
        labels[3:12, 5:15, 4:12], labels[3:12, 5:15, 12:20] = 3, 4
    mask = sitk.GetImageFromArray(labels.astype(np.int16))
    if mask.GetSize() == scan.GetSize():
        mask.CopyInformation(scan)
    for setting, value in geometry.items():
        getattr(mask, f"Set{setting}")(value)
    file = luna.path / "seg-lungs-LUNA16" / f"{uid}.mhd"
    file.parent.mkdir(exist_ok=True)
    sitk.WriteImage(mask, str(file), useCompression=True)
    return file


def joined(luna: LunaFolder, use: LungUse, margin_mm: float = 0.0) -> FoundCases:
    luna.write_annotations()
    return with_lungs(
        find_luna16_cases(luna.path, Spheres()), find_lung_masks(luna.path), LungChoice(use, margin_mm)
    )


def test_lung_class_lies_where_neither_nodule_nor_ignored() -> None:
    """One row: background outside and in the lung, nodule in and outside, ignored in and outside."""
    label = np.array([[[0, 0, 1, 1, 2, 2]]])
    lungs = np.array([[[False, True, True, False, True, False]]])
    made = lung_class(loaded_case(label), lungs)
    assert sitk.GetArrayFromImage(made.label).tolist() == [[[0, 2, 1, 1, 3, 3]]]
    assert made.label.GetPixelID() == sitk.sitkUInt8
    assert made.details["checks"] == [
        "said before",
        "1 of 2 lesion voxels lie outside the lung mask and count as lung",
    ]


@pytest.mark.parametrize("direction", [(1, 0, 0, 0, 1, 0, 0, 0, 1), TURNED])
def test_lung_class_keeps_the_geometry(direction: tuple[float, ...]) -> None:
    case = loaded_case(np.zeros((3, 4, 5)), direction)
    made = lung_class(case, np.ones((3, 4, 5), dtype=bool))
    for get in ("GetOrigin", "GetSpacing", "GetDirection", "GetSize"):
        assert getattr(made.label, get)() == getattr(case.label, get)()
    assert made.details["checks"] == ["said before"]


@pytest.mark.parametrize("ignored", [{}, {"ignore": 2}])
def test_nnunet_reads_the_regions(ignored: dict[str, int]) -> None:
    """Judged by nnU-Net's own label manager: what it trains on, and what it paints."""
    about = describe_lung_class(replace(DESCRIPTION, labels={**DESCRIPTION.labels, **ignored}))
    manager = LabelManager(dict(about.labels), about.regions_class_order)
    assert manager.foreground_regions == [(1, 2), 1] and manager.all_labels == [0, 1, 2]
    assert manager.ignore_label == (3 if ignored else None)
    lung_and_nodule = np.array([[0.9, 0.9, 0.1, 0.1], [0.1, 0.9, 0.1, 0.9]])[:, None, None]
    painted = manager.convert_probabilities_to_segmentation(lung_and_nodule)
    assert painted.ravel().tolist() == [2, 1, 0, 1]


def test_lung_class_needs_one_class() -> None:
    with pytest.raises(UserError, match="one class, not a, b"):
        describe_lung_class(replace(DESCRIPTION, labels={"background": 0, "a": 1, "b": 2}))


@pytest.mark.parametrize("direction", [(1, 0, 0, 0, 1, 0, 0, 0, 1), TURNED])
def test_crop_is_the_box_and_its_margin_where_it_was(direction: tuple[float, ...]) -> None:
    case = loaded_case(np.zeros((10, 12, 14)), direction)
    lungs = np.zeros((10, 12, 14), dtype=bool)
    lungs[4, 5, 6] = lungs[5, 8, 9] = True
    made = crop_to_lungs(case, lungs, margin_mm=1.0)  # 2, 2 and 1 voxels of 0.75, 0.5 and 1.25 mm
    hu = sitk.GetArrayFromImage(case.image)
    assert np.array_equal(sitk.GetArrayFromImage(made.image), hu[3:7, 3:11, 4:12])
    assert made.details["crop_start_xyz"] == [4, 3, 3]
    assert made.details["size_before_crop_xyz"] == [14, 12, 10]
    for cut, whole in ((made.image, case.image), (made.label, case.label)):
        there = cut.TransformIndexToPhysicalPoint((2, 2, 1))
        assert there == pytest.approx(whole.TransformIndexToPhysicalPoint((6, 5, 4)))
        assert cut.GetDirection() == whole.GetDirection() and cut.GetSpacing() == whole.GetSpacing()


def test_crop_ends_where_the_image_ends() -> None:
    lungs = np.zeros((6, 7, 8), dtype=bool)
    lungs[0, 3, 7] = True
    made = crop_to_lungs(loaded_case(np.zeros((6, 7, 8))), lungs, margin_mm=1000.0)
    assert made.image.GetSize() == (8, 7, 6) and made.details["crop_start_xyz"] == [0, 0, 0]


def test_lesion_voxels_cut_off_are_told() -> None:
    label = np.zeros((6, 7, 8))
    label[2, 3, 1:5] = 1
    lungs = np.zeros((6, 7, 8), dtype=bool)
    lungs[1:4, 2:5, 4:7] = True
    made = crop_to_lungs(loaded_case(label), lungs, margin_mm=0.0)
    assert made.details["checks"][1:] == ["3 of 4 lesion voxels lie outside the crop and are cut off"]
    assert sitk.GetArrayFromImage(made.label).sum() == 1


def test_trachea_is_no_lung_and_turned_scans_fit(luna: LunaFolder) -> None:
    luna.add_scan("1.1", turned=True, nodule=(10, 9, 8))
    labels = np.zeros((16, 20, 24))
    labels[8, 9, 10], labels[2, 2, 2], labels[3, 3, 3], labels[4, 4, 4] = 3, 3, 4, 5
    write_lungs(luna, "1.1", labels)
    made = joined(luna, LungUse.CLASS).cases[0].load()
    label = sitk.GetArrayFromImage(made.label)
    assert np.argwhere(label == 2).tolist() == [[2, 2, 2], [3, 3, 3]] and label[8, 9, 10] == 1
    assert made.details["sources"][-1] == "1.1.mhd" and made.details["lungs"] == "class"


def test_fingerprint_follows_lungs_and_choice(luna: LunaFolder) -> None:
    luna.add_scan("1.1", nodule=(10, 9, 8))
    write_lungs(luna, "1.1")
    prints = [joined(luna, use, margin).cases[0].fingerprint() for use, margin in CHOICES]
    labels = np.zeros((16, 20, 24))
    labels[2, 2, 2] = 3
    write_lungs(luna, "1.1", labels)
    prints.append(joined(luna, LungUse.CLASS).cases[0].fingerprint())
    assert len(set(prints)) == 4
    assert joined(luna, LungUse.CLASS).cases[0].fingerprint() == prints[-1]


CHOICES = [(LungUse.CLASS, 0.0), (LungUse.CROP, 0.0), (LungUse.CROP, 5.0)]


@pytest.mark.parametrize(
    ("labels", "geometry", "message"),
    [
        (np.full((16, 20, 23), 3), {}, r"not on the scan's grid: size \(23, 20, 16\)"),
        (None, {"Spacing": (0.76, 0.5, 1.25)}, "not on the scan's grid"),
        (None, {"Origin": (-50.5, 20.25, -298.75)}, "not on the scan's grid"),
        (None, {"Direction": TURNED}, "not on the scan's grid"),
        (np.full((16, 20, 24), 5), {}, "shows no lung"),
    ],
)
def test_lung_mask_that_does_not_belong_to_the_scan_is_refused(
    luna: LunaFolder, labels: np.ndarray | None, geometry: dict[str, Any], message: str
) -> None:
    luna.add_scan("1.1", nodule=(10, 9, 8))
    write_lungs(luna, "1.1", labels, **geometry)
    with pytest.raises(UserError, match=message) as error:
        joined(luna, LungUse.CROP).cases[0].load()
    assert "1.1.mhd" in str(error.value)


def test_missing_and_doubled_lung_masks_are_that_cases_failure(luna: LunaFolder) -> None:
    for uid in ("1.1", "1.2"):
        luna.add_scan(uid, nodule=(10, 9, 8))
    file = write_lungs(luna, "1.1")
    plan = joined(luna, LungUse.CLASS)
    plan.cases[0].load()
    with pytest.raises(UserError, match=r"one lung mask 1\.2\.mhd, found none"):
        plan.cases[1].load()
    (file.parent / "copy").mkdir()
    sitk.WriteImage(sitk.ReadImage(str(file)), str(file.parent / "copy" / file.name))
    with pytest.raises(UserError, match=r"found .*1\.1\.mhd and .*1\.1\.mhd"):
        joined(luna, LungUse.CLASS).cases[0].load()


def test_truncated_lung_mask_is_refused(luna: LunaFolder) -> None:
    luna.add_scan("1.1", nodule=(10, 9, 8))
    zraw = write_lungs(luna, "1.1").with_suffix(".zraw")
    zraw.write_bytes(zraw.read_bytes()[:-20])
    with pytest.raises(UserError, match=r"1\.1\.zraw"):
        joined(luna, LungUse.CLASS).cases[0].load()


def test_lungs_are_found_below_the_input_or_in_the_folder_named(luna: LunaFolder, tmp_path: Path) -> None:
    luna.add_scan("1.1", nodule=(10, 9, 8))
    with pytest.raises(UserError, match=r"no lung mask below .*--lungs-dir"):
        find_lung_masks(luna.path)
    file = write_lungs(luna, "1.1")
    assert find_lung_masks(luna.path) == {"1.1": [file]}
    file.parent.rename(tmp_path / "elsewhere")
    elsewhere = find_lung_masks(tmp_path / "elsewhere", anywhere=True)
    assert elsewhere == {"1.1": [tmp_path / "elsewhere" / "1.1.mhd"]}


def test_real_lung_mask_fits_its_scan(real_data: Path) -> None:
    """The scan's voxels are absent; its header says where it lies. Figures by SimpleITK's own statistics."""
    mask = next((real_data / "luna16" / "seg-lungs").glob("*.mhd"))
    reader = sitk.ImageFileReader()
    reader.SetFileName(str(real_data / "luna16" / "ct-headers-only" / mask.name))
    reader.ReadImageInformation()
    scan = sitk.Image(reader.GetSize(), sitk.sitkUInt8)
    scan.SetSpacing(reader.GetSpacing())
    scan.SetOrigin(reader.GetOrigin())
    scan.SetDirection(reader.GetDirection())
    lungs = read_lungs(mask, scan)
    labels = sitk.ReadImage(str(mask))
    statistics = sitk.LabelShapeStatisticsImageFilter()
    statistics.Execute((labels == 3) | (labels == 4))
    assert np.count_nonzero(lungs) == statistics.GetNumberOfPixels(1) == 4627134
    box = statistics.GetBoundingBox(1)
    cropped = crop_to_lungs(LoadedCase(scan, scan), lungs, margin_mm=0.0)
    assert (*cropped.details["crop_start_xyz"], *cropped.image.GetSize()) == box
