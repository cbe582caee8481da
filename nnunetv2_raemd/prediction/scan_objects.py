"""DICOM objects of the scans that were predicted."""

from __future__ import annotations

import hashlib
from collections.abc import Mapping
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np
import SimpleITK as sitk

from nnunetv2_raemd.dicom_objects.coded_terms import finding_of
from nnunetv2_raemd.dicom_objects.deterministic_uids import derived_uid
from nnunetv2_raemd.dicom_objects.lesion_segments import segments_of
from nnunetv2_raemd.dicom_objects.object_kinds import ObjectKind
from nnunetv2_raemd.dicom_objects.segmented_series import Algorithm, Segment, SegmentedSeries
from nnunetv2_raemd.dicom_objects.source_series import read_source
from nnunetv2_raemd.dicom_objects.written_objects import write_objects
from nnunetv2_raemd.errors import UserError
from nnunetv2_raemd.lesions.hu_image import read_hu
from nnunetv2_raemd.lesions.measurement import Measured
from nnunetv2_raemd.nnunet_files.label_set import LabelSet, Target
from nnunetv2_raemd.nnunet_files.probability_map import read_probabilities
from nnunetv2_raemd.nnunet_files.segmentation_file import read_segmentation
from nnunetv2_raemd.prediction.lesion_lists import SUFFIX, confidences_in
from nnunetv2_raemd.prediction.model_loading import AnyModel
from nnunetv2_raemd.scans.series_volume import on_own_slices
from nnunetv2_raemd.scans.staging import StagedScan
from nnunetv2_raemd.version import __version__

_LONGEST_NAME = 64  # VR LO
_CHUNK = 1 << 24


@dataclass(frozen=True)
class ObjectWriter:
    """Writes the objects of scans beside their segmentations.

    Attributes:
        folder: of the segmentations.
    """

    folder: Path
    file_ending: str
    labels: LabelSet
    algorithm: Algorithm
    kinds: frozenset[ObjectKind]

    def write(self, scan: StagedScan) -> tuple[list[Path], tuple[str, ...]]:
        """The objects of a predicted scan, and remarks on its headers.

        Raises:
            UserError: if the series lacks what ties an object to it, or they cannot be written.
        """
        if scan.series is None:
            raise UserError(f"{scan.case_id} was not DICOM: DICOM objects need a series to refer to")
        source = read_source(scan.series)
        file = self.folder / f"{scan.case_id}{self.file_ending}"
        segmentation = read_segmentation(file)
        hu, _ = read_hu(scan.image)
        numbers, segments = segments_of(
            segmentation.labels,
            self.labels.targets,
            Measured(segmentation.geometry, hu),
            tracked_by=(source.uid, repr(self.algorithm)),
        )
        del hu
        confidences = confidences_in(self.folder / f"{scan.case_id}{SUFFIX}")
        segments = tuple(_rated(segment, confidences) for segment in segments)
        grid = sitk.ReadImage(str(file))
        own = on_own_slices(numbers, grid, scan.series.stack)
        del numbers
        series = SegmentedSeries(source, own, segments, self.algorithm)
        probabilities = self._probabilities(scan, grid)
        written = write_objects(series, self.kinds, self.folder, scan.case_id, probabilities)
        return written, source.remarks

    def _probabilities(
        self, scan: StagedScan, grid: sitk.Image
    ) -> tuple[tuple[Segment, ...], np.ndarray] | None:
        if ObjectKind.PROBABILITY not in self.kinds or scan.series is None:
            return None
        x, y, z = grid.GetSize()
        maps = read_probabilities(self.folder / f"{scan.case_id}.npz", (z, y, x))
        first = len(maps) - len(self.labels.targets)  # the background's channel, where there is one
        stack = scan.series.stack
        own = [on_own_slices(maps[first + i], grid, stack) for i in range(len(self.labels.targets))]
        uid = scan.case_id
        return tuple(self._label(target, uid) for target in self.labels.targets), np.stack(own)

    def _label(self, target: Target, series_uid: str) -> Segment:
        tracking = derived_uid(series_uid, repr(self.algorithm), target.name)
        return Segment(target.name, finding_of(target.name), target.values, tracking)


def _rated(segment: Segment, confidences: Mapping[tuple[str, int], float]) -> Segment:
    """The segment with the confidence of its lesion, if there is one."""
    if segment.lesion is None:
        return segment
    confidence = confidences.get((segment.lesion.label, segment.lesion.number))
    return replace(segment, lesion=replace(segment.lesion, confidence=confidence))


def algorithm_of(model: AnyModel, **settings: object) -> Algorithm:
    """What made the objects: the model by nnU-Net's names, its weights by their digest, and the settings."""
    identity = model.identity()
    digest = hashlib.sha256()
    for file in identity.weight_files:
        with file.open("rb") as stream:
            while chunk := stream.read(_CHUNK):
                digest.update(chunk)
    name = identity.name
    parameters = {
        "dataset": identity.dataset,
        "folds": " ".join(identity.folds),
        "checkpoint": identity.checkpoint,
        "weights_sha256": digest.hexdigest(),
        **{name: str(value) for name, value in settings.items()},
    }
    return Algorithm(name[:_LONGEST_NAME], __version__, tuple(parameters.items()))
