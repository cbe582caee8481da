"""Choose the post-processing of every label on predictions whose references are known."""

from __future__ import annotations

import tempfile
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
from rich.console import Console
from rich.progress import track

from nnunetv2_raemd.errors import UserError
from nnunetv2_raemd.evaluation.case_evaluation import CaseFiles
from nnunetv2_raemd.evaluation.folders import Material, case_files
from nnunetv2_raemd.evaluation.results import LabelSet, Problem
from nnunetv2_raemd.postprocessing.case_maps import CaseMap, read_case_maps
from nnunetv2_raemd.postprocessing.choices import Objective
from nnunetv2_raemd.postprocessing.objective import score
from nnunetv2_raemd.postprocessing.processes import Map, parallel_map
from nnunetv2_raemd.postprocessing.search import search
from nnunetv2_raemd.postprocessing.settings_file import LabelSettings
from nnunetv2_raemd.postprocessing.steps import Postprocessing, postprocess


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
    with tempfile.TemporaryDirectory() as scratch, parallel_map(workers) as run:
        prepare = partial(
            _prepare, labels=material.labels, folder=Path(scratch), with_probabilities=with_probabilities
        )
        outcomes = list(_tracked(run(prepare, cases), "Reading cases", len(cases)))
        problems = tuple(outcome for outcome in outcomes if isinstance(outcome, Problem))
        case_ids = tuple(outcome for outcome in outcomes if isinstance(outcome, str))
        if not case_ids:
            reason = problems[0].reason if problems else f"{material.reference.path} holds none"
            raise UserError(f"there is no case to choose a post-processing on: {reason}")
        labels = []
        for target in material.labels.targets:
            position = material.labels.targets.index(target)
            files = [_map_file(Path(scratch), case_id, position) for case_id in case_ids]
            score_all = partial(_score_all, files=files, objective=objective, run=run, label=target.name)
            chosen, trials = search(score_all, with_probabilities=with_probabilities)
            labels.append(LabelSettings(target, chosen, tuple(trials)))
    return Determined(labels, case_ids, with_probabilities, problems)


def _map_file(folder: Path, case_id: str, position: int) -> Path:
    """Where a label's map is kept; by its position, for its name may hold what a file's may not."""
    return folder / f"{case_id}__{position}.npz"


def _prepare(case: CaseFiles, *, labels: LabelSet, folder: Path, with_probabilities: bool) -> str | Problem:
    """Write the maps of a case; its name, or why it cannot be used."""
    try:
        maps = read_case_maps(case, labels, with_probabilities=with_probabilities)
    except UserError as error:
        return Problem(case.case_id, case.fold, str(error))
    for position, target in enumerate(labels.targets):
        maps[target.name].save(_map_file(folder, case.case_id, position))
    return case.case_id


def _score_all(
    candidates: Sequence[Postprocessing], *, files: Sequence[Path], objective: Objective, run: Map, label: str
) -> np.ndarray:
    scores = run(partial(_scores, candidates=candidates, objective=objective), files)
    step = f"Trying {len(candidates)} settings for {label}"
    return np.array(list(_tracked(scores, step, len(files)))).T


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


def _tracked(outcomes: Iterator[Any], description: str, total: int) -> Iterator[Any]:
    return iter(track(outcomes, description, total, console=Console(stderr=True), transient=True))
