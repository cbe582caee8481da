"""Prediction of scans as users have them: from DICOM, and to DICOM, in folders or in an archive."""

from __future__ import annotations

import json
import tempfile
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from nnunetv2_raemd.dicom.dicom_seg import require_highdicom
from nnunetv2_raemd.dicom_objects.object_kinds import ObjectKind
from nnunetv2_raemd.dicom_objects.segmented_series import object_series_uid
from nnunetv2_raemd.dicom_objects.written_objects import object_files, with_needed
from nnunetv2_raemd.dicomweb.address import is_url, service_address, study_address
from nnunetv2_raemd.dicomweb.required import require_dicomweb
from nnunetv2_raemd.errors import UserError, reason_of
from nnunetv2_raemd.execution.progress import progress
from nnunetv2_raemd.nnunet_files.dataset_json import read_dataset_json
from nnunetv2_raemd.nnunet_files.label_set import labels_of
from nnunetv2_raemd.prediction.model_loading import Model, load_model
from nnunetv2_raemd.prediction.pipeline import Processes
from nnunetv2_raemd.prediction.prediction_batch import Batch, predict_batch, run_batch
from nnunetv2_raemd.prediction.scan_objects import ObjectWriter, algorithm_of
from nnunetv2_raemd.scans.series_choice import ChosenSeries, Wanted
from nnunetv2_raemd.scans.staging import (
    StagedScan,
    StagedScans,
    Staging,
    is_nnunet_folder,
    stage,
    stage_folder,
)
from nnunetv2_raemd.whole_files import write_json

REPORT = "scans.json"
FORMAT = "nnunetv2-raemd scans, version 1"


@dataclass(frozen=True)
class ScanRequest:
    """What to predict, and what to make of it.

    Attributes:
        source: a folder, a file, or the address of a study or series.
        series: UIDs of the series to predict; none for one of each study.
        kinds: DICOM objects to write.
        store: DICOMweb service that gets the objects; "" for none.
    """

    source: str
    series: tuple[str, ...] = ()
    kinds: frozenset[ObjectKind] = frozenset()
    store: str = ""

    def __post_init__(self) -> None:
        if self.store and not self.kinds:
            raise UserError("--store sends DICOM objects: say which with --dicom")
        object.__setattr__(self, "kinds", with_needed(self.kinds))


def predict_any(
    request: ScanRequest, model: Model, batch: Batch, processes: Processes, **settings: Any
) -> None:
    """Predict images in a folder of nnU-Net's format, as nnUNetv2_predict does, or scans by `predict_scans`.

    Raises:
        UserError: as `predict_batch` and `predict_scans`.
    """
    ending = str(read_dataset_json(model.folder() / "dataset.json")["file_ending"])
    if is_url(request.source) or not is_nnunet_folder(Path(request.source), ending):
        predict_scans(request, model, batch, processes, **settings)
        return
    if request.kinds or request.series:
        raise UserError(
            f"{request.source} holds images that end with {ending}: --dicom and --series are for DICOM"
        )
    predict_batch(load_model(model, **settings), batch, processes)


def predict_scans(
    request: ScanRequest, model: Model, batch: Batch, processes: Processes, **settings: Any
) -> None:
    """Predict the scans of a request, write their objects and send them.

    Args:
        batch: its `source` is not looked at, its `output` takes everything.
        settings: those of nnU-Net's predictor.

    Raises:
        UserError: if nothing can be predicted; if some scans or objects had to be left out, after all others
            are done.
    """
    run = _Run(request, model, batch, settings)
    with tempfile.TemporaryDirectory(prefix="raemd_") as folder:
        staged = run.stage(Path(folder))
        problems = list(staged.problems)
        if staged.scans:
            predictor = load_model(model, **settings)
            images = replace(batch, source=staged.scans[0].image.parent, num_parts=1, part_id=0)
            images = replace(images, save_probabilities=run.needs_probabilities)
            problems += run_batch(predictor, images, processes)
            problems += run.make_objects(staged.scans)
    run.report(staged, problems)
    if problems:
        raise UserError("not everything could be done:\n" + "\n".join(f"  {problem}" for problem in problems))


