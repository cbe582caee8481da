"""A folder of scans through a predictor: what cannot be predicted is left out and told of at the end."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import torch
from batchgenerators.utilities.file_and_folder_operations import save_json
from nnunetv2.inference.predict_from_raw_data import nnUNetPredictor

from nnunetv2_raemd.errors import UserError
from nnunetv2_raemd.prediction.case_work import CaseWork
from nnunetv2_raemd.prediction.input_cases import find_cases, input_format, problem_with
from nnunetv2_raemd.prediction.pipeline import Pipeline, Processes
from nnunetv2_raemd.prediction.predictor import WholeScanPredictor


@dataclass(frozen=True)
class Batch:
    """What to predict, and where to; named as in nnU-Net's predictor.

    Attributes:
        previous_stage: predictions of the previous stage, for a cascade and only for it.
        overwrite: whether to predict again what is predicted already.
        lungs: whether to predict what lies round the lungs only, of CT.
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


def predict_batch(predictor: nnUNetPredictor, batch: Batch, processes: Processes) -> None:
    """Predict all cases that can be.

    Raises:
        UserError: if there is nothing to predict, or a previous stage is missing or one too many, before work
            starts; if cases had to be left out, after all others are written.
    """
    if reasons := run_batch(predictor, batch, processes):
        raise UserError("not predicted:\n" + "\n".join(f"  {reason}" for reason in reasons))


def run_batch(predictor: nnUNetPredictor, batch: Batch, processes: Processes) -> list[str]:
    """Predict all cases that can be, and return why the others cannot, naming them.

    Raises:
        UserError: as `predict_batch`, before work starts.
    """
    _check_previous_stage(predictor, batch)
    reader = predictor.plans_manager.image_reader_writer_class.__name__
    expected = input_format(predictor.dataset_json, reader)
    cases = find_cases(batch.source, expected.file_ending)[batch.part_id :: batch.num_parts]
    work = _work(predictor, batch)
    missing = [case for case in cases if batch.overwrite or not work.is_done(case)]
    print(f"Cases: {len(cases)}, of which {len(cases) - len(missing)} are done already")
    problems = {case: problem_with(case, expected, batch.previous_stage) for case in missing}
    usable = [case for case, problem in problems.items() if problem is None]
    if batch.lungs and isinstance(predictor, WholeScanPredictor):
        predictor = predictor.with_fitting_tiles()
    pipeline = Pipeline(work, lambda image: _logits(predictor, image), processes)
    if usable:
        _prepare(predictor, batch, processes)
        pipeline.run(usable)
    print(f"Segmentations written to {batch.output}: {pipeline.n_written}")
    return [problem for problem in problems.values() if problem is not None] + pipeline.problems


def _check_previous_stage(predictor: nnUNetPredictor, batch: Batch) -> None:
    previous = predictor.configuration_manager.previous_stage_name
    if previous is not None and batch.previous_stage is None:
        raise UserError(
            f"the model belongs to a cascade: predict with its configuration {previous} first, and give the "
            "folder of these predictions with -prev_stage_predictions"
        )
    if previous is None and batch.previous_stage is not None:
        raise UserError("the model does not belong to a cascade: leave out -prev_stage_predictions")


def _work(predictor: nnUNetPredictor, batch: Batch) -> CaseWork:
    return CaseWork(
        predictor.plans_manager,
        predictor.configuration_manager,
        predictor.dataset_json,
        batch.output,
        batch.previous_stage,
        save_probabilities=batch.save_probabilities,
        verbose=predictor.verbose_preprocessing,
        lungs=batch.lungs,
    )


def _logits(predictor: nnUNetPredictor, image: np.ndarray) -> np.ndarray:
    logits: torch.Tensor = predictor.predict_logits_from_preprocessed_data(torch.from_numpy(image))
    return logits.numpy()


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
