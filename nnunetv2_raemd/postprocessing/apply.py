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
from nnunetv2_raemd.nnunet_files.dataset_json import read_dataset_json, reader_name
from nnunetv2_raemd.nnunet_files.label_set import LabelSet, labels_of
from nnunetv2_raemd.nnunet_files.probability_map import channel_of, read_probabilities
from nnunetv2_raemd.nnunet_files.segmentation_file import Labels, read_segmentation
from nnunetv2_raemd.nnunet_files.segmentation_folder import list_cases
from nnunetv2_raemd.postprocessing.postprocessing_steps import postprocess
from nnunetv2_raemd.postprocessing.settings_file import LabelSettings
from nnunetv2_raemd.volumes.boxes import Mask
from nnunetv2_raemd.whole_files import whole_file

DESCRIPTIONS = ("dataset.json", "plans.json")


@dataclass(frozen=True)
class PostprocessingJob:
    """Post-processing one case of a folder, as a job for a backend."""

    source: Path
    output: Path
    file_ending: str
    reader: str
    settings: tuple[LabelSettings, ...]
    labels: LabelSet
    region_order: tuple[int, ...] | None

    @property
    def needs_probabilities(self) -> bool:
        return any(label.settings.needs_probabilities for label in self.settings)

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
        UserError: if `source` holds no predictions of nnU-Net, or the settings are of other labels.
    """
    job = _job(source, output, settings)
    case_ids = list_cases(source, job.file_ending)
    output.mkdir(parents=True, exist_ok=True)
    for name in DESCRIPTIONS:
        if (source / name).is_file():
            with whole_file(output / name) as making:
                shutil.copyfile(source / name, making)
    return run_cases("Post-processing", job, case_ids, backend=backend)


def combine(
    segmentation: Labels,
    masks: Mapping[tuple[int, ...], tuple[Mask, Mask]],
    region_order: Sequence[int] | None,
) -> Labels:
    """The segmentation with each label's mask changed from the first of the pair to the second.

    Labels: what a label loses becomes background, what it wins was background. Regions: all are painted anew
    in nnU-Net's order (regions_class_order of dataset.json).
    """
    if region_order is not None:
        painted = np.zeros_like(segmentation)
        for value, (_, after) in zip(region_order, masks.values(), strict=True):
            painted[after] = value
        return painted
    result = segmentation.copy()
    for before, after in masks.values():
        result[before & ~after] = 0
    for (value, *_), (_, after) in masks.items():
        result[after & (result == 0)] = value
    return result


def _job(source: Path, output: Path, settings: Sequence[LabelSettings]) -> PostprocessingJob:
    description = read_dataset_json(source / "dataset.json")
    labels, ending = labels_of(description), str(description["file_ending"])
    case_ids = list_cases(source, ending)
    if not case_ids:
        raise UserError(f"{source} contains no prediction that ends with {ending}")
    if source.resolve() == output.resolve():
        raise UserError(f"{output} holds the predictions themselves: choose another folder for -o")
    by_values = {label.target.values: label for label in settings}
    missing = [target.name for target in labels.targets if target.values not in by_values]
    if missing or len(by_values) != len(labels.targets):
        raise UserError(
            f"the settings were chosen for other labels than those of {source / 'dataset.json'}: "
            "run raemd postprocess determine for it"
        )
    has_regions = any(len(target.values) > 1 for target in labels.targets)
    return PostprocessingJob(
        source,
        output,
        ending,
        reader_name(description, source / f"{case_ids[0]}{ending}"),
        tuple(by_values[target.values] for target in labels.targets),
        labels,
        tuple(description["regions_class_order"]) if has_regions else None,
    )


def _apply(case_id: str, job: PostprocessingJob) -> None:
    name = f"{case_id}{job.file_ending}"
    writer = recursive_find_reader_writer_by_name(job.reader)()
    found = read_segmentation(job.source / name, job.reader).labels
    if (about := job.labels.about_unknown_values(found, job.source / name)) is not None:
        raise UserError(about)
    _, properties = writer.read_seg(str(job.source / name))
    segmentation: Labels = found.astype(np.uint16 if found.max() > 255 else np.uint8)
    file = job.source / f"{case_id}.npz"
    if job.needs_probabilities and not file.is_file():
        raise UserError(f"{file} does not exist, but the settings use it: predict with --save_probabilities")
    maps = read_probabilities(file, segmentation.shape) if job.needs_probabilities else None
    masks = {}
    for label in job.settings:
        before = np.isin(segmentation, label.target.values)
        probability = channel_of(maps, job.labels, label.target)
        spacing_mm = tuple(float(mm) for mm in properties["spacing"])
        masks[label.target.values] = (
            before,
            postprocess(before, probability, spacing_mm=spacing_mm, settings=label.settings),
        )
    with whole_file(job.output / name) as making:
        writer.write_seg(combine(segmentation, masks, job.region_order), str(making), properties)
