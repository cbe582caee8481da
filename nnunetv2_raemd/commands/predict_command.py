"""`raemd predict`."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

from nnunetv2_raemd.commands.model_choice import ModelChoice
from nnunetv2_raemd.commands.predict_options import CasesInTurn, Device, NetworkUse, Results, Scans
from nnunetv2_raemd.commands.shared_options import with_options_of

if TYPE_CHECKING:
    from nnunetv2_raemd.prediction.batch_request import Batch
    from nnunetv2_raemd.prediction.cluster_prediction import Cluster
    from nnunetv2_raemd.prediction.scan_request import ScanRequest
    from nnunetv2_raemd.prediction.trained_model import AnyModel


@with_options_of(Scans, Results, ModelChoice, CasesInTurn, NetworkUse)
def predict(
    scans: Scans, results: Results, choice: ModelChoice, cases: CasesInTurn, network: NetworkUse
) -> None:
    """Predict as nnUNetv2_predict does, with each slice computed once instead of twice.

    For models of RAEMD-Net; others are predicted by nnU-Net's own sliding window. Arguments and files
    are those of nnUNetv2_predict. A scan that cannot be predicted is named at the end, with exit status 1;
    other scans are unaffected.
    """
    from nnunetv2_raemd.prediction.pipeline import Processes
    from nnunetv2_raemd.prediction.scan_prediction import predict_any

    cases.check()
    device = network.device or (Device.CUDA if choice.folder is None else Device.CPU)
    cluster = _cluster(network.scheduler, device)
    request, model = scans.request(uncertainty=results.uncertainty), choice.model()
    predict_any(
        request,
        model,
        _batch(request, model, results, cases, lungs=network.lungs),
        Processes(cases.n_preprocessing, cases.n_export),
        cluster=cluster,
        trust_checkpoint=choice.trust_checkpoint,
        device=(Device.CPU if cluster else device).value,
        **network.settings(),
    )


def _cluster(scheduler: str | None, device: Device) -> Cluster | None:
    """Where the network runs, if not here.

    Raises:
        UserError: if the scheduler does not answer.
    """
    if scheduler is None:
        return None
    from nnunetv2_raemd.execution.scheduler import Scheduler

    chosen = Scheduler(scheduler)
    chosen.check()
    from nnunetv2_raemd.prediction.cluster_prediction import Cluster  # imports torch

    return Cluster(chosen, device.value)


def _batch(
    request: ScanRequest, model: AnyModel, results: Results, cases: CasesInTurn, *, lungs: bool
) -> Batch:
    """As the prediction takes what was asked for.

    Raises:
        UserError: if explanations are asked for, and the model is missing or their extra is not installed.
    """
    from nnunetv2_raemd.confidence.rated_lesions import Promise
    from nnunetv2_raemd.prediction.batch_request import Batch

    promise = Promise(results.false_positives, results.sensitivity)
    if results.explain:
        model.folder()  # what is missing is named before torch is imported
        from nnunetv2_raemd.explanation.scan_cards import scan_explainer
    return Batch(
        Path(request.source),
        results.output,
        cases.previous_stage,
        save_probabilities=results.save_probabilities,
        overwrite=not cases.continue_prediction,
        lungs=lungs,
        num_parts=cases.num_parts,
        part_id=cases.part_id,
        promise=promise,
        uncertainty=request.uncertainty,
        explainer=scan_explainer() if results.explain else None,
    )
