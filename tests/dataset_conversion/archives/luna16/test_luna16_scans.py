"""LUNA16 to nnU-Net: what is found, what is read, what is drawn."""

from __future__ import annotations

import os
from pathlib import Path

import numpy as np
import pytest
import SimpleITK as sitk
from luna_folder import LunaFolder

from nnunetv2_raemd.dataset_conversion.archives.luna16.luna16_scans import (
    Luna16Scan,
    find_luna16_cases,
    read_annotations,
)
from nnunetv2_raemd.dataset_conversion.archives.luna16.mask_sources import Spheres
from nnunetv2_raemd.dataset_conversion.archives.luna16.scan_masks import SphereMask
from nnunetv2_raemd.dataset_conversion.case import FoundCases, Status
from nnunetv2_raemd.errors import UserError
from nnunetv2_raemd.volumes.balls import Ball


def scans_of(found: FoundCases) -> list[Luna16Scan]:
    return [case for case in found.cases if isinstance(case, Luna16Scan)]


def test_image_is_what_simpleitk_reads_turned_or_not(luna: LunaFolder) -> None:
    for uid, turned in (("1.1", False), ("1.2", True)):
        luna.add_scan(uid, turned=turned, nodule=(10, 9, 8))
    luna.write_annotations()
    for case in scans_of(find_luna16_cases(luna.path, Spheres())):
        loaded, original = case.load(), sitk.ReadImage(str(case.header))
        assert np.array_equal(sitk.GetArrayFromImage(loaded.image), sitk.GetArrayFromImage(original))
        for image in (loaded.image, loaded.label):
            assert image.GetDirection() == original.GetDirection()
            assert image.GetOrigin() == original.GetOrigin()
            assert image.GetSpacing() == original.GetSpacing()


def test_nodule_lies_where_it_was_put_turned_or_not(luna: LunaFolder) -> None:
    for uid, turned in (("1.1", False), ("1.2", True)):
        luna.add_scan(uid, turned=turned, nodule=(15, 6, 5))
    luna.write_annotations()
    for case in find_luna16_cases(luna.path, Spheres()).cases:
        z, y, x = np.argwhere(sitk.GetArrayFromImage(case.load().label)).mean(axis=0)
        assert (x, y, z) == pytest.approx((15, 6, 5), abs=1e-9)


def test_scan_without_annotation_is_a_negative_case(luna: LunaFolder) -> None:
    luna.add_scan("1.1")
    luna.write_annotations()
    loaded = find_luna16_cases(luna.path, Spheres()).cases[0].load()
    assert not sitk.GetArrayFromImage(loaded.label).any()
    assert loaded.details["checks"] == ["no annotation: negative case"]


def test_values_that_are_not_hu_and_nodules_that_leave_the_image_are_remarked_on(luna: LunaFolder) -> None:
    luna.add_scan("1.1", nodule=(10, 9, 0))
    luna.add_scan("1.2", nodule=(10, 9, 8))
    luna.write_annotations()
    plus = sitk.GetArrayFromImage(sitk.ReadImage(str(luna.voxels("1.2").with_suffix(".mhd")))) + 1024
    luna.voxels("1.2").write_bytes(plus.astype("<i2").tobytes())
    cut, not_hu = (case.load().details["checks"] for case in find_luna16_cases(luna.path, Spheres()).cases)
    assert cut == ["nodules that lie beside the image in part and are cut off: 1"]
    assert len(not_hu) == 1 and not_hu[0].startswith("its values do not look like HU")


def test_diameters_in_centimeters_are_remarked_on(luna: LunaFolder) -> None:
    luna.add_scan("1.1", nodule=(10, 9, 8))
    luna.write_annotations()
    file = luna.path / "annotations.csv"
    *columns, diameter_mm = file.read_text().splitlines()[1].split(",")
    assert not find_luna16_cases(luna.path, Spheres()).remarks and float(diameter_mm) > 3.25
    for given, told in ((3.26, False), (3.24, True)):
        file.write_text(f"seriesuid,coordX,coordY,coordZ,diameter_mm\n{','.join(columns)},{given}\n")
        remarks = find_luna16_cases(luna.path, Spheres()).remarks
        assert any("annotations.csv are below 3.25 mm" in remark for remark in remarks) is told


def test_coordinates_that_are_voxels_are_remarked_on() -> None:
    """The numbers of the voxels of two nodules are places in their scan, too."""
    image = sitk.Image([40, 40, 40], sitk.sitkInt16)
    image.SetOrigin((-20.0, -15.0, -10.0))
    voxels = [(8, 7, 12), (15, 20, 25)]
    in_mm, as_voxels = (
        SphereMask(tuple(Ball((float(x), float(y), float(z)), 6.0) for x, y, z in places))
        for places in ([image.TransformIndexToPhysicalPoint(voxel) for voxel in voxels], voxels)
    )
    assert in_mm.draw(image)[1]["checks"] == []
    (about,) = as_voxels.draw(image)[1]["checks"]
    assert about.startswith("no coordinate of its nodules is below 0")
    image.SetOrigin((0.0, 0.0, 0.0))  # where voxels of 1 mm are places
    assert as_voxels.draw(image)[1]["checks"] == []


