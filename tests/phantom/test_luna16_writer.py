"""The LUNA16 folder read back by SimpleITK and the csv module."""

from __future__ import annotations

import csv
import json
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import SimpleITK as sitk
from scipy import ndimage

from nnunetv2_raemd.phantom.configuration import PhantomConfiguration
from nnunetv2_raemd.phantom.luna16_writer import ANNOTATION_COLUMNS, TURNED_EVERY, Luna16Layout
from nnunetv2_raemd.phantom.phantom_archive import write_archive
from nnunetv2_raemd.phantom.thorax import make_thorax

CASES = TURNED_EVERY + 1


@pytest.fixture(scope="module")
def settings(small: PhantomConfiguration) -> PhantomConfiguration:
    return replace(small, lesion_count=(1, 2))


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory, settings: PhantomConfiguration) -> Path:
    folder = tmp_path_factory.mktemp("luna16") / "phantom"
    write_archive(folder, Luna16Layout(), settings, CASES)
    return folder


def _uid(case: int) -> str:
    return Luna16Layout().case_id(0, case)


def _scan(folder: Path, case: int) -> sitk.Image:
    return sitk.ReadImage(str(folder / f"subset{case}" / f"{_uid(case)}.mhd"))


def _oracle(folder: Path, case: int) -> sitk.Image:
    return sitk.ReadImage(str(folder / "oracle" / f"{_uid(case)}.nii.gz"))


def _annotations(folder: Path) -> list[dict[str, str]]:
    with (folder / "annotations.csv").open(newline="") as file:
        return list(csv.DictReader(file))


def _is_turned(case: int) -> bool:
    return case % TURNED_EVERY == TURNED_EVERY - 1


@pytest.mark.parametrize("case", range(CASES))
def test_scan_read_back_equals_the_phantom(folder: Path, settings: PhantomConfiguration, case: int) -> None:
    thorax = make_thorax(settings, case)
    image = _scan(folder, case)
    turn = (slice(None), slice(None, None, -1), slice(None, None, -1)) if _is_turned(case) else slice(None)
    assert np.array_equal(sitk.GetArrayFromImage(image), thorax.hu[turn])
    assert np.array_equal(sitk.GetArrayFromImage(_oracle(folder, case)), (thorax.lesion_labels > 0)[turn])
    assert image.GetPixelID() == sitk.sitkInt16
    assert image.GetSpacing() == pytest.approx(settings.spacing_mm[::-1])
    assert np.abs(image.GetOrigin()).min() > 1
    sign = -1 if _is_turned(case) else 1
    assert image.GetDirection() == (sign, 0, 0, 0, sign, 0, 0, 0, 1)


def test_files_are_those_of_luna16(folder: Path) -> None:
    assert sum(_is_turned(case) for case in range(CASES)) == 1
    header = (folder / "subset0" / f"{_uid(0)}.mhd").read_text()
    assert "ElementType = MET_SHORT" in header
    assert "CompressedData = False" in header
    assert f"ElementDataFile = {_uid(0)}.raw" in header
    lungs = (folder / "seg-lungs-LUNA16" / f"{_uid(0)}.mhd").read_text()
    assert "CompressedData = True" in lungs
    assert f"ElementDataFile = {_uid(0)}.zraw" in lungs
    assert "MET_SHORT" in lungs
    turned = (folder / "subset3" / f"{_uid(3)}.mhd").read_text()
    assert "TransformMatrix = -1 0 0 0 -1 0 0 0 1" in turned


def test_header_names_the_same_fields_as_a_real_one(folder: Path, real_data: Path) -> None:
    def fields(path: Path) -> list[str]:
        return [line.split(" = ")[0] for line in path.read_text(encoding="utf-8").splitlines()]

    (real_scan,) = (real_data / "luna16" / "ct-headers-only").glob("*.mhd")
    (real_lungs,) = (real_data / "luna16" / "seg-lungs").glob("*.mhd")
    assert fields(folder / "subset0" / f"{_uid(0)}.mhd") == fields(real_scan)
    assert fields(folder / "seg-lungs-LUNA16" / f"{_uid(0)}.mhd") == fields(real_lungs)


