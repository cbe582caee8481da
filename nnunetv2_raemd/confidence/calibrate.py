"""Calibrates a trained model on its cross-validation."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from nnunetv2_raemd.confidence.calibration import Calibration, calibrate_label
from nnunetv2_raemd.confidence.case_evidence import EvidenceJob, GatheredCase, ValidatedCase
from nnunetv2_raemd.confidence.unlike_scans import training_scans
from nnunetv2_raemd.counted import counted
from nnunetv2_raemd.errors import UserError
from nnunetv2_raemd.evaluation.systems import (
    Material,
    about_shared_patients,
    case_files,
    check_none_trained_on,
)
from nnunetv2_raemd.execution.backend import Backend
from nnunetv2_raemd.execution.case_batch import Failed, failures, run_cases
from nnunetv2_raemd.execution.local_processes import LocalProcesses
from nnunetv2_raemd.nnunet_files.case_images import CaseImage, find_images

FEWEST_CASES = 2
HERE = LocalProcesses()


@dataclass(frozen=True)
class Calibrated:
    """A calibration, the cases that could not be used, and what else there is to say."""

    calibration: Calibration
    problems: tuple[Failed, ...]
    remarks: tuple[str, ...]


def calibrate(material: Material, raw: Path, *, backend: Backend = HERE) -> Calibrated:
    """Read all validated cases of the one system in `material` and calibrate each label.

    Args:
        raw: nnU-Net's folder of the raw dataset, which has the images.
        backend: where the cases are read.

    Raises:
        UserError: if fewer than `FEWEST_CASES` cases can be read, or one of them was trained on.
    """
    check_none_trained_on(material.systems[0])
    files = case_files(material.systems[0], material.reference)
    images = find_images(raw, [case.case_id for case in files], material.reference.file_ending)
    validated = [ValidatedCase(case, _ct(images[case.case_id])) for case in files]
    job = EvidenceJob(material.labels)
    outcomes = run_cases("Reading cases", job, validated, backend=backend)
    cases = [outcome for outcome in outcomes if isinstance(outcome, GatheredCase)]
    problems = tuple(failures(outcomes))
    if len(cases) < FEWEST_CASES:
        reason = f": {problems[0]}" if problems else ""
        raise UserError(f"a calibration needs at least {FEWEST_CASES} validated cases{reason}")
    labels = [
        calibrate_label(
            target,
            [case.lesions[target.name] for case in cases],
            [case.voxels[target.name] for case in cases],
        )
        for target in material.labels.targets
    ]
    profiles = [case.profile for case in cases if case.profile is not None]
    folds = tuple(folder.fold for folder in material.systems[0].folders if folder.fold is not None)
    calibration = Calibration(
        folds, tuple(case.case_id for case in cases), tuple(labels), training_scans(profiles)
    )
    remarks = [*about_shared_patients(material.systems[0]), *_remarks(cases, calibration)]
    return Calibrated(calibration, problems, tuple(remarks))


def _ct(image: CaseImage) -> Path | None:
    """nnU-Net takes "CT" for Hounsfield units; where dataset.json is absent, so is the image."""
    return image.file if image.channel.casefold() in ("ct", "") else None


def _remarks(cases: Sequence[GatheredCase], calibration: Calibration) -> list[str]:
    remarks = []
    unread = [case for case in cases if case.profile is None]
    if unread:
        remarks.append(
            f"{counted(len(unread), 'image')} could not be used, so that scans unlike the training's are "
            f"recognized less well: {unread[0].remark}"
        )
    if calibration.training is None:
        remarks.append(
            "Too few images could be used: raemd predict will not tell scans unlike the training's"
        )
    if len(calibration.folds) < 2:
        remarks.append("Only one fold is validated: its cases were parted in five to rate the calibration")
    for label in calibration.labels:
        if not any(label.model.coefficients):
            remarks.append(
                f"{label.target.name}: {label.model.n_real} real and {label.model.n_false} false lesions are "
                "too few to tell them apart: every lesion gets the same confidence"
            )
    return remarks
