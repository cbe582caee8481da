"""Apply chosen settings to a folder of nnU-Net's predictions."""

from __future__ import annotations

import shutil
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from nnunetv2.imageio.reader_writer_registry import recursive_find_reader_writer_by_name

from nnunetv2_raemd.errors import UserError
from nnunetv2_raemd.execution.backend import Backend
from nnunetv2_raemd.execution.case_batch import Failed, run_cases
from nnunetv2_raemd.execution.local_processes import HERE
from nnunetv2_raemd.namesakes import check_told_apart
from nnunetv2_raemd.nnunet_files.dataset_json import read_dataset_json, reader_name
from nnunetv2_raemd.nnunet_files.image_writing import check_was_written
from nnunetv2_raemd.nnunet_files.probability_agreement import AgreementCheck, Segmented
from nnunetv2_raemd.nnunet_files.probability_map import ProbabilityMaps, read_probabilities
from nnunetv2_raemd.nnunet_files.segmentation_file import Labels, read_segmentation
from nnunetv2_raemd.nnunet_files.segmentation_folder import list_cases
from nnunetv2_raemd.postprocessing.postprocessor import Postprocessor, postprocessor_for
from nnunetv2_raemd.postprocessing.settings_file import LabelSettings
from nnunetv2_raemd.whole_files import whole_file

DESCRIPTIONS = ("dataset.json", "plans.json")


@dataclass(frozen=True)
class PostprocessingJob:
    """Post-processing one case of a folder, as a job for a backend."""

    source: Path
    output: Path
    file_ending: str
    reader: str
    postprocessor: Postprocessor

    def __call__(self, case_id: str, /) -> str:
        _apply(case_id, self)
        return case_id

    def case_id(self, case_id: str, /) -> str:
        return case_id

    def sees(self, case_id: str, /) -> Mapping[str, object]:
        files = (self.source / f"{case_id}{self.file_ending}", self.output)
        return {str(file): file.exists() for file in files}


def apply_to_folder(
    source: Path, output: Path, settings: Sequence[LabelSettings], *, backend: Backend = HERE
) -> list[str | Failed]:
    """Write the post-processed segmentations of `source` to `output`, under the same names.

    Returns:
        the cases written, and those that failed.

    Raises:
        UserError: if `source` holds no predictions of nnU-Net, the settings are of other labels, or
            results would overwrite each other.
    """
    job = _job(source, output, settings)
    case_ids = list_cases(source, job.file_ending)
    check_told_apart(output, case_ids)
    output.mkdir(parents=True, exist_ok=True)
    for name in DESCRIPTIONS:
        if (source / name).is_file():
            with whole_file(output / name) as making:
                shutil.copyfile(source / name, making)
    return run_cases("Post-processing", job, case_ids, backend=backend)


def _job(source: Path, output: Path, settings: Sequence[LabelSettings]) -> PostprocessingJob:
    description = read_dataset_json(source / "dataset.json")
    ending = str(description["file_ending"])
    case_ids = list_cases(source, ending)
    if not case_ids:
        raise UserError(f"{source} contains no prediction that ends with {ending}")
    if source.resolve() == output.resolve():
        raise UserError(f"{output} holds the predictions themselves: choose another folder for -o")
    return PostprocessingJob(
        source,
        output,
        ending,
        reader_name(description, source / f"{case_ids[0]}{ending}"),
        postprocessor_for(settings, description, str(source / "dataset.json")),
    )


def _apply(case_id: str, job: PostprocessingJob) -> None:
    name = f"{case_id}{job.file_ending}"
    writer = recursive_find_reader_writer_by_name(job.reader)()
    found = read_segmentation(job.source / name, job.reader).labels
    job.postprocessor.labels.check_known(found, job.source / name)
    _, properties = writer.read_seg(str(job.source / name))
    segmentation: Labels = found.astype(np.uint16 if found.max() > 255 else np.uint8)
    file = job.source / f"{case_id}.npz"
    needs_probabilities = job.postprocessor.needs_probabilities
    if needs_probabilities and not file.is_file():
        raise UserError(f"{file} does not exist, but the settings use it: predict with --save_probabilities")
    maps = _maps(file, job.source / name, segmentation, job.postprocessor) if needs_probabilities else None
    spacing_mm = tuple(float(mm) for mm in properties["spacing"])
    processed = job.postprocessor(segmentation, maps, spacing_mm)
    with whole_file(job.output / name) as making:
        writer.write_seg(processed, str(making), properties)
        check_was_written(making)


def _maps(file: Path, segmentation: Path, labels: Labels, postprocessor: Postprocessor) -> ProbabilityMaps:
    """The maps of a segmentation (z, y, x); `UserError` if they cannot be its own."""
    z, y, x = labels.shape
    maps = read_probabilities(file, (z, y, x))
    agreement = AgreementCheck(maps, postprocessor.labels)
    for label in postprocessor.settings:
        if label.settings.needs_probabilities:
            mask = np.isin(labels, label.target.values)
            agreement.channel(Segmented(segmentation, label.target, mask))
    return maps
