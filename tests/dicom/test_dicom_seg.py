"""Segments of DICOM SEG on a CT series: files by highdicom and dcmqi, exact in every voxel."""

from __future__ import annotations

import copy
import sys
from collections.abc import Callable, Sequence
from io import BytesIO
from pathlib import Path
from typing import Any

import numpy as np
import pydicom
import pytest
import SimpleITK as sitk
from dicom_patient import MakePatient, save
from pydicom.dataset import Dataset
from pydicom.uid import RLELossless

from nnunetv2_raemd.dicom.ct_series import CtSeries, order_series
from nnunetv2_raemd.dicom.dicom_headers import read_header
from nnunetv2_raemd.dicom.dicom_index import index_folder
from nnunetv2_raemd.dicom.dicom_seg import CtSlices, draw_segments
from nnunetv2_raemd.dicom.index_entries import Delineation, Roi
from nnunetv2_raemd.errors import UserError
from nnunetv2_raemd.rasterize.contours import Rasterized

hd = pytest.importorskip("highdicom")
from seg_files import LUNG, TUMOUR, make_seg, two_masks  # noqa: E402 - needs highdicom

OBLIQUE = (0.36, 0.48, -0.8, -0.8, 0.6, 0.0)


def slices_of(patient: Any) -> CtSlices:
    series = series_of(patient)
    return CtSlices(series.stack, tuple(image.sop_uid for image in series.slices))


def series_of(patient: Any) -> CtSeries:
    return order_series(index_folder(patient.folder / "ct").ct[patient.uids["ct"]])


def draw(patient: Any, seg: Dataset, segments: Sequence[Roi] = (TUMOUR,)) -> Rasterized:
    file = patient.folder / "seg.dcm"
    save(seg, file)
    return draw_segments(file, segments, slices_of(patient))


@pytest.fixture
def patient(make_patient: Callable[..., Any]) -> Any:
    made = make_patient()
    made.write_ct()
    return made


@pytest.mark.parametrize("kind", ["BINARY", "FRACTIONAL", "LABELMAP"])
@pytest.mark.parametrize("order", [range(8), range(7, -1, -1), [3, 0, 7, 5, 1, 6, 2, 4]])
@pytest.mark.parametrize(
    ("omit_empty_frames", "referenced"),
    [(True, True), (True, False), (False, True)],
    ids=["by source", "by geometry", "with empty frames"],
)
def test_every_kind_and_order_is_exact_and_as_highdicom_reads_it(
    patient: Any, kind: str, order: Sequence[int], omit_empty_frames: bool, referenced: bool
) -> None:
    masks = two_masks()
    seg = make_seg(
        patient, masks, segmentation_type=kind, order=list(order), omit_empty_frames=omit_empty_frames
    )
    uids = [patient.slice_uid(index) for index in range(8)]
    theirs = seg.get_pixels_by_source_instance(
        uids, segment_numbers=[1], ignore_spatial_locations=True, assert_missing_frames_are_empty=True
    )[..., 0]
    volume = seg.get_volume(segment_numbers=[1])
    if not referenced:
        for frame in seg.PerFrameFunctionalGroupsSequence:
            del frame.DerivationImageSequence
    drawn = draw(patient, seg)
    assert np.array_equal(drawn.mask, masks[..., 0]) and not drawn.problems
    assert np.array_equal(drawn.mask, theirs > 0.5)
    heights = [volume.map_indices_to_reference(np.array([[k, 0, 0]]))[0, 2] for k in range(volume.shape[0])]
    assert np.array_equal(
        drawn.mask[np.rint((np.array(heights) - 100) / 3).astype(int)], volume.array[..., 0] > 0.5
    )
    assert np.array_equal(draw(patient, seg, [LUNG]).mask, masks[..., 1])
    assert np.array_equal(draw(patient, seg, [TUMOUR, LUNG]).mask, masks.any(axis=-1))


def test_shuffled_frames(patient: Any) -> None:
    """Frames of two segments in any order, which DICOM allows; highdicom writes them sorted."""
    masks = two_masks()
    seg = make_seg(patient, masks)
    order = np.random.default_rng(1).permutation(seg.NumberOfFrames)
    frames = np.frombuffer(seg.PixelData, np.uint8).reshape(seg.NumberOfFrames, 24)  # 12 x 16 bits
    seg.PixelData = frames[order].tobytes()
    seg.PerFrameFunctionalGroupsSequence = [seg.PerFrameFunctionalGroupsSequence[i] for i in order]
    assert np.array_equal(draw(patient, seg).mask, masks[..., 0])