@pytest.mark.parametrize("folder", ["seg-lungs-LUNA16", "oracle", "Seg-Lungs"])
def test_lung_masks_and_oracles_are_not_scans(luna_of_five: LunaFolder, folder: str) -> None:
    image = sitk.Image([4, 4, 4], sitk.sitkUInt8)
    (luna_of_five.path / folder).mkdir()
    sitk.WriteImage(image, str(luna_of_five.path / folder / "1.0.mhd"))
    plan = find_luna16_cases(luna_of_five.path, Spheres())
    assert [case.case_id for case in plan.cases] == ["1.0", "1.1", "1.2", "1.3", "1.4"] and not plan.rejected


def test_same_scan_in_two_places_is_rejected_and_the_rest_planned(luna_of_five: LunaFolder) -> None:
    copy = luna_of_five.path / "subset9" / "again"
    copy.mkdir(parents=True)
    original = next(luna_of_five.path.rglob("1.3.mhd"))
    (copy / "1.3.mhd").write_bytes(original.read_bytes())
    plan = find_luna16_cases(luna_of_five.path, Spheres())
    assert len(plan.cases) == 4
    assert [(o.case_id, o.status) for o in plan.rejected] == [("1.3", Status.FAILED)]


def test_annotation_outside_the_scan_fails(luna: LunaFolder) -> None:
    luna.add_scan("1.1", nodule=(100, 9, 8))
    luna.write_annotations()
    with pytest.raises(UserError, match="do the annotations belong to this scan"):
        find_luna16_cases(luna.path, Spheres()).cases[0].load()


def test_fingerprint_follows_scan_and_annotations(luna: LunaFolder) -> None:
    luna.add_scan("1.1", nodule=(10, 9, 8))
    luna.write_annotations()
    before = find_luna16_cases(luna.path, Spheres()).cases[0].fingerprint()
    assert find_luna16_cases(luna.path, Spheres()).cases[0].fingerprint() == before
    luna.rows[0] = (*luna.rows[0][:4], 7.0)
    luna.write_annotations()
    assert find_luna16_cases(luna.path, Spheres()).cases[0].fingerprint() != before


def test_fingerprint_follows_a_scan_of_the_same_length(luna: LunaFolder) -> None:
    luna.add_scan("1.1")
    luna.write_annotations()
    before = find_luna16_cases(luna.path, Spheres()).cases[0].fingerprint()
    raw = luna.voxels("1.1")
    raw.write_bytes(bytes(raw.stat().st_size))
    os.utime(raw, ns=(0, raw.stat().st_mtime_ns + 1000))
    assert find_luna16_cases(luna.path, Spheres()).cases[0].fingerprint() != before


def test_folder_without_scans_says_what_is_expected(tmp_path: Path) -> None:
    with pytest.raises(UserError, match=r"no \.mhd scan"):
        find_luna16_cases(tmp_path, Spheres())


def test_missing_and_doubled_annotations_ask_for_the_option(luna: LunaFolder) -> None:
    luna.add_scan("1.1")
    with pytest.raises(UserError, match=r"0 files annotations.csv.*--annotations"):
        find_luna16_cases(luna.path, Spheres())
    for folder in ("a", "b"):
        (luna.path / folder).mkdir()
        luna.write_annotations().replace(luna.path / folder / "annotations.csv")
    with pytest.raises(UserError, match=r"2 files annotations.csv.*--annotations"):
        find_luna16_cases(luna.path, Spheres())
    assert find_luna16_cases(luna.path, Spheres(), annotations=luna.path / "b" / "annotations.csv").cases


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("seriesuid,coordX,coordY,coordZ\n1,2,3,4\n", "lacks the column diameter_mm"),
        ("", "lacks the column seriesuid"),
        ("seriesuid,coordX,coordY,coordZ,diameter_mm\n1,2,3,x,5\n", "line 2"),
        ("seriesuid,coordX,coordY,coordZ,diameter_mm\n1,2,3,4\n", "line 2"),
        ("seriesuid,coordX,coordY,coordZ,diameter_mm\n1,2,3,4,5\n1,2,3,nan,5\n", "line 3"),
        ("seriesuid,coordX,coordY,coordZ,diameter_mm\n1,2,3,4,-1\n", "positive diameter"),
        ("seriesuid,coordX,coordY,coordZ,diameter_mm\n1,2,3,4,5500\n", "no nodule has .* another unit"),
        ("seriesuid,coordX,coordY,coordZ,diameter_mm\n1,2,3,4,0.62\n", "no nodule has .* another unit"),
        ("seriesuid,coordX,coordY,coordZ,diameter_mm,coordX\n1,2,3,4,5,6\n", "has the column coordX twice"),
        ("seriesuid,coordX,coordY,coordZ,diameter_mm\n1,2,5,3,5,4,5,6\n", "line 2.*more cells than.*Decimal"),
        ("seriesuid;coordX;coordY;coordZ;diameter_mm\n1;2;3;4;5\n", "lacks the column seriesuid"),
    ],
)
def test_bad_annotations_name_file_and_line(tmp_path: Path, text: str, message: str) -> None:
    file = tmp_path / "annotations.csv"
    file.write_text(text)
    with pytest.raises(UserError, match=message) as error:
        read_annotations(file)
    assert "annotations.csv" in str(error.value)


