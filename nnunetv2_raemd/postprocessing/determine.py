"""Choose the post-processing of every label on predictions whose references are known."""

from __future__ import annotations

import tempfile
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from pathlib import Path

import numpy as np

from nnunetv2_raemd.counted import counted
from nnunetv2_raemd.errors import UserError
from nnunetv2_raemd.evaluation.case_evaluation import CaseFiles
from nnunetv2_raemd.evaluation.case_results import Problem
from nnunetv2_raemd.evaluation.systems import Material, case_files
from nnunetv2_raemd.execution.local_processes import Map, process_map
from nnunetv2_raemd.execution.progress import progress
from nnunetv2_raemd.nnunet_files.label_set import LabelSet
from nnunetv2_raemd.postprocessing.case_jobs import run_on_cases
from nnunetv2_raemd.postprocessing.case_maps import CaseMap, read_case_maps
from nnunetv2_raemd.postprocessing.objective import score
from nnunetv2_raemd.postprocessing.postprocessing_choices import Objective
from nnunetv2_raemd.postprocessing.postprocessing_steps import Postprocessing, postprocess
from nnunetv2_raemd.postprocessing.search import search
from nnunetv2_raemd.postprocessing.settings_file import LabelSettings


@dataclass(frozen=True)
class Determined:
    """The settings of every label, the cases they were chosen on, and those that could not be read."""

    labels: list[LabelSettings]
    case_ids: tuple[str, ...]
    with_probabilities: bool
    problems: tuple[Problem, ...]


def determine(material: Material, objective: Objective, *, workers: int = 1) -> Determined:
    """Search the settings of each label on all cases of the one system in `material`.

    Probability maps are used where every case has one. Cases are cut to their lesions and kept in a temporary
    folder, so that the search reads little and holds one case a worker in memory.

    Raises:
        UserError: if no case can be read.
    """
    cases = case_files(material.systems[0], material.reference)
    with_probabilities = all(case.probabilities.is_file() for case in cases)
    with tempfile.TemporaryDirectory() as scratch, process_map(workers) as run:
        job = PreparationJob(material.labels, Path(scratch), with_probabilities)
        case_ids, problems = run_on_cases("Reading cases", job, cases, workers=workers)
        if not case_ids:
            reason = problems[0].reason if problems else f"{material.reference.path} holds none"
            raise UserError(f"there are no cases to choose post-processing from: {reason}")
        labels = []
        for target in material.labels.targets:
            position = material.labels.targets.index(target)
            files = [_map_file(Path(scratch), case_id, position) for case_id in case_ids]
            score_all = partial(_score_all, files=files, objective=objective, run=run, label=target.name)
            chosen, trials = search(score_all, with_probabilities=with_probabilities)
            labels.append(LabelSettings(target, chosen, tuple(trials)))
    return Determined(labels, tuple(case_ids), with_probabilities, tuple(problems))


def _map_file(folder: Path, case_id: str, position: int) -> Path:
    """Where a label's map is kept; by its position, for its name may hold what a file's may not."""
    return folder / f"{case_id}__{position}.npz"


@dataclass(frozen=True)
class PreparationJob:
    """Writing the maps of a case to `folder`, as a job for a backend."""

    labels: LabelSet
    folder: Path
    with_probabilities: bool

    def __call__(self, case: CaseFiles, /) -> str | Problem:
        try:
            maps = read_case_maps(case, self.labels, with_probabilities=self.with_probabilities)
        except UserError as error:
            return Problem(case.case_id, case.fold, str(error))
        for position, target in enumerate(self.labels.targets):
            maps[target.name].save(_map_file(self.folder, case.case_id, position))
        return case.case_id

    def sees(self, case: CaseFiles, /) -> Mapping[str, object]:
        return {str(file): file.exists() for file in (self.folder, case.reference, case.prediction)}

    def gave_up(self, case: CaseFiles, reason: str, /) -> str | Problem:
        return Problem(case.case_id, case.fold, f"{case.prediction}: {reason}")


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