def test_compressed_frames(patient: Any) -> None:
    masks = two_masks()
    seg = make_seg(patient, masks, segmentation_type="FRACTIONAL", transfer_syntax_uid=RLELossless)
    assert np.array_equal(draw(patient, seg).mask, masks[..., 0])


def test_segments_of_one_number_are_refused(patient: Any) -> None:
    """Frames name their segment by its number alone."""
    seg = make_seg(patient, two_masks())
    seg.SegmentSequence[1].SegmentNumber = 1
    with pytest.raises(UserError, match="several segments have the number 1"):
        draw(patient, seg)


def _repeat_a_frame(seg: Any, pixels: np.ndarray) -> None:
    """A last frame where the first one is, of a later point in time."""
    frames = [seg.get_stored_frame(n + 1) for n in range(seg.NumberOfFrames)]
    later = copy.deepcopy(seg.PerFrameFunctionalGroupsSequence[0])
    later.FrameContentSequence[0].TemporalPositionIndex = 2
    seg.PerFrameFunctionalGroupsSequence.append(later)
    seg.NumberOfFrames += 1
    bits = np.stack([*frames, pixels]).astype(bool).ravel()
    packed = np.packbits(bits, bitorder="little").tobytes()
    seg.PixelData = packed + b"\0" * (len(packed) % 2)


def _reread(seg: Any) -> Any:
    stream = BytesIO()
    seg.save_as(stream)
    stream.seek(0)
    return hd.seg.segread(stream)


@pytest.mark.parametrize("later", ["other pixels", "no pixels"])
def test_two_frames_of_one_segment_at_one_place_are_refused_where_they_differ(
    patient: Any, later: str
) -> None:
    """As those of several points in time do: united, they would be a mask that nobody drew."""
    seg = make_seg(patient, two_masks()[..., :1])
    first = seg.get_stored_frame(1)
    _repeat_a_frame(seg, np.roll(first, 1, axis=0) if later == "other pixels" else np.zeros_like(first))
    with pytest.raises(UserError, match=r"seg\.dcm.*frame 1 and frame 6 show the same segment"):
        draw(patient, _reread(seg))


def test_a_frame_that_is_there_twice_counts_once(patient: Any) -> None:
    seg = make_seg(patient, two_masks()[..., :1])
    _repeat_a_frame(seg, seg.get_stored_frame(1))
    drawn = draw(patient, _reread(seg))
    assert np.array_equal(drawn.mask, two_masks()[..., 0]) and drawn.drawn == 5


def test_fractions_count_from_one_half_on(patient: Any) -> None:
    masks = two_masks().astype(np.float32)
    fractions = np.random.default_rng(0).integers(1, 256, masks.shape) / 255
    fractions[2, 0, :4, 0] = [127 / 255, 127.5 / 255, 128 / 255, 1]
    seg = make_seg(patient, (masks[..., :1] * fractions[..., :1]), segmentation_type="FRACTIONAL")
    drawn = draw(patient, seg)
    stored = np.rint(masks[..., 0] * fractions[..., 0] * seg.MaximumFractionalValue)
    assert np.array_equal(drawn.mask, stored >= seg.MaximumFractionalValue / 2)
    seg.MaximumFractionalValue = 0  # half of it would be 0, and all of the image in the segment
    with pytest.raises(UserError, match="MaximumFractionalValue is 0"):
        draw(patient, seg)


@pytest.mark.parametrize("orientation", [(-1, 0, 0, 0, -1, 0), (0, 1, 0, 0, 0, -1), OBLIQUE])
@pytest.mark.parametrize("heights", [[3.0 * i for i in range(8)], [0.0, 3, 6, 12, 15, 18.5, 21, 24]])
def test_any_orientation_and_uneven_slices(
    make_patient: MakePatient, orientation: Sequence[float], heights: Sequence[float]
) -> None:
    made = make_patient(orientation=orientation, heights_mm=heights)
    made.write_ct()
    masks = two_masks()
    seg = make_seg(made, masks)
    assert np.array_equal(draw(made, seg).mask, masks[..., 0])
    for frame in seg.PerFrameFunctionalGroupsSequence:
        del frame.DerivationImageSequence
    assert np.array_equal(draw(made, seg).mask, masks[..., 0])


TURNS: dict[str, Callable[[np.ndarray], np.ndarray]] = {
    "rows reversed": lambda a: a[::-1],
    "columns reversed": lambda a: a[:, ::-1],
    "both": lambda a: a[::-1, ::-1],
    "rows for columns": lambda a: a.swapaxes(0, 1),
    "a quarter turn": lambda a: a[::-1].swapaxes(0, 1),
    "a part": lambda a: a[2:10, 5:13],
}


