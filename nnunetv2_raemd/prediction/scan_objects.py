"""DICOM objects of the scans that were predicted."""

from __future__ import annotations

import hashlib
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING

import SimpleITK as sitk

from nnunetv2_raemd.confidence.calibration_file import FILE_NAME as CALIBRATION
from nnunetv2_raemd.confidence.rated_lesions import Promise
from nnunetv2_raemd.dicom_objects.coded_terms import finding_of
from nnunetv2_raemd.dicom_objects.deterministic_uids import derived_uid
from nnunetv2_raemd.dicom_objects.lesion_segments import segments_of
from nnunetv2_raemd.dicom_objects.object_kinds import ObjectKind
from nnunetv2_raemd.dicom_objects.segmented_series import Algorithm, Segment, SegmentedSeries
from nnunetv2_raemd.dicom_objects.source_series import read_source
from nnunetv2_raemd.dicom_objects.written_objects import Probabilities, write_objects
from nnunetv2_raemd.errors import UserError
from nnunetv2_raemd.lesions.hu_image import read_hu
from nnunetv2_raemd.lesions.measured_lesion import MeasuredLesion
from nnunetv2_raemd.lesions.measurement import Measured
from nnunetv2_raemd.nnunet_files.label_set import LabelSet, Target
from nnunetv2_raemd.nnunet_files.probability_map import channels_of, read_probabilities
from nnunetv2_raemd.nnunet_files.segmentation_file import read_segmentation
from nnunetv2_raemd.prediction.lesion_lists import SUFFIX, lesions_in
from nnunetv2_raemd.prediction.private_names import PrivateNames
from nnunetv2_raemd.prediction.trained_model import AnyModel
from nnunetv2_raemd.scans.series_volume import OwnSlices, on_own_slices
from nnunetv2_raemd.scans.single_image import read_single_image
from nnunetv2_raemd.scans.staging import StagedScan
from nnunetv2_raemd.version import __version__

if TYPE_CHECKING:
    from nnunetv2_raemd.dicom_objects.parametric_map import PixelMap

_LONGEST_NAME = 64  # VR LO
_CHUNK = 1 << 24


