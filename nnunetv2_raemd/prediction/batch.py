"""A folder of scans through a predictor: what cannot be predicted is left out and told of at the end."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from nnunetv2_raemd.errors import UserError
from nnunetv2_raemd.prediction.input_cases import (
    InputCase,
    as_nnunet_lists,
    find_cases,
    input_format,
    problem_with,
)
from nnunetv2_raemd.prediction.predictor import WholeScanPredictor


@dataclass(frozen=True)
class Batch:
    """What to predict, and where to; named as in nnU-Net's predictor.

    Attributes:
        previous_stage: predictions of the previous stage, for a cascade and only for it.
        part_id: which of `num_parts` shares of the cases.
    """

    source: Path
    output: Path
    previous_stage: Path | None = None
    save_probabilities: bool = False
    overwrite: bool = True
    num_parts: int = 1
    part_id: int = 0


@dataclass(frozen=True)
class Processes:
    """Worker processes beside the one with the network; with none at all, it does their work."""

    preprocessing: int
    export: int


def predict_batch(predictor: WholeScanPredictor, batch: Batch, processes: Processes) -> None:
    """Predict all cases that can be.

    Raises:
        UserError: if there is nothing to predict, or a previous stage is missing or one too many, before work
            starts; if cases had to be left out, after all others are written.
    """
    _check_previous_stage(predictor, batch)
    reader = predictor.plans_manager.image_reader_writer_class.__name__
    expected = input_format(predictor.dataset_json, reader)
    cases = find_cases(batch.source, expected.file_ending)[batch.part_id :: batch.num_parts]
    problems = {case: problem_with(case, expected, batch.previous_stage) for case in cases}
    usable = [case for case, problem in problems.items() if problem is None]
    predictor.left_out = [problem for problem in problems.values() if problem is not None]
    if usable:
        batch.output.mkdir(parents=True, exist_ok=True)
        _predict(predictor, batch, usable, processes)
    if predictor.left_out:
        raise UserError("not predicted were\n" + "\n".join(f"  {reason}" for reason in predictor.left_out))


def _check_previous_stage(predictor: WholeScanPredictor, batch: Batch) -> None:
    previous = predictor.configuration_manager.previous_stage_name
    if previous is not None and batch.previous_stage is None:
        raise UserError(
            f"the model is of a cascade: predict with its configuration {previous} first, and give the "
            "folder of these predictions with -prev_stage_predictions"
        )
    if previous is None and batch.previous_stage is not None:
        raise UserError("the model is of no cascade: leave out -prev_stage_predictions")


def _predict(
    predictor: WholeScanPredictor, batch: Batch, cases: list[InputCase], processes: Processes
) -> None:
    images, outputs = as_nnunet_lists(cases, batch.output)
    shared = {
        "save_probabilities": batch.save_probabilities,
        "overwrite": batch.overwrite,
        "folder_with_segs_from_prev_stage": batch.previous_stage and str(batch.previous_stage),
    }
    if processes.preprocessing == processes.export == 0:
        for case, image, output in zip(cases, images, outputs, strict=True):
            try:
                predictor.predict_from_files_sequential([image], [output], **shared)
            except Exception as error:  # one bad case must not end a run of hundreds
                predictor.left_out.append(f"{case.case_id}: {' '.join(str(error).split())}")
        return
    predictor.predict_from_files(
        images,
        outputs,
        num_processes_preprocessing=max(1, processes.preprocessing),
        num_processes_segmentation_export=max(1, processes.export),
        **shared,
    )
