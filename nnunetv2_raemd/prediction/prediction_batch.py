"""A folder of scans through a predictor: what cannot be predicted is left out and told of at the end."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Protocol

import numpy as np
import torch
from batchgenerators.utilities.file_and_folder_operations import save_json
from nnunetv2.inference.predict_from_raw_data import nnUNetPredictor

from nnunetv2_raemd.confidence.rated_lesions import NOTHING_PROMISED, Promise
from nnunetv2_raemd.errors import UserError
from nnunetv2_raemd.execution.progress import progress
from nnunetv2_raemd.nnunet_files.label_set import labels_of
from nnunetv2_raemd.nnunet_files.segmentation_file import SIMPLE_ITK
from nnunetv2_raemd.prediction.case_work import CaseWork
from nnunetv2_raemd.prediction.input_cases import InputCase, find_cases, input_format, problem_with
from nnunetv2_raemd.prediction.lesion_lists import LesionLister, list_all, lister_for
from nnunetv2_raemd.prediction.pass_spread import PassSpread
from nnunetv2_raemd.prediction.pipeline import Pipeline, Processes
from nnunetv2_raemd.prediction.predictor import WholeScanPredictor, uncompiled
from nnunetv2_raemd.prediction.sliced_network import SlicedNetwork


class Explainer(Protocol):
    """Explains the lesions of a predicted scan, beside its segmentation."""

    def explain(self, predictor: nnUNetPredictor, work: CaseWork, case: InputCase) -> str | None:
        """Do so, and return what went wrong."""


@dataclass(frozen=True)
class Batch:
    """What to predict, and where to; named as in nnU-Net's predictor.

    Attributes:
        previous_stage: predictions of the previous stage, for a cascade and only for it.
        overwrite: whether to predict again what is predicted already.
        lungs: whether to predict what lies round the lungs only, of CT.
        promise: what the list of lesions shall keep.
        uncertainty: whether to write maps of it, too.
        explainer: looks at the lesions of each scan again, once all are predicted.
        part_id: which of `num_parts` shares of the cases.
    """

    source: Path
    output: Path
    previous_stage: Path | None = None
    save_probabilities: bool = False
    overwrite: bool = True
    lungs: bool = False
    num_parts: int = 1
    part_id: int = 0
    promise: Promise = NOTHING_PROMISED
    uncertainty: bool = False
    explainer: Explainer | None = None


def predict_batch(predictor: nnUNetPredictor, batch: Batch, processes: Processes) -> None:
    """Predict all cases that can be.

    Raises:
        UserError: if there is nothing to predict, or a previous stage is missing or one too many, before work
            starts; if cases had to be left out, after all others are written.
    """
    if reasons := run_batch(predictor, batch, processes):
        raise UserError("not everything could be done:\n" + "\n".join(f"  {reason}" for reason in reasons))


def run_batch(predictor: nnUNetPredictor, batch: Batch, processes: Processes) -> list[str]:
    """Predict all cases that can be, and return why the others cannot, naming them.

    Raises:
        UserError: as `predict_batch`, before work starts.
    """
    _check_previous_stage(predictor, batch)
    if batch.lungs and (batch.uncertainty or batch.explainer):
        raise UserError("--uncertainty and --explain look at whole scans: leave out --lungs")
    if batch.uncertainty:
        _check_maps_can_be_made(predictor)
    reader = predictor.plans_manager.image_reader_writer_class.__name__
    expected = input_format(predictor.dataset_json, reader)
    cases = find_cases(batch.source, expected.file_ending)[batch.part_id :: batch.num_parts]
    lister = _lister(predictor, batch, reader)
    work = _work(predictor, batch, lister)
    missing = [case for case in cases if batch.overwrite or not work.is_done(case)]
    print(f"Cases: {len(cases)}, of which {len(cases) - len(missing)} are done already")
    problems = {case: problem_with(case, expected, batch.previous_stage) for case in missing}
    usable = [case for case, problem in problems.items() if problem is None]
    if batch.lungs and isinstance(predictor, WholeScanPredictor):
        predictor = predictor.with_fitting_tiles()
    network = _logits_and_spread if batch.uncertainty else _logits
    pipeline = Pipeline(work, lambda image: network(predictor, image), processes)
    if usable:
        _prepare(predictor, batch, processes)
        pipeline.run(usable)
    print(f"Segmentations written to {batch.output}: {pipeline.n_written}")
    reasons = [problem for problem in problems.values() if problem is not None] + pipeline.problems
    if lister is not None and batch.output.is_dir():
        reasons += list_all(lister, batch.output)
        reasons += _explained(predictor, batch, work, usable)
    return reasons


def _check_previous_stage(predictor: nnUNetPredictor, batch: Batch) -> None:
    previous = predictor.configuration_manager.previous_stage_name
    if previous is not None and batch.previous_stage is None:
        raise UserError(
            f"the model belongs to a cascade: predict with its configuration {previous} first, and give the "
            "folder of these predictions with -prev_stage_predictions"
        )
    if previous is None and batch.previous_stage is not None:
        raise UserError("the model does not belong to a cascade: leave out -prev_stage_predictions")


def _lister(predictor: nnUNetPredictor, batch: Batch, reader: str) -> LesionLister | None:
    """What lists the lesions; of pictures and formats without a place in the patient, nothing does."""
    if reader != SIMPLE_ITK:
        if batch.promise.given:
            raise UserError("--false-positives and --sensitivity are for volumes that SimpleITKIO reads")
        return None
    folder = getattr(predictor, "model_folder", None)
    return lister_for(folder, labels_of(predictor.dataset_json), batch.promise)


def _work(predictor: nnUNetPredictor, batch: Batch, lister: LesionLister | None) -> CaseWork:
    return CaseWork(
        predictor.plans_manager,
        predictor.configuration_manager,
        predictor.dataset_json,
        batch.output,
        batch.previous_stage,
        save_probabilities=batch.save_probabilities,
        verbose=predictor.verbose_preprocessing,
        lungs=batch.lungs,
        lister=lister,
        uncertainty=batch.uncertainty,
    )


def _logits(predictor: nnUNetPredictor, image: np.ndarray) -> np.ndarray:
    logits: torch.Tensor = predictor.predict_logits_from_preprocessed_data(torch.from_numpy(image))
    return logits.numpy()


def _logits_and_spread(predictor: nnUNetPredictor, image: np.ndarray) -> np.ndarray:
    """The logits, and after them, in the same array, the maps of uncertainty."""
    predictor.spread = PassSpread(regions=predictor.label_manager.has_regions)
    logits = _logits(predictor, image)
    maps: torch.Tensor = predictor.spread.maps()
    return np.concatenate([logits, maps.to(torch.half).numpy()])


def _check_maps_can_be_made(predictor: nnUNetPredictor) -> None:
    if not isinstance(uncompiled(predictor.network), SlicedNetwork):
        raise UserError(
            "--uncertainty is for RAEMD-Net: other networks are predicted by nnU-Net's own sliding window, "
            "which does not show its passes"
        )
    reader = predictor.plans_manager.image_reader_writer_class.__name__
    if reader != SIMPLE_ITK:
        raise UserError("--uncertainty is for volumes that SimpleITKIO reads")


def _explained(
    predictor: nnUNetPredictor, batch: Batch, work: CaseWork, cases: Sequence[InputCase]
) -> list[str]:
    """Explain all cases that were predicted; returns what went wrong."""
    predicted = [case for case in cases if work.is_done(case)] if batch.explainer else []
    if batch.explainer is None or not predicted:
        return []
    problems = []
    with progress("Explaining lesions", len(predicted)) as advance:
        for case in predicted:
            problem = batch.explainer.explain(predictor, work, case)
            problems += [problem] if problem else []
            advance(failed=bool(problem))
    return problems


def _prepare(predictor: nnUNetPredictor, batch: Batch, processes: Processes) -> None:
    """Make the folder, with the descriptions that nnU-Net and others look for in it."""
    try:
        batch.output.mkdir(parents=True, exist_ok=True)
        save_json(_arguments(batch, processes), str(batch.output / "predict_from_raw_data_args.json"))
        save_json(predictor.dataset_json, str(batch.output / "dataset.json"), sort_keys=False)
        save_json(predictor.plans_manager.plans, str(batch.output / "plans.json"), sort_keys=False)
    except OSError as error:
        raise UserError(f"{batch.output} cannot be written to: {error}") from error


def _arguments(batch: Batch, processes: Processes) -> dict[str, Any]:
    """What nnU-Net notes of a prediction, by the names of its arguments."""
    return {
        "list_of_lists_or_source_folder": str(batch.source),
        "output_folder_or_list_of_truncated_output_files": str(batch.output),
        "save_probabilities": batch.save_probabilities,
        "overwrite": batch.overwrite,
        "num_processes_preprocessing": processes.preprocessing,
        "num_processes_segmentation_export": processes.export,
        "folder_with_segs_from_prev_stage": batch.previous_stage and str(batch.previous_stage),
        "num_parts": batch.num_parts,
        "part_id": batch.part_id,
    }
