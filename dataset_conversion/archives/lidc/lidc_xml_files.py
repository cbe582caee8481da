"""LIDC's annotations from the XML files of LIDC-IDRI (`LIDC-XML-only`, or beside the DICOM files).

Names are compared without their namespace, which differs from file to file. The files of chest radiographs
(`IdriReadMessage`) lie among those of CT and are passed over.
"""

from __future__ import annotations

import math
from collections import defaultdict
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from xml.etree import ElementTree
from xml.etree.ElementTree import Element

from nnunetv2_raemd.dataset_conversion.archives.lidc.annotations import (
    KnownAnnotations,
    ReaderAnnotation,
    ReaderContour,
    UnoutlinedMarks,
    make_annotation,
    make_contour,
)
from nnunetv2_raemd.dataset_conversion.case import contents_digest
from nnunetv2_raemd.errors import UserError
from nnunetv2_raemd.regular_file import check_is_regular
from nnunetv2_raemd.source_files import files_below

XML_FOLDER = "lidc-xml"
"""The folder of the XML files beside the scans, as `raemd phantom luna16` lays them out."""

# expat knows few encodings: of others it says ValueError or LookupError
_UNREADABLE = (OSError, UserError, ElementTree.ParseError, ValueError, LookupError)
_MOST_BYTES = 50_000_000  # LIDC's have 3 MB at most
_SHOWN = 3
_ROUNDED_MM = 0.1  # headers round places; slices of CT are farther apart
_SESSION = "readingSession"
_CT_ROOT = "LidcReadMessage"
_SERIES = "seriesinstanceuid"  # written SeriesInstanceUid or SeriesInstanceUID


@dataclass(frozen=True)
class XmlFile:
    """The XML file of one CT series."""

    path: Path

    @property
    def name(self) -> str:
        return self.path.name

    def digest(self) -> str:
        """SHA-256 of the file, which is small."""
        return contents_digest([self.path])

    def read(self) -> tuple[ReaderAnnotation, ...]:
        """The nodules of 3 mm or more that each reader drew, also where ratings are missing.

        Readers were told to outline these, and to mark smaller ones and what is no nodule by a point alone:
        see `unoutlined`. Raises `UserError` where the file cannot be understood.
        """
        return tuple(annotation for annotation in self._marked_nodules()[0] if not _is_small(annotation))

    def unoutlined(self) -> UnoutlinedMarks:
        """What readers marked by a point; raises as `read` does."""
        nodules, non_nodules = self._marked_nodules()
        return UnoutlinedMarks(sum(map(_is_small, nodules)), non_nodules)

    def _marked_nodules(self) -> tuple[list[ReaderAnnotation], int]:
        """All nodules of all readers, and the number of other findings that they marked."""
        try:
            _check_size(self.path)
            root = ElementTree.parse(self.path).getroot()
            sessions = list(_children(root, _SESSION))
            _check_no_others(root)
            _check_slices(sessions)
            nodules = [
                _annotation(nodule, number)
                for number, session in enumerate(sessions)
                for nodule in _children(session, "unblindedReadNodule")
            ]
            return nodules, sum(len(list(_children(session, "nonNodule"))) for session in sessions)
        except _UNREADABLE as error:
            raise UserError(
                f"{self.path} is not a whole LIDC XML file ({error}); download it again"
            ) from error


@dataclass(frozen=True)
class XmlFolder:
    """The XML files of CT series by series UID, and what could not be read with the reason."""

    files: dict[str, list[Path]]
    unreadable: dict[Path, str]

    def source_of(self, series_uid: str) -> XmlFile:
        """The file of a series; raises `UserError` for none, or for several in which readers drew otherwise.

        LIDC-IDRI has some files two to six times, with other attributes or spaces and the same annotations.
        """
        files = [XmlFile(file) for file in self.files.get(series_uid, [])]
        if not files:
            raise UserError("no LIDC XML file belongs to this series")
        for other in files[1:]:
            if not _are_alike(files[0], other):
                raise UserError(
                    f"the {len(files)} LIDC XML files of this series hold different annotations: "
                    f"{files[0].path}, {other.path}; remove all but the right one"
                )
        return files[0]


def _are_alike(one: XmlFile, other: XmlFile) -> bool:
    """Whether readers drew the same in both."""
    if one.path.read_bytes() == other.path.read_bytes():
        return True
    drawn = [KnownAnnotations(file.name, file.read()).digest() for file in (one, other)]
    return drawn[0] == drawn[1]


