"""DICOM SEG (PS3.3 A.51): a segment for each lesion and each anatomical label, and probabilities by label."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from highdicom.color import CIELabColor
from highdicom.content import AlgorithmIdentificationSequence
from highdicom.enum import PhotometricInterpretationValues
from highdicom.frame import encode_frame
from highdicom.seg import Segmentation, SegmentDescription
from pydicom.encaps import encapsulate
from pydicom.sr.codedict import codes
from pydicom.uid import ExplicitVRLittleEndian, RLELossless

from nnunetv2_raemd.dicom.functional_groups import FunctionalGroups
from nnunetv2_raemd.dicom_objects import equipment
from nnunetv2_raemd.dicom_objects.object_kinds import ObjectKind
from nnunetv2_raemd.dicom_objects.segmented_series import Algorithm, Segment, SegmentedSeries
from nnunetv2_raemd.dicom_objects.source_frames import name_frames
from nnunetv2_raemd.dicom_objects.streamed_frames import Slices, of_one_pixel, slices_of_frames

_STEPS = 255  # of stored probabilities, from 0 to 1


@dataclass(frozen=True)
class SegmentationPart:
    """One SEG and the segments in it, numbered from 1 in this order."""

    dataset: Segmentation
    segments: tuple[Segment, ...]


def segmentation_objects(series: SegmentedSeries) -> list[SegmentationPart]:
    """BINARY SEGs on the slices of the series; slices in which nothing is are left out.

    There is one, unless segments overlap, as a lung and the nodule in it do. Then lesions are in the first
    and what overlaps them is in the next, in the same DICOM series. (For overlapping segments in one SEG,
    highdicom holds a volume each, which takes memory without bound where a network finds hundreds.)

    Where nothing was found, the SEG has one empty frame, in the middle slice, because a SEG must have one. An
    archive can then tell "nothing found" from "not looked at".
    """
    layers = _layers(series.segments)
    return [SegmentationPart(_binary(series, layer, i), layer) for i, layer in enumerate(layers, start=1)]


def probability_object(
    series: SegmentedSeries, labels: Sequence[Segment], probabilities: Iterable[Slices]
) -> Segmentation:
    """A FRACTIONAL SEG of class probabilities.

    Args:
        series: the series; its own segments are not looked at.
        labels: a segment for each label.
        probabilities: of each label S slices (rows, columns), 0 to 1; stored in steps of 1/255. Of these, one
            label at a time is held.
    """
    frames = [_fractions(of_label) for of_label in probabilities]
    n_slices = len(series.source.headers)
    pixels = np.zeros((n_slices, 1, 1, len(labels)), np.float32)
    for index, of_label in enumerate(frames):
        pixels[list(of_label), 0, 0, index] = 0.5  # any fraction: a frame is to come
    slices = _occupied(np.any(pixels, axis=(1, 2, 3)))
    made = _object(
        series,
        tuple(labels),
        pixels=pixels[slices],
        source_images=of_one_pixel([series.source.headers[i] for i in slices]),
        segmentation_type="FRACTIONAL",
        max_fractional_value=_STEPS,
        series_instance_uid=series.series_uid(ObjectKind.PROBABILITY.value),
        sop_instance_uid=series.uid("probabilities"),
        instance_number=1,
        series_number=equipment.PROBABILITY_SERIES,
        series_description="RAEMD-Net probabilities",
        transfer_syntax_uid=RLELossless,
    )
    made.Rows, made.Columns = series.source.stack.shape
    nothing = _encoded(np.zeros(series.source.stack.shape, np.uint8))
    shared = made.SharedFunctionalGroupsSequence[0]  # which names the segment where there is only one
    numbers = [
        FunctionalGroups(group, shared).item("SegmentIdentificationSequence").ReferencedSegmentNumber
        for group in made.PerFrameFunctionalGroupsSequence
    ]
    places = zip(numbers, slices_of_frames(made, series.source), strict=True)
    made.PixelData = encapsulate([frames[number - 1].get(place, nothing) for number, place in places])
    name_frames(made, series.source)
    return made


def _fractions(probabilities: Slices) -> dict[int, bytes]:
    """The frames of a label, compressed, by the number of their slice; empty ones are left out."""
    steps = (np.rint(one.astype(np.float32) * _STEPS).astype(np.uint8) for one in probabilities)
    return {number: _encoded(one) for number, one in enumerate(steps) if one.any()}


def _encoded(frame: np.ndarray) -> bytes:
    encoded: bytes = encode_frame(frame, RLELossless, 8, 8, PhotometricInterpretationValues.MONOCHROME2)
    return encoded


def algorithm_identification(algorithm: Algorithm) -> AlgorithmIdentificationSequence:
    """Name and version of what drew the segments (PS3.3 10.16)."""

    return AlgorithmIdentificationSequence(
        name=algorithm.name,
        version=algorithm.version,
        family=codes.cid7162.ArtificialIntelligence,
        source=equipment.MANUFACTURER,
        parameters=dict(algorithm.parameters) or None,
    )


def _layers(segments: Sequence[Segment]) -> list[tuple[Segment, ...]]:
    """Segments in as few groups without overlap as come of taking one after the other, lesions first."""
    layers: list[list[Segment]] = []
    for segment in sorted(segments, key=lambda s: not s.finding.is_lesion):
        layer = next((layer for layer in layers if not _overlap(segment, layer)), None)
        if layer is None:
            layers.append(layer := [])
        layer.append(segment)
    return [tuple(layer) for layer in layers]


def _overlap(segment: Segment, others: Sequence[Segment]) -> bool:
    return any(set(segment.values) & set(other.values) for other in others)


def _binary(series: SegmentedSeries, segments: tuple[Segment, ...], instance_number: int) -> Segmentation:
    highest = max(int(series.numbers.max(initial=0)), *(value for s in segments for value in s.values), 0)
    table = np.zeros(highest + 1, np.uint16)
    for number, segment in enumerate(segments, start=1):
        table[list(segment.values)] = number
    slices = _occupied(np.array([table[numbers].any() for numbers in series.numbers]))
    made = _object(
        series,
        segments,
        pixels=table[series.numbers[slices]],
        source_images=[series.source.headers[i] for i in slices],
        segmentation_type="BINARY",
        series_instance_uid=series.series_uid(ObjectKind.SEG.value),
        sop_instance_uid=series.uid("SEG", str(instance_number)),
        instance_number=instance_number,
        series_number=equipment.SEG_SERIES,
        series_description="RAEMD-Net segmentation",
        transfer_syntax_uid=ExplicitVRLittleEndian,
    )
    name_frames(made, series.source)
    return made


def _occupied(is_occupied: np.ndarray) -> np.ndarray:
    """Indices of occupied slices, the middle one where none is."""
    return np.flatnonzero(is_occupied) if is_occupied.any() else np.array([len(is_occupied) // 2])


def _object(
    series: SegmentedSeries,
    segments: Sequence[Segment],
    *,
    pixels: np.ndarray,
    **named: Any,
) -> Segmentation:
    return Segmentation(
        pixel_array=pixels,
        segment_descriptions=[
            _description(number, segment, series.algorithm)
            for number, segment in enumerate(segments, start=1)
        ],
        manufacturer=equipment.MANUFACTURER,
        manufacturer_model_name=equipment.MODEL_NAME,
        software_versions=series.algorithm.version,
        device_serial_number=equipment.SERIAL_NUMBER,
        content_label="RAEMD_NET",
        omit_empty_frames=bool(pixels.any()),
        **named,
    )


def _description(number: int, segment: Segment, algorithm: Algorithm) -> SegmentDescription:

    finding = segment.finding
    return SegmentDescription(
        segment_number=number,
        segment_label=segment.name,
        segmented_property_category=finding.category,
        segmented_property_type=finding.type,
        algorithm_type="AUTOMATIC",
        algorithm_identification=algorithm_identification(algorithm),
        tracking_uid=segment.tracking_uid,
        tracking_id=segment.name,
        anatomic_regions=[finding.site] if finding.site else None,
        display_color=CIELabColor.from_rgb(*finding.color),
    )