def test_annotations_as_spreadsheets_save_them(tmp_path: Path) -> None:
    """With a byte order mark, Windows' ends of lines and quotation marks."""
    text = '\ufeffseriesuid,coordX,coordY,coordZ,diameter_mm\r\n"1.2", 2.5,"-3",4e0,5\r\n'
    (tmp_path / "annotations.csv").write_bytes(text.encode())
    assert read_annotations(tmp_path / "annotations.csv") == {"1.2": [Ball((2.5, -3.0, 4.0), 5.0)]}


def test_real_annotations_are_1186_nodules_in_601_scans(real_data: Path) -> None:
    nodules = read_annotations(real_data / "luna16" / "annotations.csv")
    assert len(nodules) == 601 and sum(map(len, nodules.values())) == 1186


UID = "1.3.6.1.4.1.14519.5.2.1.6279.6001.100225287222365663678666836860"


@pytest.mark.parametrize("name", ["{} (1)", "{} - Copy", "{}_copy", "Copy of {}", "Kopie von {}"])
@pytest.mark.parametrize("with_voxels", [True, False])
def test_copy_of_a_header_is_the_same_scan(luna: LunaFolder, name: str, with_voxels: bool) -> None:
    luna.add_scan(UID, nodule=(10.25, 9.5, 7.75))
    luna.add_scan("1.5")
    header = luna.voxels(UID).with_suffix(".mhd")
    copy = header.with_name(f"{name.format(UID)}.mhd")
    copy.write_bytes(header.read_bytes())
    if with_voxels:
        copy.with_suffix(".raw").write_bytes(luna.voxels(UID).read_bytes())
    luna.write_annotations()
    found = find_luna16_cases(luna.path, Spheres())
    assert [case.case_id for case in found.cases] == [UID, "1.5"] and not found.rejected
    scan = scans_of(found)[0]
    assert scan.header == header
    assert isinstance(scan.mask, SphereMask) and len(scan.mask.nodules) == 1
    assert any(copy.name in remark for remark in found.remarks)


def test_copy_with_another_header_is_refused_and_one_alone_keeps_its_nodules(luna: LunaFolder) -> None:
    luna.add_scan(UID, nodule=(10.25, 9.5, 7.75))
    luna.write_annotations()
    header = luna.voxels(UID).with_suffix(".mhd")
    copy = header.with_name(f"{UID} (1).mhd")
    copy.write_text(header.read_text().replace("0.75", "0.76"))
    (refused,) = find_luna16_cases(luna.path, Spheres()).rejected
    assert refused.case_id == UID and "the scan was found 2 times" in refused.reason
    header.unlink()
    (scan,) = scans_of(find_luna16_cases(luna.path, Spheres()))
    assert isinstance(scan.mask, SphereMask)
    assert scan.case_id == UID and len(scan.mask.nodules) == 1


def test_headers_that_name_the_same_voxels_are_refused(luna: LunaFolder) -> None:
    luna.add_scan("1.5")
    luna.write_annotations()
    header = luna.voxels("1.5").with_suffix(".mhd")
    header.with_name("1.6.mhd").write_bytes(header.read_bytes())
    refused = find_luna16_cases(luna.path, Spheres()).rejected
    assert [outcome.case_id for outcome in refused] == ["1.5", "1.6"]
    assert all("name the same voxels" in outcome.reason for outcome in refused)


def test_public_case_of_a_copy(real_data: Path) -> None:
    found = find_luna16_cases(real_data / "public-cases" / "luna-copy-beside-original" / "input", Spheres())
    assert len(found.cases) == 6 and not found.rejected


def test_public_case_without_spacing(real_data: Path) -> None:
    found = find_luna16_cases(real_data / "public-cases" / "luna-no-spacing" / "input", Spheres())
    with pytest.raises(UserError, match=r"\.mhd lacks ElementSpacing"):
        found.cases[0].load()