def xml_beside(archive: Path) -> Path | None:
    """The folder of XML files that lies beside the scans of an archive, if there is one."""
    folder = archive / XML_FOLDER
    return folder if folder.is_dir() else None


def index_xml(folder: Path) -> XmlFolder:
    """Find out of which series each `.xml` file below `folder` is.

    Raises:
        UserError: if none is of CT.
    """
    files: dict[str, list[Path]] = defaultdict(list)
    unreadable: dict[Path, str] = {}
    for file in files_below(folder.absolute(), "*.xml"):  # workers may have another working directory
        try:
            series_uid = _series_uid(file)
        except _UNREADABLE as error:
            unreadable[file] = str(error)
            continue
        if series_uid:
            files[series_uid].append(file)
    if not files:
        raise UserError(
            f"there is no LIDC XML file of a CT series below {folder}; unpack LIDC-XML-only.zip there"
        )
    return XmlFolder(dict(files), unreadable)


def _series_uid(file: Path) -> str | None:
    """The series of a CT reading; None for any other XML file. Reads no further than needed."""
    _check_size(file)
    with file.open("rb") as stream:
        elements = ElementTree.iterparse(stream, events=("start", "end"))
        _, root = next(elements)
        if _name(root) != _CT_ROOT:
            return None
        for event, element in elements:
            if event == "end" and _name(element).lower() == _SERIES:
                return (element.text or "").strip() or None
    return None


def _check_size(file: Path) -> None:
    check_is_regular(file)
    if file.stat().st_size > _MOST_BYTES:
        raise ValueError("it is far larger than any LIDC XML file")


def _check_no_others(root: Element) -> None:
    """Sessions of chest radiographs have another name: raises `ValueError` for what else than CT was read."""
    for name in map(_name, root):
        if name.endswith(_SESSION) and name != _SESSION:
            raise ValueError(f"it holds {name} elements, which are not readings of CT")


def _check_slices(sessions: Sequence[Element]) -> None:
    """Contours name their slice and its place: `ValueError` if one of several slices has two places."""
    places_mm: dict[str, set[float]] = defaultdict(set)
    for session in sessions:
        for nodule in _children(session, "unblindedReadNodule"):
            for roi in _children(nodule, "roi"):
                uid = next((child.text or "" for child in _children(roi, "imageSOP_UID")), "").strip()
                if uid:
                    places_mm[uid].add(float(_text(roi, "imageZposition")))
    for uid, found_mm in places_mm.items() if len(places_mm) > 1 else ():
        if max(found_mm) - min(found_mm) > _ROUNDED_MM:
            shown = " and ".join(f"{z_mm:g}" for z_mm in sorted(found_mm)[:_SHOWN])
            raise ValueError(f"contours of the slice {uid} lie at z = {shown} mm")


def _annotation(nodule: Element, session: int) -> ReaderAnnotation:
    rated = any(len(ratings) > 0 for ratings in _children(nodule, "characteristics"))
    contours = [_contour(roi) for roi in _children(nodule, "roi")]
    return make_annotation(_text(nodule, "noduleID"), contours, session, rated=rated)


def _is_small(annotation: ReaderAnnotation) -> bool:
    """Readers marked a point. A nodule that they rated is larger than 3 mm, and its outline missing."""
    return not annotation.rated and not annotation.contours


def _contour(roi: Element) -> ReaderContour:
    z_mm = float(_text(roi, "imageZposition"))
    inclusion = _text(roi, "inclusion").upper()
    if not math.isfinite(z_mm) or inclusion not in ("TRUE", "FALSE"):
        raise ValueError(f"a contour at z {z_mm} with inclusion {inclusion!r}")
    edge = [(int(_text(p, "xCoord")), int(_text(p, "yCoord"))) for p in _children(roi, "edgeMap")]
    return make_contour(z_mm, edge, inclusion=inclusion == "TRUE")


def _children(element: Element, name: str) -> Iterator[Element]:
    return (child for child in element if _name(child) == name)


def _text(element: Element, name: str) -> str:
    children = list(_children(element, name))
    if len(children) > 1:
        raise ValueError(f"{_name(element)} with {len(children)} times {name}")
    if not children or children[0].text is None:
        raise ValueError(f"{_name(element)} without {name}")
    return children[0].text.strip()


def _name(element: Element) -> str:
    """The tag without its namespace; comments have none."""
    return element.tag.rpartition("}")[2] if isinstance(element.tag, str) else ""