class _Run:
    """One call of the command, with what is known of the model before its weights are loaded."""

    def __init__(self, request: ScanRequest, model: Model, batch: Batch, settings: Mapping[str, Any]) -> None:
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
        self.writer: ObjectWriter | None = None
        if request.store:
            require_dicomweb()
            service_address(request.store)
        if request.kinds:
            require_highdicom()
            algorithm = algorithm_of(
                model, mirroring=settings["use_mirroring"], step_size=settings["tile_step_size"]
            )
            self.writer = ObjectWriter(
                batch.output, self.file_ending, labels_of(dataset), algorithm, request.kinds
            )

    @property
    def needs_probabilities(self) -> bool:
        return self.batch.save_probabilities or ObjectKind.PROBABILITY in self.request.kinds

    def stage(self, folder: Path) -> StagedScans:
        """The images to predict, in `folder`."""
        wanted = Wanted(self.request.series, self.slice_distance_mm, self.batch.part_id, self.batch.num_parts)
        staging = Staging(folder, self.file_ending, wanted, self._is_done)
        if not is_url(self.request.source):
            return stage(Path(self.request.source), staging)
        require_dicomweb()
        from nnunetv2_raemd.dicomweb.fetch import fetch_ct  # noqa: PLC0415 - an extra

        address = study_address(self.request.source)
        fetched = folder / "fetched"
        fetched.mkdir()
        fetch_ct(address, fetched, self.request.series)
        if address.series_uid:
            staging = replace(staging, wanted=replace(wanted, uids=(address.series_uid,)))
        return stage_folder(fetched, staging)

    def _is_done(self, one: ChosenSeries) -> bool:
        """Whether all results are in the folder or, where they are to be sent, in the archive."""
        if self.batch.overwrite:
            return False
        if self.request.store and self.writer is not None:
            done = self._is_stored(one, self.writer)
        else:
            segmentation = self.batch.output / f"{one.uid}{self.file_ending}"
            files = [segmentation, *object_files(self.batch.output, one.uid, self.request.kinds)]
            done = all(file.is_file() for file in files)
        self.n_left_out += done
        return done

    def _is_stored(self, one: ChosenSeries, writer: ObjectWriter) -> bool:
        from nnunetv2_raemd.dicomweb.fetch import series_is_there  # noqa: PLC0415 - an extra

        images = one.series.slices
        uids = [image.sop_uid for image in images]
        return all(
            series_is_there(
                self.request.store,
                images[0].study_uid,
                object_series_uid(one.uid, uids, writer.algorithm, kind.value),
            )
            for kind in self.request.kinds
        )

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
            return f"DICOM objects of {scan.case_id}: {reason_of(error)}"
        return None

    def report(self, staged: StagedScans, problems: Sequence[str]) -> None:
        """Say what was chosen, assumed and left out, and write it to `scans.json`."""
        for remark in staged.remarks:
            print(f"Remark: {remark}")
        for scan in staged.scans:
            for remark in self._remarks(scan):
                print(f"Remark on {scan.case_id}: {remark}")
        if self.n_left_out:
            print(f"Done already: {self.n_left_out}")
        if not self.batch.output.is_dir():
            return
        content = {
            "format": FORMAT,
            "scans": [self._as_json(scan) for scan in staged.scans],
            "done_already": self.n_left_out,
            "remarks": list(staged.remarks),
            "problems": list(problems),
        }
        write_json(self.batch.output / REPORT, content)

    def _remarks(self, scan: StagedScan) -> tuple[str, ...]:
        return (*scan.remarks, *self.header_remarks.get(scan.case_id, ()))

    def _as_json(self, scan: StagedScan) -> dict[str, Any]:
        series = scan.series
        return {
            "case_id": scan.case_id,
            "study_uid": series and series.slices[0].study_uid,
            "series_uid": series and series.slices[0].series_uid,
            "slices": series and len(series.slices),
            "slice_distance_mm": series and round(series.stack.usual_distance_mm, 4),
            "objects": [file.name for file in self.objects.get(scan.case_id, ())],
            "stored_in": self.request.store if scan.case_id in self.objects and self.request.store else "",
            "remarks": list(self._remarks(scan)),
        }


def _slice_distance_mm(plans: Path) -> float:
    """The median slice distance of the training, by nnU-Net's plan; 1 mm where it does not say."""
    content = json.loads(plans.read_text(encoding="utf-8"))
    try:
        spacing, order = content["original_median_spacing_after_transp"], content["transpose_backward"]
        return float(spacing[order[0]])
    except (KeyError, IndexError, TypeError, ValueError):
        return 1.0
