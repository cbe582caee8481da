"""The steps of a prediction from and to DICOM: what to predict, whether it is done, and its objects."""

from __future__ import annotations

import os
from collections.abc import Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

from nnunetv2_raemd.dicom.ct_series import CtSeries
from nnunetv2_raemd.dicom_objects.object_kinds import ObjectKind
from nnunetv2_raemd.dicom_objects.segmented_series import object_series_uid
from nnunetv2_raemd.dicom_objects.source_series import check_has_ties
from nnunetv2_raemd.dicom_objects.written_objects import object_files
from nnunetv2_raemd.dicomweb.address import is_url, service_address, study_address
from nnunetv2_raemd.errors import UserError, reason_of
from nnunetv2_raemd.execution.progress import progress
from nnunetv2_raemd.extras import needs_extra, require
from nnunetv2_raemd.nnunet_files.dataset_json import read_dataset_json
from nnunetv2_raemd.nnunet_files.json_file import read_json
from nnunetv2_raemd.nnunet_files.label_set import labels_of
from nnunetv2_raemd.prediction.batch_request import Batch
from nnunetv2_raemd.prediction.private_names import private_names
from nnunetv2_raemd.prediction.scan_objects import ObjectWriter, algorithm_of
from nnunetv2_raemd.prediction.scan_request import ScanRequest
from nnunetv2_raemd.prediction.trained_model import AnyModel
from nnunetv2_raemd.scans.series_choice import ChosenSeries, Wanted
from nnunetv2_raemd.scans.staging import StagedScan, StagedScans, Staging, stage, stage_folder


