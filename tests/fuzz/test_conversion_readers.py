"""What conversion reads, damaged: it is refused by a `UserError` that names the file, or read as it is.

No other exception, no crash, no hang. A file that was cut off is refused, or gives what the whole one does.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import SimpleITK as sitk
from mutations import cut, damaged, inputs_for, no_hang

from nnunetv2_raemd.dataset_conversion.archives.lidc.annotations import KnownAnnotations
from nnunetv2_raemd.dataset_conversion.archives.lidc.lidc_xml_files import XmlFile, index_xml
from nnunetv2_raemd.dataset_conversion.archives.lidc.reader_masks import AxialGrid, draw_annotation
from nnunetv2_raemd.dataset_conversion.archives.luna16.luna16_scans import read_annotations
from nnunetv2_raemd.dataset_conversion.archives.luna16.metaimage import read_metaimage
from nnunetv2_raemd.dataset_conversion.dataset_folder import DatasetFolder
from nnunetv2_raemd.dataset_conversion.dataset_writing.case_mapping import read_mapping
from nnunetv2_raemd.dicom.ct_series import order_series, read_hu
from nnunetv2_raemd.dicom.dicom_headers import read_header
from nnunetv2_raemd.dicom.dicom_index import index_folder
from nnunetv2_raemd.dicom.dicom_seg import CtSlices, draw_segments
from nnunetv2_raemd.dicom.index_entries import Delineation, MultiFrameCt, Unreadable
from nnunetv2_raemd.dicom.rtstruct import draw_rois
from nnunetv2_raemd.errors import UserError

GRID = AxialGrid((64, 64, 20), (0.0, 0.0, 0.0), (1.0, 1.0, 1.0))
XML = """<?xml version="1.0" encoding="UTF-8"?>
<LidcReadMessage xmlns="http://www.nih.gov"><ResponseHeader>
<SeriesInstanceUid>1.2.3.4</SeriesInstanceUid></ResponseHeader>
<readingSession><unblindedReadNodule><noduleID>IL057_1</noduleID>
<characteristics><subtlety>5</subtlety><malignancy>3</malignancy></characteristics>
{rois}</unblindedReadNodule></readingSession></LidcReadMessage>
"""
ROI = """<roi><imageZposition>{z}</imageZposition><imageSOP_UID>1.2.{z}</imageSOP_UID>
<inclusion>TRUE</inclusion>{points}</roi>"""
POINT = "<edgeMap><xCoord>{}</xCoord><yCoord>{}</yCoord></edgeMap>\n"


@dataclass(frozen=True)
class Readable:
    """A file that is whole, and the function that reads it to something that can be compared."""

    file: Path
    read: Callable[[], object]


Make = Callable[[Path, Any], Readable]


def metaimage(folder: Path, _: Any, *, compressed: bool, part: str) -> Readable:
    voxels = np.random.default_rng(0).integers(-1000, 1000, (6, 9, 10)).astype(np.int16)
    sitk.WriteImage(sitk.GetImageFromArray(voxels), str(folder / "scan.mhd"), useCompression=compressed)
    header = folder / "scan.mhd"

    def read() -> object:
        image = read_metaimage(header)
        return sitk.GetArrayFromImage(image).tobytes(), image.GetSize(), image.GetSpacing(), image.GetOrigin()

    return Readable(header if part == "header" else next(folder.glob("scan.*raw")), read)


def lidc_xml(folder: Path, _: Any) -> Readable:
    square = "".join(POINT.format(x, y) for x, y in [(10, 10), (14, 10), (14, 15), (10, 15)])
    file = folder / "reading.xml"
    file.write_text(XML.format(rois="".join(ROI.format(z=z, points=square) for z in (3.0, 4.0, 5.0))))

    def read() -> object:
        index_xml(folder)
        annotations = XmlFile(file).read()
        for annotation in annotations:
            draw_annotation(annotation, GRID)
        return KnownAnnotations("", annotations).digest()

    return Readable(file, read)


def annotations_csv(folder: Path, _: Any) -> Readable:
    file = folder / "annotations.csv"
    rows = [f"1.2.{i},{i}.5,-{i}.25,3,{i + 4}.125" for i in range(6)]
    file.write_text("\n".join(["seriesuid,coordX,coordY,coordZ,diameter_mm", *rows, ""]))
    return Readable(file, lambda: read_annotations(file))


def mapping_csv(folder: Path, _: Any) -> Readable:
    file = folder / "mapping.csv"
    rows = [f"X_{i:03d},X_P{i:03d},LUNG1-{i:03d},LUNG1-{i:03d}" for i in range(6)]
    file.write_text("\n".join(["case,patient,original_case,original_patient", *rows, ""]))

    def read() -> object:
        mapping = read_mapping(file, DatasetFolder(folder / "Dataset501_X"), overwrite=True)
        return [mapping.private_file(case) for case in mapping.cases.values()]

    return Readable(file, read)


def ct_image(folder: Path, make_patient: Any) -> Readable:
    patient = make_patient()
    files = patient.write_ct()

    def read() -> object:
        index = index_folder(patient.folder / "ct")
        if index.unreadable:
            raise UserError(f"{index.unreadable[0].path}: {index.unreadable[0].reason}")
        series = order_series([image for images in index.ct.values() for image in images])
        return read_hu(series).tobytes(), series.stack.positions_mm.tobytes()

    return Readable(files[3], read)


def multi_frame_ct(folder: Path, make_patient: Any) -> Readable:
    from enhanced_ct import write_enhanced_ct  # noqa: PLC0415 - for this kind only

    patient = make_patient()
    file = patient.folder / "enhanced.dcm"
    write_enhanced_ct(patient, file, range(8))

    def read() -> object:
        entry = read_header(file)
        if isinstance(entry, Unreadable):
            raise UserError(f"{entry.path}: {entry.reason}")
        if not isinstance(entry, MultiFrameCt):
            raise UserError("it is something else")
        series = order_series(entry.frames)
        return read_hu(series).tobytes(), series.stack.positions_mm.tobytes()

    return Readable(file, read)


def structure_set(folder: Path, make_patient: Any) -> Readable:
    patient = make_patient()
    patient.write_ct()
    stack = order_series(index_folder(patient.folder / "ct").ct[patient.uids["ct"]]).stack
    file = patient.write_rtstruct({"GTV-1": patient.box([2, 3, 4], rows=(3, 5), columns=(4, 9))})

    def read() -> object:
        entry = _delineation(file)
        drawn = draw_rois(file, entry.rois, stack)
        if not drawn.drawn:
            raise UserError("the mask is empty")  # as conversion does: all contours are of one element
        return drawn.mask.tobytes()

    return Readable(file, read)


def segmentation(folder: Path, make_patient: Any) -> Readable:
    pytest.importorskip("highdicom")
    from seg_files import make_seg, two_masks  # noqa: PLC0415 - needs highdicom

    patient = make_patient()
    patient.write_ct()
    series = order_series(index_folder(patient.folder / "ct").ct[patient.uids["ct"]])
    file = patient.folder / "seg.dcm"
    make_seg(patient, two_masks()).save_as(file)

    def read() -> object:
        entry = _delineation(file)
        ct = CtSlices(series.stack, tuple(image.uid for image in series.slices))
        return draw_segments(file, entry.rois, ct).mask.tobytes()

    return Readable(file, read)


def _delineation(file: Path) -> Delineation:
    entry = read_header(file)
    if isinstance(entry, Unreadable):
        raise UserError(f"{entry.path}: {entry.reason}")
    if not isinstance(entry, Delineation):
        raise UserError("it is something else")
    if not entry.rois:
        raise UserError("it has no ROI")
    return entry


KINDS: dict[str, Make] = {
    "MetaImage header": lambda folder, _: metaimage(folder, _, compressed=False, part="header"),
    "MetaImage voxels": lambda folder, _: metaimage(folder, _, compressed=False, part="voxels"),
    "compressed MetaImage header": lambda folder, _: metaimage(folder, _, compressed=True, part="header"),
    "compressed MetaImage voxels": lambda folder, _: metaimage(folder, _, compressed=True, part="voxels"),
    "LIDC XML": lidc_xml,
    "annotations.csv": annotations_csv,
    "mapping file": mapping_csv,
    "CT image": ct_image,
    "enhanced CT": multi_frame_ct,
    "structure set": structure_set,
    "segmentation": segmentation,
}
# What is a file of lines is whole at the end of each of them.
LINES = ("annotations.csv", "mapping file")


@pytest.fixture
def readable(request: pytest.FixtureRequest, tmp_path: Path, make_patient: Any) -> Readable:
    made = KINDS[request.param](tmp_path, make_patient)
    return made


def tried(made: Readable, contents: Iterator[bytes]) -> Iterator[tuple[bytes, object]]:
    """What reading each content gives: a result, or a `UserError`; nothing else passes."""
    for content in contents:
        made.file.write_bytes(content)
        with no_hang():
            try:
                yield content, made.read()
            except UserError as error:
                yield content, error


@pytest.mark.parametrize("readable", KINDS, indirect=True)
def test_damaged_file_is_refused_or_read(readable: Readable) -> None:
    whole = readable.file.read_bytes()
    readable.read()
    refused = 0
    for _, result in tried(
        readable, (damaged(whole, seed) for seed in inputs_for(2 * len(KINDS) - len(LINES)))
    ):
        refused += isinstance(result, UserError)
    assert refused or "voxels" in readable.file.name or readable.file.suffix == ".raw"


@pytest.mark.parametrize("readable", [kind for kind in KINDS if kind not in LINES], indirect=True)
def test_file_that_is_cut_off_is_refused_or_gives_the_same(readable: Readable) -> None:
    whole = readable.file.read_bytes()
    expected = readable.read()
    for content, result in tried(
        readable, (cut(whole, seed) for seed in inputs_for(2 * len(KINDS) - len(LINES)))
    ):
        assert isinstance(result, UserError) or result == expected, f"{len(content)} of {len(whole)} bytes"