@pytest.mark.parametrize("turn", TURNS.values(), ids=TURNS)
def test_frames_that_are_turned_or_cover_a_part_of_the_slice(patient: Any, turn: Any) -> None:
    masks = two_masks()[..., 0]
    masks[:, :2] = masks[:, 10:] = masks[:, :, :5] = masks[:, :, 13:] = False
    seg = _laid_out(patient, masks, turn)
    assert np.array_equal(draw(patient, seg).mask, masks)


def _laid_out(patient: Any, masks: np.ndarray, turn: Any) -> Any:
    """A SEG whose frames run as `turn` has it, with the geometry that this means, and no references."""
    grid = np.stack(np.meshgrid(range(12), range(16), indexing="ij"), axis=-1)
    world = turn(patient.to_world(grid.reshape(-1, 2), 0.0).reshape(12, 16, 3))
    down, right = world[1, 0] - world[0, 0], world[0, 1] - world[0, 0]
    turned = np.stack([turn(mask) for mask in masks])
    size = [np.linalg.norm(down), np.linalg.norm(right)]
    seg = make_seg(
        patient,
        turned[..., None],
        pixel_measures=hd.PixelMeasuresSequence(size, slice_thickness=3.0),
        plane_orientation=hd.PlaneOrientationSequence("PATIENT", [*right / size[1], *down / size[0]]),
        plane_positions=[
            hd.PlanePositionSequence("PATIENT", world[0, 0] + height * patient.normal)
            for height in patient.heights_mm
        ],
    )
    for frame in seg.PerFrameFunctionalGroupsSequence:
        frame.pop("DerivationImageSequence", None)
    return seg


def test_frame_where_the_ct_lacks_a_slice_is_told(make_patient: MakePatient) -> None:
    """In a gap and beyond the end are told apart; frames are those of slices 6, 5, 4, 2 and 1."""
    made = make_patient()
    made.write_ct(skip=[2, 6, 7])
    drawn = draw(made, make_seg(made, two_masks()[..., :1]))
    kept = [0, 1, 3, 4, 5]
    assert np.array_equal(drawn.mask, two_masks()[kept, ..., 0])
    assert drawn.in_gaps == ["frame 4: the CT has no slice there"]
    assert drawn.lost == ["frame 1: the CT has no slice there"] and drawn.drawn == 3


def _moved(seg: Any, offset: Sequence[float]) -> None:
    for frame in seg.PerFrameFunctionalGroupsSequence:
        position = frame.PlanePositionSequence[0]
        moved = np.array(position.ImagePositionPatient, dtype=float) + offset
        position.ImagePositionPatient = [float(x) for x in moved]


def _shared(seg: Any, group: str, keyword: str, value: object) -> None:
    setattr(getattr(seg.SharedFunctionalGroupsSequence[0], group)[0], keyword, value)


FOREIGN: dict[str, tuple[Callable[[Any], None], str]] = {
    "another spacing": (
        lambda s: _shared(s, "PixelMeasuresSequence", "PixelSpacing", [2.02, 1.5]),
        "orientation or pixel spacing of frame 1",
    ),
    "a twice as coarse grid": (
        lambda s: _shared(s, "PixelMeasuresSequence", "PixelSpacing", [4.0, 3.0]),
        "orientation or pixel spacing of frame 1",
    ),
    "another orientation": (
        lambda s: _shared(s, "PlaneOrientationSequence", "ImageOrientationPatient", [1, 0, 0, 0, 0, 1]),
        "orientation or pixel spacing of frame 1",
    ),
    "slightly turned": (
        lambda s: _shared(
            s, "PlaneOrientationSequence", "ImageOrientationPatient", [0.9998, 0.02, 0, -0.02, 0.9998, 0]
        ),
        "orientation or pixel spacing of frame 1",
    ),
    "half a pixel beside": (lambda s: _moved(s, [0.75, 0, 0]), "by a part of a pixel"),
    "between slices": (lambda s: _moved(s, [0, 0, 1.2]), "1.20 mm off the CT slice"),
    "far beside": (lambda s: _moved(s, [150.0, 0, 0]), "marks pixels outside the CT"),
}


@pytest.mark.parametrize(("change", "message"), FOREIGN.values(), ids=FOREIGN)
@pytest.mark.parametrize("referenced", [True, False])
def test_foreign_geometry_is_refused_with_the_reason(
    patient: Any, change: Callable[[Any], None], message: str, referenced: bool
) -> None:
    seg = make_seg(patient, two_masks())
    change(seg)
    if not referenced:
        for frame in seg.PerFrameFunctionalGroupsSequence:
            del frame.DerivationImageSequence
    with pytest.raises(UserError, match=message) as error:
        draw(patient, seg)
    assert "seg.dcm" in str(error.value)


