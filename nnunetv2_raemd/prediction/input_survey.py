"""What a folder of scans shows before torch and the model are loaded."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

from nnunetv2_raemd.errors import UserError
from nnunetv2_raemd.namesakes import check_told_apart
from nnunetv2_raemd.prediction.batch_request import Batch
from nnunetv2_raemd.prediction.input_cases import (
    InputCase,
    check_channels,
    check_names,
    find_cases,
    images_of_other_formats,
    input_format,
    lie_on_one_grid,
    other_files,
)
from nnunetv2_raemd.prediction.scan_orientation import (
    TURNED_READERS,
    about_turning,
    is_ct,
    orientation_of,
    orientation_to_turn_to,
    orientations_of_training,
)

_SHOWN = 10


@dataclass
class Survey:
    """The cases of a folder.

    Attributes:
        n_done: cases that are predicted already.
        usable: those to predict.
        problems: why others cannot be, naming the file.
        remarks: what was assumed, changed or left alone.
    """

    n_cases: int = 0
    n_done: int = 0
    usable: list[InputCase] = field(default_factory=list)
    problems: list[str] = field(default_factory=list)
    remarks: list[str] = field(default_factory=list)

    def described(self) -> str:
        """How many cases there are, and the remarks, a line each."""
        counts = f"Cases: {self.n_cases}, of which {self.n_done} are done already"
        return "\n".join([counts, *(f"Remark: {remark}" for remark in self.remarks)])


def survey_input(batch: Batch, plans: Mapping[str, Any], dataset_json: Mapping[str, Any]) -> Survey:
    """Look at names and headers of all images; no voxel is read.

    Args:
        plans, dataset_json: of the model.

    Raises:
        UserError: if the folder holds no image of the model's format, or results would overwrite each other.
    """
    expected = input_format(dict(dataset_json), str(plans["image_reader_writer"]))
    all_cases = find_cases(batch.source, expected.file_ending)
    check_told_apart(batch.output, [case.case_id for case in all_cases])
    cases = all_cases[batch.part_id :: batch.num_parts]
    missing = [c for c in cases if batch.overwrite or not batch.is_done(c.case_id, expected.file_ending)]
    found = Survey(len(cases), len(cases) - len(missing))
    training = _training_orientations(plans, expected.file_ending, expected.reader)
    for case in missing:
        try:
            check_names(case, expected, batch.previous_stage)
            headers = check_channels(case, expected)
        except UserError as error:
            found.problems.append(str(error))
            continue
        if not lie_on_one_grid(headers):
            found.remarks.append(f"{case.case_id}: its channels differ in origin or direction")
        stored = orientation_of(headers[0]) if expected.reader in TURNED_READERS else None
        turn_to = orientation_to_turn_to(stored, training, is_ct=is_ct(dataset_json))
        if turn_to is not None:
            found.remarks.append(f"{case.case_id}: {about_turning(stored, turn_to, training)}")
        found.usable.append(replace(case, turn_to=turn_to))
    found.problems += images_of_other_formats(batch.source, expected.file_ending)
    if others := other_files(batch.source, all_cases):
        more = f" and {len(others) - _SHOWN} more" if len(others) > _SHOWN else ""
        found.remarks.append(f"{batch.source} also holds {', '.join(others[:_SHOWN])}{more}: left alone")
    return found


def check_previous_stage(previous: str | None, batch: Batch) -> None:
    """Raise a `UserError` unless predictions of a previous stage are given to a cascade and only to one.

    Args:
        previous: the configuration of the previous stage; None without a cascade.
    """
    if previous is not None and batch.previous_stage is None:
        raise UserError(
            f"the model belongs to a cascade: predict with its configuration {previous} first, and give the "
            "folder of these predictions with -prev_stage_predictions"
        )
    if previous is None and batch.previous_stage is not None:
        raise UserError("the model does not belong to a cascade: leave out -prev_stage_predictions")


def raise_left_out(problems: Sequence[str]) -> None:
    """Raise a `UserError` that names what was not predicted, if there is anything."""
    if problems:
        raise UserError("not everything could be done:\n" + "\n".join(f"  {problem}" for problem in problems))


def _training_orientations(plans: Mapping[str, Any], file_ending: str, reader: str) -> Counter[str]:
    from nnunetv2.paths import nnUNet_preprocessed, nnUNet_raw  # noqa: PLC0415 - reads the environment

    name = str(plans.get("dataset_name", ""))
    folders = [
        Path(str(parent)) / name / part
        for parent, part in ((nnUNet_preprocessed, "gt_segmentations"), (nnUNet_raw, "labelsTr"))
        if parent.get() and name
    ]
    return orientations_of_training(folders, file_ending, reader)
