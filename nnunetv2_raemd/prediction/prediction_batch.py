"""A folder of scans through a predictor: what cannot be predicted is left out and reported at the end."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from functools import partial
from typing import Any

import numpy as np
import torch

from nnunetv2_raemd.errors import UserError
from nnunetv2_raemd.execution.case_batch import Failed
from nnunetv2_raemd.execution.progress import progress
from nnunetv2_raemd.nnunet_files.label_set import labels_of
from nnunetv2_raemd.nnunet_files.segmentation_file import SIMPLE_ITK
from nnunetv2_raemd.prediction.batch_request import Batch
from nnunetv2_raemd.prediction.case_work import CaseWork, Properties
from nnunetv2_raemd.prediction.input_cases import InputCase
from nnunetv2_raemd.prediction.input_survey import Survey, check_previous_stage, raise_left_out, survey_input
from nnunetv2_raemd.prediction.lesion_lists import LesionLister, list_all, lister_for
from nnunetv2_raemd.prediction.network_result import NetworkResult
from nnunetv2_raemd.prediction.pass_spread import PassSpread
from nnunetv2_raemd.prediction.pipeline import Pipeline, Processes
from nnunetv2_raemd.prediction.predictor import WholeScanPredictor, uncompiled
from nnunetv2_raemd.prediction.scan_part import part_of
from nnunetv2_raemd.prediction.sliced_network import SlicedNetwork
from nnunetv2_raemd.whole_files import write_json

Elsewhere = Callable[[Sequence[InputCase]], Sequence[Failed]]
"""Predicts cases on other machines, and returns those that failed."""


def predict_batch(
    predictor: WholeScanPredictor,
    batch: Batch,
    processes: Processes,
    survey: Survey | None = None,
    *,
    elsewhere: Elsewhere | None = None,
) -> None:
    """Predict all cases that can be.

    Args:
        survey: of `batch`, if it was made already.
        elsewhere: predicts instead of the processes of this machine, which then only look at the input.

    Raises:
        UserError: if there is nothing to predict, or a previous stage is missing or one too many, before work
            starts; if cases had to be left out, after all others are written.
    """
    raise_left_out(run_batch(predictor, batch, processes, survey, elsewhere=elsewhere))


def run_batch(
    predictor: WholeScanPredictor,
    batch: Batch,
    processes: Processes,
    survey: Survey | None = None,
    *,
    elsewhere: Elsewhere | None = None,
) -> list[str]:
    """Predict all cases that can be, and return why the others cannot, naming them.

    Raises:
        UserError: as `predict_batch`, before work starts.
    """
    check_previous_stage(predictor.configuration_manager.previous_stage_name, batch)
    if batch.lungs and (batch.uncertainty or batch.explainer):
        raise UserError("--uncertainty and --explain look at whole scans: leave out --lungs")
    if batch.lungs and batch.promise.given:
        raise UserError(
            "--false-positives and --sensitivity are calibrated on whole scans, and a part has other false "
            "lesions: leave out --lungs"
        )
    if batch.uncertainty:
        _check_maps_can_be_made(predictor)
    if batch.explainer and not list(predictor.network.parameters()):
        raise UserError("--explain follows gradients through torch's network: give --backend torch")
    found = survey or survey_input(batch, predictor.plans_manager.plans, predictor.dataset_json)
    print(found.described())
    work = case_work(predictor, batch)
    if work.postprocessor is not None:
        print(f"Post-processing of the model: {work.postprocessor.steps()}")
    n_written, failed = 0, list[Failed]()
    if found.usable:
        _prepare(predictor, batch, processes)
        n_written, failed = _predict(found.usable, predictor, work, processes, elsewhere)
    print(f"Segmentations written to {batch.output}: {n_written}")
    reasons = found.problems + [str(one) for one in failed]
    if work.lister is not None and batch.output.is_dir():
        reasons += list_all(work.lister, batch.output)
        reasons += _explained(predictor, batch, work, found.usable)
    return reasons


def _predict(
    cases: Sequence[InputCase],
    predictor: WholeScanPredictor,
    work: CaseWork,
    processes: Processes,
    elsewhere: Elsewhere | None,
) -> tuple[int, list[Failed]]:
    """How many are written, and those that failed."""
    if elsewhere is not None:
        failed = list(elsewhere(cases))
        return len(cases) - len(failed), failed
    workers = processes.for_cases(len(cases))
    pipeline = Pipeline(work, partial(result_of, predictor.with_lines(), work), workers)
    try:
        pipeline.run(cases)
    except KeyboardInterrupt:
        print(
            f"Interrupted. The segmentations in {work.output} are whole; the same command with "
            "--continue_prediction predicts the others"
        )
        raise
    return pipeline.n_written, pipeline.failed


def _lister(predictor: WholeScanPredictor, batch: Batch) -> LesionLister | None:
    """What lists the lesions; of pictures and formats without a place in the patient, nothing does."""
    if predictor.plans_manager.plans["image_reader_writer"] != SIMPLE_ITK:
        if batch.promise.given:
            raise UserError("--false-positives and --sensitivity are for volumes that SimpleITKIO reads")
        return None
    return lister_for(predictor.model_folder, labels_of(predictor.dataset_json), batch.promise)


def case_work(predictor: WholeScanPredictor, batch: Batch) -> CaseWork:
    """What is done to each case before and after the network.

    Raises:
        UserError: if the batch asks for what the model's images do not allow.
    """
    return CaseWork(
        predictor.plans_manager,
        predictor.configuration_manager,
        predictor.dataset_json,
        batch.output,
        batch.previous_stage,
        save_probabilities=batch.save_probabilities,
        verbose=predictor.verbose_preprocessing,
        lungs=batch.lungs,
        lister=_lister(predictor, batch),
        uncertainty=batch.uncertainty,
        origins=batch.origin.of_case if batch.origin else {},
        postprocessor=predictor.postprocessor,
    )


def result_of(
    predictor: WholeScanPredictor, work: CaseWork, image: np.ndarray, properties: Properties
) -> NetworkResult:
    """From a preprocessed image (C, Z, Y, X) to what `work` exports."""
    predictor = predictor.within(part_of(properties))
    if work.uncertainty:
        predictor.spread = PassSpread(regions=predictor.label_manager.has_regions)
    logits: torch.Tensor = predictor.predict_logits_from_preprocessed_data(torch.from_numpy(image))
    maps, predictor.spread = predictor.spread.maps() if predictor.spread else (), None
    return NetworkResult(logits.numpy(), maps)


def _check_maps_can_be_made(predictor: WholeScanPredictor) -> None:
    if not isinstance(uncompiled(predictor.network), SlicedNetwork):
        raise UserError(
            "--uncertainty is for RAEMD-Net: other networks are predicted by nnU-Net's own sliding window, "
            "which does not show its passes"
        )
    if predictor.plans_manager.plans["image_reader_writer"] != SIMPLE_ITK:
        raise UserError("--uncertainty is for volumes that SimpleITKIO reads")


def _explained(
    predictor: WholeScanPredictor, batch: Batch, work: CaseWork, cases: Sequence[InputCase]
) -> list[str]:
    """Explain all cases that were predicted; returns what went wrong."""
    ending = str(predictor.dataset_json["file_ending"])
    predicted = [c for c in cases if batch.is_done(c.case_id, ending)] if batch.explainer else []
    if batch.explainer is None or not predicted:
        return []
    problems = []
    with progress("Explaining lesions", len(predicted)) as advance:
        for case in predicted:
            problem = batch.explainer.explain(predictor, work, case)
            problems += [problem] if problem else []
            advance(failed=bool(problem))
    return problems


def _prepare(predictor: WholeScanPredictor, batch: Batch, processes: Processes) -> None:
    """Make the folder, with the descriptions that nnU-Net and others look for in it."""
    write_json(batch.output / "predict_from_raw_data_args.json", _arguments(batch, processes))
    write_json(batch.output / "dataset.json", predictor.dataset_json)
    write_json(batch.output / "plans.json", predictor.plans_manager.plans)


def _arguments(batch: Batch, processes: Processes) -> dict[str, Any]:
    """What nnU-Net notes of a prediction, by the names of its arguments."""
    return {
        "list_of_lists_or_source_folder": batch.origin.source if batch.origin else str(batch.source),
        "output_folder_or_list_of_truncated_output_files": str(batch.output),
        "save_probabilities": batch.save_probabilities,
        "overwrite": batch.overwrite,
        "num_processes_preprocessing": processes.preprocessing,
        "num_processes_segmentation_export": processes.export,
        "folder_with_segs_from_prev_stage": batch.previous_stage and str(batch.previous_stage),
        "num_parts": batch.num_parts,
        "part_id": batch.part_id,
    }