def test_reference_that_contradicts_the_position_is_refused(patient: Any) -> None:
    seg = make_seg(patient, two_masks())
    _moved(seg, [0, 0, 3.0])
    with pytest.raises(UserError, match=r"frame 1 lies 3\.00 mm off the CT slice it belongs to"):
        draw(patient, seg)


def test_frame_without_a_position_is_refused(patient: Any) -> None:
    seg = make_seg(patient, two_masks())
    for frame in seg.PerFrameFunctionalGroupsSequence:
        del frame.PlanePositionSequence
    with pytest.raises(UserError, match=r"seg\.dcm"):
        draw(patient, seg)


@pytest.mark.parametrize("keep", [200, 900, -300])
def test_cut_off_file_is_named(patient: Any, keep: int) -> None:
    file = patient.folder / "seg.dcm"
    save(make_seg(patient, two_masks()), file)
    file.write_bytes(file.read_bytes()[:keep])
    with pytest.raises(UserError, match=r"seg\.dcm cannot be read"):
        draw_segments(file, [TUMOUR], slices_of(patient))


def test_no_value_of_an_identifying_tag_reaches_a_message(
    patient: Any, recwarn: pytest.WarningsRecorder, caplog: pytest.LogCaptureFixture
) -> None:
    """A SEG corrupted at many places, with a name and a birth date in its header."""
    file = patient.folder / "seg.dcm"
    save(make_seg(patient, two_masks()), file)
    recwarn.clear()  # of what writing it said
    whole, ct = file.read_bytes(), slices_of(patient)
    said: list[str] = []
    for place in range(132, len(whole), len(whole) // 60):
        file.write_bytes(whole[:place] + b"Secret^" + whole[place + 7 :])
        said.append(repr(read_header(file)))
        try:
            draw_segments(file, [TUMOUR], ct)
        except UserError as error:
            said.append(str(error))
    assert len(set(said)) > 5
    said += [str(warning.message) for warning in recwarn] + caplog.messages
    assert not [text for text in said if "Secret^Name" in text or "19000101" in text]


def test_without_highdicom_it_is_said_what_to_install(patient: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "highdicom.seg", None)
    with pytest.raises(UserError, match=r'pip install "nnunetv2-raemd\[dicom\]"'):
        draw_segments(patient.folder / "seg.dcm", [TUMOUR], slices_of(patient))


def test_header_tells_segments_and_series(patient: Any) -> None:
    file = patient.folder / "seg.dcm"
    save(make_seg(patient, two_masks()), file)
    header = read_header(file)
    assert isinstance(header, Delineation) and header.source.value == "seg"
    assert [(roi.number, roi.names) for roi in header.rois] == [
        (1, ("Segment 1", "Neoplasm, Primary")),
        (2, ("Segment 2", "Lung")),
    ]
    (series,) = header.series
    assert series.uid == patient.uids["ct"] and len(series.image_uids) == 8
    assert "Secret" not in repr(header) and "1900" not in repr(header)


@pytest.mark.parametrize("without_references", [False, True])
def test_dcmqi_files_agree_with_their_published_masks(
    real_data: Path, tmp_path: Path, without_references: bool
) -> None:
    """dcmqi's own test data: a liver, and five segments that overlap, with the volumes they are of."""
    folder = real_data / "dicom-odd" / "dcmqi" / "segmentations"
    (images,) = index_folder(folder / "ct-3slice").ct.values()
    series = order_series(images)
    ct = CtSlices(series.stack, tuple(image.sop_uid for image in series.slices))
    label_of = {"liver": {1: ("liver_seg", 1)}, "partial_overlaps": {}}
    for number, part in ((1, 1), (2, 2), (3, 3), (4, 1), (5, 1)):
        label_of["partial_overlaps"][number] = (f"partial_overlaps-{part}", number)
    for name, segments in label_of.items():
        file = folder / f"{name}.dcm"
        if without_references:
            dataset = pydicom.dcmread(file)
            for frame in dataset.PerFrameFunctionalGroupsSequence:
                del frame.DerivationImageSequence
            file = tmp_path / f"{name}.dcm"
            dataset.save_as(file)
        for number, (volume, label) in segments.items():
            published = sitk.GetArrayFromImage(sitk.ReadImage(str(folder / f"{volume}.nrrd"))) == label
            drawn = draw_segments(file, [Roi(number, ("",))], ct)
            assert published.any() and np.count_nonzero(drawn.mask != published) == 0
