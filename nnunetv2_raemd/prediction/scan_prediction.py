"""Prediction of scans as users have them: from DICOM, and to DICOM, in folders or in an archive.

torch and nnU-Net's predictor take seconds to import: that waits until there is something to predict.
"""

from __future__ import annotations

import tempfile
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

from nnunetv2_raemd.dicomweb.address import is_url
from nnunetv2_raemd.errors import UserError
from nnunetv2_raemd.nnunet_files.dataset_json import read_dataset_json
from nnunetv2_raemd.nnunet_files.label_set import labels_of
from nnunetv2_raemd.nnunet_files.plans_file import read_plans
from nnunetv2_raemd.prediction.batch_request import Batch, Origin
from nnunetv2_raemd.prediction.input_survey import check_previous_stage, raise_left_out, survey_input
from nnunetv2_raemd.prediction.lesion_lists import lister_for
from nnunetv2_raemd.prediction.scan_report import report
from nnunetv2_raemd.prediction.scan_request import ScanRequest
from nnunetv2_raemd.prediction.scan_run import ScanRun
from nnunetv2_raemd.prediction.trained_model import AnyModel
from nnunetv2_raemd.scans.staging import is_nnunet_folder

if TYPE_CHECKING:
    from nnunetv2_raemd.prediction.cluster_prediction import Cluster
    from nnunetv2_raemd.prediction.pipeline import Processes
    from nnunetv2_raemd.prediction.predictor import WholeScanPredictor


def predict_any(
    request: ScanRequest,
    model: AnyModel,
    batch: Batch,
    processes: Processes,
    *,
    cluster: Cluster | None = None,
    **settings: Any,
) -> None:
    """Predict images in a folder of nnU-Net's format, as nnUNetv2_predict does, or scans by `predict_scans`.

    Raises:
        UserError: as `predict_batch` and `predict_scans`.
    """
    folder = model.folder()
    description = read_dataset_json(folder / "dataset.json")
    if batch.promise.given:  # what cannot be promised is refused before any scan is read
        lister_for(folder, labels_of(description), batch.promise)
    ending = str(description["file_ending"])
    if is_url(request.source) or not is_nnunet_folder(Path(request.source), ending):
        predict_scans(request, model, batch, processes, cluster=cluster, **settings)
        return
    if request.kinds or request.series or request.anonymize:
        raise UserError(
            f"{request.source} holds images that end with {ending}: --dicom and --series are for DICOM, and "
            "--anonymize is for what is not named as nnU-Net's images are"
        )
    plans = read_plans(folder / "plans.json", "It belongs to the model: copy the model again")
    # nnU-Net's folder names its configuration; of others, predict_batch looks once the model is loaded
    configuration = plans["configurations"].get(folder.resolve().name.rpartition("__")[2])
    if configuration is not None:
        check_previous_stage(configuration.get("previous_stage"), batch)
    survey = survey_input(batch, plans, description)
    if not survey.usable:
        print(survey.described())
        raise_left_out(survey.problems)
        return
    from nnunetv2_raemd.prediction.prediction_batch import predict_batch  # noqa: PLC0415 - imports torch

    elsewhere = cluster.prediction(model, batch, settings) if cluster else None
    predict_batch(_loaded(model, **settings), batch, processes, survey, elsewhere=elsewhere)


def _loaded(model: AnyModel, *, device: str, **settings: Any) -> WholeScanPredictor:
    from nnunetv2_raemd.prediction.model_loading import load_model, torch_device  # noqa: PLC0415 - torch

    return load_model(model, device=torch_device(device), **settings)


def predict_scans(
    request: ScanRequest,
    model: AnyModel,
    batch: Batch,
    processes: Processes,
    *,
    cluster: Cluster | None = None,
    **settings: Any,
) -> None:
    """Predict the scans of a request, write their objects and send them.

    Args:
        batch: its `source` is not looked at, its `output` takes everything.
        cluster: where the network runs, if not here.
        settings: those of nnU-Net's predictor; its device by name.

    Raises:
        UserError: if nothing can be predicted; if some scans or objects had to be left out, after all others
            are done.
    """
    if request.anonymize and batch.num_parts > 1:
        raise UserError("--anonymize numbers the scans of one run: leave out -num_parts")
    run = ScanRun(request, model, batch, settings)
    if cluster is not None:
        batch.output.mkdir(parents=True, exist_ok=True)
    shared = None if cluster is None else batch.output  # its workers see no folder of this machine alone
    with tempfile.TemporaryDirectory(prefix=".raemd_", dir=shared) as folder:
        staged = run.stage(Path(folder))
        problems = list(run.public("problems", staged.problems))
        if run.names is not None and staged.scans:
            run.names.write()  # before there is a scan that only it can name
        if staged.scans:
            from nnunetv2_raemd.prediction.prediction_batch import run_batch  # noqa: PLC0415 - imports torch

            predictor = _loaded(model, **settings)
            images = replace(batch, source=staged.scans[0].image.parent, num_parts=1, part_id=0)
            source = "" if request.anonymize else request.source
            origin = Origin(source, {scan.case_id: run.origin_of(scan) for scan in staged.scans})
            images = replace(images, save_probabilities=run.needs_probabilities, origin=origin)
            elsewhere = cluster.prediction(model, images, settings) if cluster else None
            problems += run_batch(predictor, images, processes, elsewhere=elsewhere)
            problems += run.make_objects(staged.scans)
    report(run, staged, problems)
    raise_left_out(problems)
