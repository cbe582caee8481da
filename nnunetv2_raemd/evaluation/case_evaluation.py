"""All that is measured of one case: two files in, numbers out."""

from __future__ import annotations

import math
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from itertools import repeat
from pathlib import Path

import numpy as np

from nnunetv2_raemd.errors import UserError
from nnunetv2_raemd.evaluation.candidates import find_candidates
from nnunetv2_raemd.evaluation.case_results import CaseResult, TargetResult
from nnunetv2_raemd.evaluation.evaluation_options import DEFAULT_OPTIONS, EvaluationOptions
from nnunetv2_raemd.evaluation.lesion_matching import lesion_metrics, match_lesions
from nnunetv2_raemd.evaluation.overlap import count_overlap, overlap_metrics
from nnunetv2_raemd.evaluation.surface_distances import SURFACE_METRICS, find_surface, surface_metrics
from nnunetv2_raemd.nnunet_files.label_set import LabelSet, Target
from nnunetv2_raemd.nnunet_files.probability_agreement import AgreementCheck, Segmented
from nnunetv2_raemd.nnunet_files.probability_map import channels_of, read_probabilities
from nnunetv2_raemd.nnunet_files.segmentation_file import (
    SIMPLE_ITK,
    Geometry,
    Labels,
    check_same_grid,
    read_segmentation,
)
from nnunetv2_raemd.volumes.boxes import Box, Mask
from nnunetv2_raemd.volumes.components import Components, find_components
from nnunetv2_raemd.volumes.plausible_spacing import about_spacing
from nnunetv2_raemd.volumes.region import Region, counted_part


@dataclass(frozen=True)
class CaseFiles:
    """One case to evaluate.

    Attributes:
        probabilities: read only where the options ask for the FROC.
        reader: name of nnU-Net's reader class for the segmentations.
    """

    case_id: str
    fold: str | None
    prediction: Path
    reference: Path
    probabilities: Path
    reader: str = SIMPLE_ITK


@dataclass(frozen=True)
class LabelPair:
    """The labels of reference and prediction, cut to the box that holds all that is not background.

    Attributes:
        counted: voxels that count; None for all.
        n_voxels: voxels that count in the whole image.
        start: first voxel of the box.
    """

    reference: Labels
    prediction: Labels
    counted: Mask | None
    n_voxels: int
    start: tuple[int, int, int]

    def masks(self, target: Target) -> tuple[Mask, Mask]:
        """Reference and prediction of a target; voxels that do not count are empty in both."""
        masks = [_mask(labels, target) for labels in (self.reference, self.prediction)]
        if self.counted is not None:
            masks = [mask & self.counted for mask in masks]
        return masks[0], masks[1]


def evaluate_case(
    files: CaseFiles, labels: LabelSet, options: EvaluationOptions = DEFAULT_OPTIONS
) -> CaseResult:
    """Measure every target of one case.

    Raises:
        UserError: if its files cannot be evaluated.
    """
    pair, geometry = read_pair(files, labels)
    targets = {
        target.name: _evaluate_target(pair, target, geometry, options, region)
        for target, region in zip(
            labels.targets, _regions(files, pair, labels, geometry, options), strict=True
        )
    }
    return CaseResult(
        files.case_id,
        files.fold,
        files.prediction,
        files.reference,
        geometry.shape,
        geometry.spacing_mm,
        targets,
        (*_about_spacing(files, geometry), *_remarks(pair, files, labels)),
    )


def _about_spacing(files: CaseFiles, geometry: Geometry) -> Iterator[str]:
    if (about := about_spacing(geometry.spacing_mm)) is not None:
        yield f"{files.reference}: {about}"


def _remarks(pair: LabelPair, files: CaseFiles, labels: LabelSet) -> Iterator[str]:
    predicted = labels.counted_prediction(pair.prediction, pair.reference)
    for file, values, known in (
        (files.prediction, predicted, labels.of_predictions),
        (files.reference, pair.reference, labels),
    ):
        if (about := known.about_unknown_values(values, file)) is not None:
            yield f"{about}. They were counted as background"