class ScanRun:
    """One call of the command, with what is known of the model before its weights are loaded."""

    def __init__(
        self, request: ScanRequest, model: AnyModel, batch: Batch, settings: Mapping[str, Any]
    ) -> None:
        self.request, self.batch = request, batch
        folder = model.folder()
        dataset = read_dataset_json(folder / "dataset.json")
        self.file_ending = str(dataset["file_ending"])
        if len(dataset["channel_names"]) > 1:
            raise UserError(
                "the model takes several channels: give it a folder of images in nnU-Net's format"
            )
        self.slice_distance_mm = _slice_distance_mm(folder / "plans.json")
        self.objects: dict[str, list[Path]] = {}
        self.header_remarks: dict[str, tuple[str, ...]] = {}
        self.n_left_out = 0
        self.names = private_names(batch.output, self.file_ending) if request.anonymize else None
        self.writer: ObjectWriter | None = None
        if request.store:
            require("dicomweb_client", extra="dicomweb", what="--store")
            service_address(request.store)
        if request.kinds:
            require("highdicom", extra="dicom", what="--dicom")
            algorithm = algorithm_of(
                model,
                batch.promise,
                mirroring=settings["use_mirroring"],
                step_size=settings["tile_step_size"],
            )
            self.writer = ObjectWriter(
                batch.output, self.file_ending, labels_of(dataset), algorithm, request.kinds, self.names
            )

    @property
    def needs_probabilities(self) -> bool:
        return self.batch.save_probabilities or ObjectKind.PROBABILITY in self.request.kinds

    def stage(self, folder: Path) -> StagedScans:
        """The images to predict, in `folder`."""
        wanted = Wanted(self.request.series, self.slice_distance_mm, self.batch.part_id, self.batch.num_parts)
        rename = self.names.scan if self.names else str
        staging = Staging(folder, self.file_ending, wanted, self._is_done, rename, self._check_has_ties)
        if not is_url(self.request.source):
            return stage(Path(self.request.source), staging)
        with needs_extra("dicomweb", "fetching a study"):
            from nnunetv2_raemd.dicomweb.fetch import fetch_ct  # noqa: PLC0415

        address = study_address(self.request.source)
        fetched = folder / "fetched"
        fetched.mkdir()
        fetch_ct(address, fetched, self.request.series)
        if address.series_uid:
            staging = replace(staging, wanted=replace(wanted, uids=(address.series_uid,)))
        return stage_folder(fetched, staging)

    def _check_has_ties(self, series: CtSeries | None) -> None:
        """Before a prediction is waited for that no object can be made of."""
        if not self.request.kinds:
            return
        if series is None:
            raise UserError(
                f"{self.request.source} is not DICOM: leave out --dicom, whose objects refer to it"
            )
        try:
            check_has_ties(series)
        except UserError as error:
            raise UserError(f"{error}; without --dicom it can be predicted") from None

    def origin_of(self, scan: StagedScan) -> str:
        """Where the images of a scan lie for good: their folder, or else what the user gave.

        "" where names are private.
        """
        source = self.request.source
        if self.names is not None:
            return ""
        if scan.series is None or is_url(source) or not Path(source).is_dir():
            return source
        return os.path.commonpath([image.path.parent for image in scan.series.slices])

    def _is_done(self, one: ChosenSeries) -> bool:
        """Whether all results are in the folder or, where they are to be sent, in the archive."""
        if self.batch.overwrite:
            return False
        if self.request.store and self.writer is not None:
            done = self._is_stored(one, self.writer)
        else:
            case_id = self.names.scan(one.uid) if self.names else one.uid
            segmentation = self.batch.output / f"{case_id}{self.file_ending}"
            files = [segmentation, *object_files(self.batch.output, case_id, self.request.kinds)]
            done = all(file.is_file() for file in files)
        self.n_left_out += done
        return done

    def _is_stored(self, one: ChosenSeries, writer: ObjectWriter) -> bool:
        from nnunetv2_raemd.dicomweb.fetch import series_is_there  # noqa: PLC0415 - an extra

        images, names = one.series.slices, self.names
        uids = names.image_uids(one.series) if names else [image.uid for image in images]
        study, series = (names.uid(u) if names else u for u in (images[0].study_uid, one.uid))
        return all(
            series_is_there(
                self.request.store, study, object_series_uid(series, uids, writer.algorithm, kind.value)
            )
            for kind in self.request.kinds
        )

    def public(self, about: str, remarks: Sequence[str]) -> tuple[str, ...]:
        """The remarks, or where names are private, that there are some, and where."""
        return tuple(remarks) if self.names is None else self.names.keep(about, remarks)

    def make_objects(self, scans: Sequence[StagedScan]) -> list[str]:
        """Write and send the objects of all scans that were predicted; returns what went wrong."""
        problems: list[str] = []
        if self.writer is None:
            return problems
        with progress("Writing DICOM objects", len(scans)) as advance:
            for scan in scans:
                problem = self._problem_with_objects(scan, self.writer)
                problems += [problem] if problem else []
                advance(failed=bool(problem))
        return problems

    def _problem_with_objects(self, scan: StagedScan, writer: ObjectWriter) -> str | None:
        if not (self.batch.output / f"{scan.case_id}{self.file_ending}").is_file():
            return None  # that it was not predicted has been said
        try:
            written, remarks = writer.write(scan)
            self.objects[scan.case_id], self.header_remarks[scan.case_id] = written, remarks
            if self.request.store:
                from nnunetv2_raemd.dicomweb.store import store  # noqa: PLC0415 - an extra

                store(written, self.request.store)
        except Exception as error:  # one bad scan must not end a run of hundreds
            (reason,) = self.public(f"{scan.case_id}, objects", [reason_of(error)])
            return f"DICOM objects of {scan.case_id}: {reason}"
        return None


def _slice_distance_mm(plans: Path) -> float:
    """The median slice distance of the training, by nnU-Net's plan; 1 mm where it does not say."""
    content = read_json(plans, dict[str, Any], "It belongs to the model: copy the model again")
    try:
        spacing, order = content["original_median_spacing_after_transp"], content["transpose_backward"]
        return float(spacing[order[0]])
    except (KeyError, IndexError, TypeError, ValueError):
        return 1.0