@dataclass(frozen=True)
class ObjectWriter:
    """Writes the objects of scans beside their segmentations.

    Attributes:
        folder: of the segmentations.
        names: that take the place of the patients' in the objects; None where these are kept.
    """

    folder: Path
    file_ending: str
    labels: LabelSet
    algorithm: Algorithm
    kinds: frozenset[ObjectKind]
    names: PrivateNames | None = None

    def write(self, scan: StagedScan) -> tuple[list[Path], tuple[str, ...]]:
        """The objects of a predicted scan, and remarks on its headers.

        Raises:
            UserError: if the series lacks what ties an object to it, or they cannot be written.
        """
        if scan.series is None:
            raise UserError(f"{scan.case_id} was not DICOM: DICOM objects need a series to refer to")
        source = read_source(scan.series)
        if self.names is not None:
            source = self.names.without_identity(source)
        file = self.folder / f"{scan.case_id}{self.file_ending}"
        segmentation = read_segmentation(file)
        hu, _ = read_hu(scan.image)
        numbers, segments = segments_of(
            segmentation.labels,
            self.labels.targets,
            Measured(segmentation.geometry, hu),
            tracked_by=(source.uid, repr(self.algorithm)),
        )
        del hu, segmentation
        segments, remarks = _as_listed(segments, lesions_in(self.folder / f"{scan.case_id}{SUFFIX}"))
        grid = sitk.ImageFileReader()  # its header alone: the labels are above
        grid.SetFileName(str(file))
        grid.ReadImageInformation()
        own = on_own_slices(numbers, grid, scan.series.stack)
        del numbers
        series = SegmentedSeries(source, own, segments or self._nothing(scan.case_id), self.algorithm)
        probabilities = self._probabilities(scan, grid)
        maps = self._maps(scan)
        written = write_objects(series, self.kinds, self.folder, scan.case_id, probabilities, maps)
        return written, (*source.remarks, *remarks)

    def _probabilities(self, scan: StagedScan, grid: sitk.ImageFileReader) -> Probabilities | None:
        """Of each label, read when it is its turn."""
        if ObjectKind.PROBABILITY not in self.kinds or scan.series is None:
            return None
        x, y, z = grid.GetSize()
        maps = read_probabilities(self.folder / f"{scan.case_id}.npz", (z, y, x))
        targets, stack = self.labels.targets, scan.series.stack
        channels = channels_of(maps, self.labels)
        own = (OwnSlices(maps[channel], grid, stack) for channel in channels)
        return tuple(self._label(target, scan.case_id) for target in targets), own

    def _maps(self, scan: StagedScan) -> Iterator[PixelMap]:
        """The maps of uncertainty, each read when it is its turn."""
        from nnunetv2_raemd.dicom_objects.parametric_map import PixelMap  # noqa: PLC0415 - an extra
        from nnunetv2_raemd.prediction.pass_spread import EXPLANATIONS, KINDS  # noqa: PLC0415 - torch
        from nnunetv2_raemd.prediction.uncertainty_maps import FOLDER  # noqa: PLC0415 - torch

        for kind in KINDS:
            image = read_single_image(self.folder / FOLDER / f"{scan.case_id}_{kind}.nii.gz")
            assert scan.series is not None
            values = OwnSlices(sitk.GetArrayViewFromImage(image), image, scan.series.stack)
            yield PixelMap(kind.replace("_", " "), EXPLANATIONS[kind], values)

    def _nothing(self, series_uid: str) -> tuple[Segment, ...]:
        """A segment without voxels for each label, for where nothing was found.

        SEG and RTSTRUCT must have one, and without them nobody could tell that the scan was looked at: it
        would be predicted again, by an archive that calls at every new object without end.
        """
        labels = (self._label(target, series_uid) for target in self.labels.targets)
        return tuple(replace(label, values=()) for label in labels)

    def _label(self, target: Target, series_uid: str) -> Segment:
        tracking = derived_uid(series_uid, repr(self.algorithm), target.name)
        return Segment(target.name, finding_of(target.name), target.values, tracking)


def _as_listed(
    segments: Sequence[Segment], lesions: Mapping[tuple[str, int], MeasuredLesion]
) -> tuple[tuple[Segment, ...], tuple[str, ...]]:
    """The segments with the confidences of their lesions, without those below the operating point."""
    kept = []
    for segment in segments:
        found = segment.lesion and lesions.get((segment.lesion.label, segment.lesion.number))
        if segment.lesion is None or found is None:
            kept.append(segment)
        elif found.listed:
            kept.append(replace(segment, lesion=replace(segment.lesion, confidence=found.confidence)))
    n_left_out = len(segments) - len(kept)
    remark = f"lesions below the operating point, which are not in the DICOM objects: {n_left_out}"
    return tuple(kept), ((remark,) if n_left_out else ())


def algorithm_of(model: AnyModel, promise: Promise, **settings: object) -> Algorithm:
    """What made the objects: the model by nnU-Net's names, its weights by their digest, and the settings.

    Calibration and operating point decide on confidences and on what is left out, so they are among these.
    """
    identity = model.identity()
    calibration = model.folder() / CALIBRATION
    if calibration.is_file():
        settings["calibration_sha256"] = _digest([calibration])
    settings |= {name: value for name, value in asdict(promise).items() if value is not None}
    name = identity.name
    parameters = {
        "dataset": identity.dataset,
        "folds": " ".join(identity.folds),
        "checkpoint": identity.checkpoint,
        "weights_sha256": _digest(identity.weight_files),
        **{name: str(value) for name, value in settings.items()},
    }
    return Algorithm(name[:_LONGEST_NAME], __version__, tuple(parameters.items()))


def _digest(files: Iterable[Path]) -> str:
    """SHA-256 of files, one after the other."""
    digest = hashlib.sha256()
    for file in files:
        with file.open("rb") as stream:
            while chunk := stream.read(_CHUNK):
                digest.update(chunk)
    return digest.hexdigest()