def test_annotation_columns_are_exactly_those_of_the_real_table(folder: Path, real_data: Path) -> None:
    real = (real_data / "luna16" / "annotations.csv").read_text().splitlines()[0]
    assert (folder / "annotations.csv").read_text().splitlines()[0].strip() == real.strip()
    assert ",".join(ANNOTATION_COLUMNS) == real.strip()


@pytest.mark.parametrize("case", range(CASES))
def test_annotations_point_at_the_nodules(folder: Path, case: int) -> None:
    oracle = _oracle(folder, case)
    labels, count = ndimage.label(sitk.GetArrayFromImage(oracle))
    rows = [row for row in _annotations(folder) if row["seriesuid"] == _uid(case)]
    assert len(rows) == count >= 1
    for row in rows:
        point = [float(row[name]) for name in ("coordX", "coordY", "coordZ")]
        x, y, z = oracle.TransformPhysicalPointToIndex(point)
        assert labels[z, y, x] > 0
        nodule = labels == labels[z, y, x]
        centroid = np.argwhere(nodule).mean(axis=0)
        assert oracle.TransformPhysicalPointToContinuousIndex(point)[::-1] == pytest.approx(
            centroid, abs=1e-4
        )
        volume = nodule.sum() * np.prod(oracle.GetSpacing())
        assert float(row["diameter_mm"]) == pytest.approx((6 * volume / np.pi) ** (1 / 3), rel=1e-6)


@pytest.mark.parametrize("case", range(CASES))
def test_lung_labels_lie_on_the_patients_sides(folder: Path, case: int) -> None:
    lungs = sitk.ReadImage(str(folder / "seg-lungs-LUNA16" / f"{_uid(case)}.mhd"))
    array = sitk.GetArrayFromImage(lungs)
    assert set(np.unique(array)) == {0, 3, 4, 5}
    world_x = []
    for label in (3, 5, 4):  # left, trachea, right
        z, y, x = np.argwhere(array == label).mean(axis=0)
        world_x.append(lungs.TransformContinuousIndexToPhysicalPoint((x, y, z))[0])
    assert world_x == sorted(world_x, reverse=True)  # world x grows to the left
    assert _scan(folder, case).GetOrigin() == lungs.GetOrigin()


def test_oracle_lists_every_nodule(folder: Path) -> None:
    cases = json.loads((folder / "oracle" / "nodules.json").read_text())["cases"]
    assert [case["id"] for case in cases] == [_uid(case) for case in range(CASES)]
    listed = [
        (case["id"], *(round(c, 3) for c in lesion["centre_mm"]))
        for case in cases
        for lesion in case["lesions"]
    ]
    rows = [
        (row["seriesuid"], *(round(float(row[name]), 3) for name in ("coordX", "coordY", "coordZ")))
        for row in _annotations(folder)
    ]
    assert [row[0] for row in rows] == [row[0] for row in listed]
    assert np.allclose(np.array([row[1:] for row in rows]), np.array([row[1:] for row in listed]), atol=2e-3)
    kinds = {lesion["kind"] for case in cases for lesion in case["lesions"]}
    assert kinds <= {"solitary", "juxta-pleural", "vessel-attached"}


def test_uids_are_valid_and_depend_on_seed_and_case() -> None:
    layout = Luna16Layout()
    uids = {layout.case_id(seed, case) for seed in range(3) for case in range(20)}
    assert len(uids) == 60
    for uid in uids:
        assert len(uid) <= 64
        assert all(part == str(int(part)) for part in uid.split("."))


def test_two_runs_write_the_same_bytes(folder: Path, settings: PhantomConfiguration, tmp_path: Path) -> None:
    write_archive(tmp_path / "again", Luna16Layout(), settings, CASES)
    first = sorted(path.relative_to(folder) for path in folder.rglob("*") if path.is_file())
    second = sorted(
        path.relative_to(tmp_path / "again") for path in (tmp_path / "again").rglob("*") if path.is_file()
    )
    assert first == second
    for path in first:
        assert (folder / path).read_bytes() == (tmp_path / "again" / path).read_bytes(), path
