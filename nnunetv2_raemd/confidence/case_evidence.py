"""Reads one validated case: its lesions and voxels, label by label, and what its image is like."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from nnunetv2_raemd.confidence.confidence_model import FEATURES, features_of
from nnunetv2_raemd.confidence.lesion_evidence import CaseEvidence
from nnunetv2_raemd.confidence.scan_profile import ScanProfile, profile_of
from nnunetv2_raemd.confidence.voxel_temperature import VoxelCounts, count_voxels
from nnunetv2_raemd.errors import UserError
from nnunetv2_raemd.evaluation.case_evaluation import CaseFiles
from nnunetv2_raemd.lesions.hu_image import read_hu
from nnunetv2_raemd.lesions.measurement import Measured, lesion_masks, measure_lesions
from nnunetv2_raemd.nnunet_files.label_set import LabelSet, Target
from nnunetv2_raemd.nnunet_files.probability_agreement import AgreementCheck, Segmented
from nnunetv2_raemd.nnunet_files.probability_map import read_probabilities
from nnunetv2_raemd.nnunet_files.segmentation_file import (
    SIMPLE_ITK,
    Geometry,
    check_same_grid,
    read_segmentation,
)
from nnunetv2_raemd.volumes.components import find_components
from nnunetv2_raemd.volumes.hu_values import unlike_hu

Mask = NDArray[np.bool_]


@dataclass(frozen=True)
class ValidatedCase:
    """The files of a case.

    Attributes:
        image: the CT, whether it exists or not; None where the first channel is none.
    """

    files: CaseFiles
    image: Path | None


@dataclass(frozen=True)
class GatheredCase:
    """What a case tells, by the label's name.

    Attributes:
        profile: None where the image cannot be read or holds no HU; `remark` then says why.
    """

    case_id: str
    lesions: Mapping[str, CaseEvidence]
    voxels: Mapping[str, VoxelCounts]
    profile: ScanProfile | None
    remark: str | None = None


@dataclass(frozen=True)
class LabelMaps:
    """One label in one case: arrays (z, y, x) without what does not count."""

    geometry: Geometry
    reference: Mask
    prediction: Mask
    probability: NDArray[np.floating[Any]]


@dataclass(frozen=True)
class EvidenceJob:
    """`gather` as a job for a backend."""

    labels: LabelSet

    def __call__(self, case: ValidatedCase, /) -> GatheredCase:
        return gather(case, self.labels)

    def case_id(self, case: ValidatedCase, /) -> str:
        return case.files.case_id

    def sees(self, case: ValidatedCase, /) -> Mapping[str, object]:
        return {str(file): file.is_file() for file in (case.files.prediction, case.files.probabilities)}


def gather(case: ValidatedCase, labels: LabelSet) -> GatheredCase:
    """Read a case; voxels of the ignore label are left out.

    Raises:
        UserError: if a file is absent, unreadable or of another grid, holds values that are no label, or does
            not say where it lies in the patient.
    """
    files = case.files
    if files.reader != SIMPLE_ITK:
        raise UserError(
            f"{files.reference} is read by nnU-Net's {files.reader}: lesions are only measured in what "
            f"{SIMPLE_ITK} reads"
        )
    reference, prediction = read_segmentation(files.reference), read_segmentation(files.prediction)
    check_same_grid(files.reference, files.prediction, reference.geometry, prediction.geometry)
    labels.check_known(reference.labels, files.reference)
    labels.check_known_prediction(prediction.labels, reference.labels, files.prediction)
    maps = AgreementCheck(read_probabilities(files.probabilities, reference.geometry.shape), labels)
    counted = reference.labels != labels.ignore_label  # without an ignore label, all of them
    lesions, voxels = {}, {}
    for target in labels.targets:
        predicted = np.isin(prediction.labels, target.values)
        probability = maps.channel(Segmented(files.prediction, target, predicted))
        label = LabelMaps(
            reference.geometry,
            np.isin(reference.labels, target.values) & counted,
            predicted & counted,
            probability,
        )
        lesions[target.name] = lesion_evidence(files, label, target)
        voxels[target.name] = count_voxels(label.probability, label.reference, counted)
    profile, remark = _profile(case.image)
    return GatheredCase(files.case_id, lesions, voxels, profile, remark)


def lesion_evidence(files: CaseFiles, label: LabelMaps, target: Target) -> CaseEvidence:
    """The predicted lesions of a label, and which lesions of the reference each of them touches."""
    masks = lesion_masks(label.prediction)
    measured = Measured(label.geometry, probability=label.probability)
    found = measure_lesions(masks, measured, label=target.name)
    reference = find_components(label.reference)
    touched = [np.unique(reference.numbers[mask.box][mask.mask]) for mask in masks]
    return CaseEvidence(
        files.case_id,
        str(files.fold),
        np.reshape([features_of(lesion) for lesion in found], (-1, len(FEATURES))),
        tuple(lesion.max_probability or 0.0 for lesion in found),
        tuple(tuple(int(number) - 1 for number in numbers if number) for numbers in touched),
        len(reference),
    )


def _profile(image: Path | None) -> tuple[ScanProfile | None, str | None]:
    if image is None:
        return None, "the first channel of the dataset is not CT"
    try:
        hu, geometry = read_hu(image)
        why = unlike_hu(hu)
        return (profile_of(hu, geometry), None) if why is None else (None, f"{image}: {why}")
    except UserError as error:
        return None, str(error)