def read_pair(files: CaseFiles, labels: LabelSet) -> tuple[LabelPair, Geometry]:
    """Read both files and cut them to what is not background.

    Raises:
        UserError: if one cannot be read, their grids differ, or both are one file.
    """
    if files.prediction.exists() and files.reference.exists() and files.prediction.samefile(files.reference):
        raise UserError(f"{files.prediction} is the reference itself: give the folder of the predictions")
    reference = read_segmentation(files.reference, files.reader)
    prediction = read_segmentation(files.prediction, files.reader)
    check_same_grid(files.reference, files.prediction, reference.geometry, prediction.geometry)
    whole = any(0 in target.values for target in labels.targets)
    box = _whole(reference.labels) if whole else _foreground_box(reference.labels, prediction.labels)
    return _cut(reference.labels, prediction.labels, box, labels.ignore_label), reference.geometry


def _cut(reference: Labels, prediction: Labels, box: Box, ignore_label: int | None) -> LabelPair:
    inside, n_voxels, counted = reference[box], reference.size, None
    if ignore_label is not None:  # it is no background: all of it lies in the box
        counted = inside != ignore_label
        n_voxels -= counted.size - int(np.count_nonzero(counted))
    z, y, x = (side.start for side in box)
    return LabelPair(inside.copy(), prediction[box].copy(), counted, n_voxels, (z, y, x))


def _evaluate_target(
    pair: LabelPair,
    target: Target,
    geometry: Geometry,
    options: EvaluationOptions,
    region: Region | None,
) -> TargetResult:
    voxel_mm3 = float(np.prod(geometry.spacing_mm))
    reference_mask, prediction_mask = pair.masks(target)
    counts = count_overlap(reference_mask, prediction_mask, n_voxels=pair.n_voxels)
    reference = find_components(reference_mask, pair.start)
    prediction = find_components(prediction_mask, pair.start)
    lesions, false = match_lesions(
        reference, prediction, voxel_mm3=voxel_mm3, min_overlap=options.min_lesion_overlap
    )
    metrics = {
        **overlap_metrics(counts, voxel_mm3=voxel_mm3),
        **_distances(reference, prediction, geometry, options),
        **lesion_metrics(lesions, false),
    }
    candidates = None
    if region is not None:
        if pair.counted is not None:
            region = counted_part(region, pair.counted, pair.start)
        candidates = find_candidates(region, reference, spacing_mm=geometry.spacing_mm, options=options)
    return TargetResult(metrics, tuple(lesions), tuple(false), candidates)


def _distances(
    reference: Components, prediction: Components, geometry: Geometry, options: EvaluationOptions
) -> dict[str, float]:
    if not options.surface_distances:
        return dict.fromkeys(SURFACE_METRICS, math.nan)
    surfaces = [find_surface(components, geometry.spacing_mm) for components in (reference, prediction)]
    return surface_metrics(*surfaces)


def _regions(
    files: CaseFiles, pair: LabelPair, labels: LabelSet, geometry: Geometry, options: EvaluationOptions
) -> Iterable[Region | None]:
    """The region of each target in which its candidates lie; read one at a time."""
    if not options.froc:
        return repeat(None, len(labels.targets))
    return _checked_regions(files, pair, labels, geometry, options.candidate_threshold)


def _checked_regions(
    files: CaseFiles, pair: LabelPair, labels: LabelSet, geometry: Geometry, threshold: float
) -> Iterator[Region]:
    maps = read_probabilities(files.probabilities, geometry.shape)
    # channels rise in the order of targets, as regions_above wants them
    regions = maps.regions_above(threshold, channels_of(maps, labels))
    agreement = AgreementCheck(maps, labels)
    for target, region in zip(labels.targets, regions, strict=True):
        predicted = Segmented(files.prediction, target, _mask(pair.prediction, target), pair.start)
        agreement.check(region, predicted, threshold)
        yield region


def _mask(labels: Labels, target: Target) -> Mask:
    mask: Mask = labels == target.values[0]
    for value in target.values[1:]:
        mask |= labels == value
    return mask


def _foreground_box(reference: Labels, prediction: Labels) -> Box:
    """The smallest box round all labels of both; a single voxel where both are empty."""
    sides = []
    box: tuple[slice, ...] = ()
    for axis in range(3):
        others = tuple(other for other in range(3) if other != axis)
        held = [np.any(labels[box], axis=others) for labels in (reference, prediction)]
        places = np.flatnonzero(held[0] | held[1])
        if len(places) == 0:
            return slice(0, 1), slice(0, 1), slice(0, 1)
        sides.append(slice(int(places[0]), int(places[-1]) + 1))
        box = tuple(sides)  # the next axes need to look at this part only
    return sides[0], sides[1], sides[2]


def _whole(labels: Labels) -> Box:
    depth, height, width = labels.shape
    return slice(0, depth), slice(0, height), slice(0, width)
