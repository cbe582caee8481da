"""The lesions of predicted scans: measured, rated by the calibration of the model, and listed."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from numpy.typing import NDArray

from nnunetv2_raemd.confidence.calibration_file import FILE_NAME, load_calibration
from nnunetv2_raemd.confidence.rated_lesions import LesionRating, Promise, rating_by
from nnunetv2_raemd.confidence.scan_profile import profile_of
from nnunetv2_raemd.confidence.unlike_scans import TrainingScans, unlikeness
from nnunetv2_raemd.counted import counted
from nnunetv2_raemd.errors import UserError, reason_of
from nnunetv2_raemd.execution.case_batch import Failed
from nnunetv2_raemd.lesions.hu_image import read_hu
from nnunetv2_raemd.lesions.lesion_list import load_scan, save_failed, save_scan, write_lesion_lists
from nnunetv2_raemd.lesions.measured_lesion import MeasuredLesion, ScanLesions
from nnunetv2_raemd.lesions.scan_files import ScanFiles
from nnunetv2_raemd.lesions.scan_measurement import measure_scan
from nnunetv2_raemd.nnunet_files.label_set import LabelSet
from nnunetv2_raemd.nnunet_files.segmentation_file import Geometry

SUFFIX = ".lesions.json"
_SHOWN = 20


@dataclass(frozen=True)
class LesionLister:
    """Lists the lesions of a model's predictions.

    Attributes:
        rating: None without a calibration; `why_unrated` then says what to do.
        training: what scans are compared with; None where that is not known.
    """

    labels: LabelSet
    rating: LesionRating | None
    training: TrainingScans | None
    why_unrated: str = ""

    @property
    def needs_probabilities(self) -> bool:
        """Whether the lesions are rated, which takes the probability map."""
        return self.rating is not None

    def save(self, scan: ScanFiles, file: Path, *, segmentation: Path, origin: str | None = None) -> None:
        """Write the list of one scan, or why it has none: its segmentation is good without it.

        Args:
            segmentation: where it will be once it is finished.
            origin: what to name in the place of an image that lies in a temporary folder.

        Raises:
            UserError: if the file cannot be written.
        """
        try:
            found = self._listed(scan, segmentation)
            named = found if origin is None or found.image is None else replace(found, image=origin or None)
            save_scan(named, file)
        except Exception as error:  # of any library
            save_failed(Failed(scan.case_id, reason_of(error)), file)

    def _listed(self, scan: ScanFiles, segmentation: Path) -> ScanLesions:
        found = measure_scan(scan, self.labels)
        remarks = (*found.remarks, self.why_unrated) if self.why_unrated else found.remarks
        lesions = found.lesions
        if self.rating is not None:
            lesions = tuple(map(self.rating.rated, lesions))
        return replace(
            found,
            segmentation=segmentation,
            lesions=lesions,
            remarks=remarks,
            unlike_training=() if scan.image is None else self.unlikeness(*read_hu(scan.image)),
        )

    def unlikeness(self, hu: NDArray[Any], geometry: Geometry) -> tuple[str, ...]:
        """In what a CT is unlike those of the training; nothing where these are not known."""
        return () if self.training is None else tuple(unlikeness(profile_of(hu, geometry), self.training))


def lister_for(model_folder: Path | None, labels: LabelSet, promise: Promise) -> LesionLister:
    """The lister for a trained model, by the calibration in its folder where there is one.

    Raises:
        UserError: if the calibration cannot be used, or a promise is asked for that it cannot give.
    """
    file = model_folder and model_folder / FILE_NAME
    if file is None or not file.is_file():
        why = f"No confidence: the model has no {FILE_NAME}, which raemd calibrate makes from its validation"
        if promise.given:
            raise UserError(f"--false-positives and --sensitivity rest on a calibration. {why}")
        return LesionLister(labels, None, None, why)
    calibration = load_calibration(file)
    try:
        rating = rating_by(calibration, labels, promise)
    except UserError as error:
        raise UserError(f"{file}: {error}") from error
    return LesionLister(labels, rating, calibration.training)


def list_all(lister: LesionLister, output: Path) -> list[str]:
    """Write lesions.csv and lesions.json of all scans that have a list in the folder, earlier ones too.

    Returns:
        which scans have none, and why.

    Raises:
        UserError: if one cannot be written.
    """
    scans, failed = [], []
    for file in sorted(output.glob(f"*{SUFFIX}")):
        try:
            scans.append(load_scan(file))
        except UserError as error:
            failed.append(Failed(file.name.removesuffix(SUFFIX), str(error)))
    write_lesion_lists(scans, failed, output)
    print_lists(scans, lister, output)
    return [f"{scan.case_id}: its lesions are not listed: {scan.reason}" for scan in failed]


def lesions_in(file: Path) -> dict[tuple[str, int], MeasuredLesion]:
    """The lesions in the list of a scan, by label and the lesion's place within its label, from 1.

    Empty without a list, or where it could not be made (`list_all` says so).
    """
    try:
        lesions = load_scan(file).lesions
    except UserError:
        return {}
    found: dict[tuple[str, int], MeasuredLesion] = {}
    places: Counter[str] = Counter()
    for lesion in lesions:
        places[lesion.label] += 1
        found[lesion.label, places[lesion.label]] = lesion
    return found


def print_lists(scans: Sequence[ScanLesions], lister: LesionLister, output: Path) -> None:
    """Say how many lesions were listed, and which scans are unlike those of the training."""
    n_all = sum(len(scan.lesions) for scan in scans)
    n_listed = sum(lesion.listed for scan in scans for lesion in scan.lesions)
    print(f"Lesions of {counted(len(scans), 'scan')} listed in {output / 'lesions.csv'}: {n_listed}")
    if n_listed < n_all:
        print(f"Below the operating point, and only in lesions.json: {n_all - n_listed}")
    if lister.why_unrated:
        print(lister.why_unrated)
    for name, point in lister.rating.points.items() if lister.rating else ():
        print(
            f"{name}: confidence of at least {point.threshold:.3f} for {point.promise} (expected; see docs)"
        )
    unlike = [scan for scan in scans if scan.unlike_training]
    for scan in unlike[:_SHOWN]:
        print(f"{scan.case_id} is unlike the scans of the training: {'; '.join(scan.unlike_training)}")
    if len(unlike) > _SHOWN:
        print(f"... and {len(unlike) - _SHOWN} more; see lesions.json")
