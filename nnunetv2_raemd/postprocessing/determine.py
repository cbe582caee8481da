"""Choose the post-processing of every label on predictions whose references are known."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from pathlib import Path

import numpy as np

from nnunetv2_raemd.counted import counted
from nnunetv2_raemd.errors import UserError
from nnunetv2_raemd.evaluation.case_evaluation import CaseFiles
from nnunetv2_raemd.evaluation.lesion_matching import lesion_metrics, match_lesions
from nnunetv2_raemd.evaluation.overlap import count_overlap, overlap_metrics
from nnunetv2_raemd.evaluation.systems import (
    Material,
    about_shared_patients,
    case_files,
    check_none_trained_on,
)
from nnunetv2_raemd.execution.backend import Backend
from nnunetv2_raemd.execution.backend_choice import ordered_map
from nnunetv2_raemd.execution.case_batch import Failed, failures, run_cases
from nnunetv2_raemd.execution.local_processes import HERE, Map
from nnunetv2_raemd.execution.progress import progress
from nnunetv2_raemd.nnunet_files.label_set import LabelSet
from nnunetv2_raemd.postprocessing.case_maps import CaseMap, read_case_maps
from nnunetv2_raemd.postprocessing.postprocessing_choices import Objective
from nnunetv2_raemd.postprocessing.postprocessing_steps import Postprocessing, postprocess
from nnunetv2_raemd.postprocessing.search import search
from nnunetv2_raemd.postprocessing.settings_file import LabelSettings
from nnunetv2_raemd.volumes.boxes import Mask
from nnunetv2_raemd.volumes.components import find_components
from nnunetv2_raemd.whole_files import folder_in_the_making


@dataclass(frozen=True)
class Determined:
    """The settings of every label, the cases they were chosen on, those that cannot be read, and remarks."""

    labels: list[LabelSettings]
    case_ids: tuple[str, ...]
    with_probabilities: bool
    failed: tuple[Failed, ...]
    remarks: tuple[str, ...]


def determine(
    material: Material, objective: Objective, *, scratch: Path, backend: Backend = HERE
) -> Determined:
    """Search the settings of each label on all cases of the one system in `material`.

    Probability maps are used where every case has one. Cases are cut to their lesions and kept in a temporary
    folder, so that the search reads little and holds one case a worker in memory.

    Args:
        scratch: folder that exists, in which the temporary one is made; the backend's workers must see it.

    Raises:
        UserError: if no case can be read, or one of them was trained on.
    """
    check_none_trained_on(material.systems[0])
    cases = case_files(material.systems[0], material.reference)
    with_probabilities = all(case.probabilities.is_file() for case in cases)
    with folder_in_the_making(scratch) as folder, ordered_map(backend) as run:
        job = PreparationJob(material.labels, folder, with_probabilities)
        outcomes = run_cases("Reading cases", job, cases, backend=backend)
        case_ids, failed = [one for one in outcomes if isinstance(one, str)], failures(outcomes)
        if not case_ids:
            reason = failed[0] if failed else f"{material.reference.path} holds none"
            raise UserError(f"there are no cases to choose post-processing from: {reason}")
        labels = []
        for target in material.labels.targets:
            position = material.labels.targets.index(target)
            files = [_map_file(folder, case_id, position) for case_id in case_ids]
            score_all = partial(_score_all, files=files, objective=objective, run=run, label=target.name)
            chosen, trials = search(score_all, with_probabilities=with_probabilities)
            labels.append(LabelSettings(target, chosen, tuple(trials)))
    remarks = tuple(about_shared_patients(material.systems[0]))
    return Determined(labels, tuple(case_ids), with_probabilities, tuple(failed), remarks)


def _map_file(folder: Path, case_id: str, position: int) -> Path:
    """Where a label's map is kept; by its position, for its name may hold what a file's may not."""
    return folder / f"{case_id}__{position}.npz"


@dataclass(frozen=True)
class PreparationJob:
    """Writing the maps of a case to `folder`, as a job for a backend."""

    labels: LabelSet
    folder: Path
    with_probabilities: bool

    def __call__(self, case: CaseFiles, /) -> str:
        maps = read_case_maps(case, self.labels, with_probabilities=self.with_probabilities)
        for position, target in enumerate(self.labels.targets):
            maps[target.name].save(_map_file(self.folder, case.case_id, position))
        return case.case_id

    def case_id(self, case: CaseFiles, /) -> str:
        return case.case_id

    def sees(self, case: CaseFiles, /) -> Mapping[str, object]:
        return {str(file): file.exists() for file in (self.folder, case.reference, case.prediction)}


def _score_all(
    candidates: Sequence[Postprocessing], *, files: Sequence[Path], objective: Objective, run: Map, label: str
) -> np.ndarray:
    scores = []
    with progress(f"Trying {counted(len(candidates), 'setting')} for {label}", len(files)) as advance:
        for found in run(partial(_scores, candidates=candidates, objective=objective), files):
            scores.append(found)
            advance()
    return np.array(scores).T


def _scores(file: Path, *, candidates: Sequence[Postprocessing], objective: Objective) -> list[float]:
    """The objective of one case under each of the settings."""
    case = CaseMap.load(file)
    return [
        score(
            case.reference,
            postprocess(case.predicted, case.probability, spacing_mm=case.spacing_mm, settings=settings),
            objective,
        )
        for settings in candidates
    ]


def score(reference: Mask, prediction: Mask, objective: Objective) -> float:
    """The objective of one case, 0 to 1: Dice, or the mean of Dice and the F1 of whole lesions.

    A case without a lesion in which none is predicted is right: it scores 1, where the metrics are NaN.
    """
    counts = count_overlap(reference, prediction, n_voxels=reference.size)
    dice = _one_where_undefined(overlap_metrics(counts, voxel_mm3=1)["dice"])
    if objective is Objective.DICE:
        return dice
    lesions = match_lesions(find_components(reference), find_components(prediction), voxel_mm3=1)
    return (dice + _one_where_undefined(lesion_metrics(*lesions)["lesion_f1"])) / 2


def _one_where_undefined(value: float) -> float:
    return 1.0 if math.isnan(value) else value
