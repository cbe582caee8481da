"""The evaluation that a report shows: that of `raemd evaluate` where it is up to date, else a new one."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path

from nnunetv2_raemd.errors import UserError
from nnunetv2_raemd.evaluation.case_evaluation import CaseFiles
from nnunetv2_raemd.evaluation.case_results import Evaluation, SystemResult
from nnunetv2_raemd.evaluation.cross_validation import find_cross_validation
from nnunetv2_raemd.evaluation.evaluation_exports import RESULTS, write_files
from nnunetv2_raemd.evaluation.evaluation_json import load_results
from nnunetv2_raemd.evaluation.summary import summarize
from nnunetv2_raemd.evaluation.surface_distances import has_monai
from nnunetv2_raemd.evaluation.systems import Material, case_files, evaluate_folders
from nnunetv2_raemd.nnunet_files.dataset_folders import NnunetDataset
from nnunetv2_raemd.nnunet_files.trained_models import TrainedModel


@dataclass(frozen=True)
class Evaluated:
    """An evaluation and the files that it is of.

    Attributes:
        raw: nnUNet_raw/DATASET, where the images are.
        origin: how it came about, in a sentence or two.
    """

    evaluation: Evaluation
    material: Material
    raw: Path
    origin: str

    def files_of(self, case_id: str) -> dict[str, CaseFiles]:
        """The files of a case, by system, of the systems that it was evaluated for."""
        evaluated = {system.name for system in self.evaluation.systems if case_id in _case_ids(system)}
        return {
            system.name: files
            for system in self.material.systems
            if system.name in evaluated
            for files in case_files(system, self.material.reference)
            if files.case_id == case_id
        }


def evaluate_models(
    dataset: NnunetDataset, models: Sequence[TrainedModel], *, workers: int = 1
) -> Evaluated | None:
    """Read or make the evaluation of all folds that are validated; None where no fold is.

    A new evaluation is saved as `raemd evaluate` would, unless there is another one already.

    Raises:
        UserError: if there are no references.
    """
    material = _material(dataset, models)
    if material is None:
        return None
    evaluation, origin = _read_or_evaluate(material, workers)
    return Evaluated(evaluation, material, dataset.raw, origin)


def _read_or_evaluate(material: Material, workers: int) -> tuple[Evaluation, str]:
    saved = material.output / RESULTS
    exists = saved.exists()
    try:
        return _saved_evaluation(saved, material), f"Read from {saved.parent.name}/{saved.name}."
    except UserError as error:
        reason = str(error)
    evaluation = evaluate_folders(material.systems, material.reference, material.labels, workers=workers)
    if exists:
        return evaluation, f"Evaluated for this report alone, because {reason}."
    write_files(evaluation, summarize(evaluation), material.output)
    return evaluation, f"Evaluated, and saved in {material.output.name}."


def _material(dataset: NnunetDataset, models: Sequence[TrainedModel]) -> Material | None:
    """Each model with the folds that it has, which may be others than the next model's."""
    found = [
        (model.name, find_cross_validation(dataset, [model.folder.name], model.validated_folds))
        for model in models
        if model.validated_folds
    ]
    if not found:
        return None
    systems = tuple(replace(material.systems[0], name=name) for name, material in found)
    return replace(found[0][1], systems=systems)


def _saved_evaluation(file: Path, material: Material) -> Evaluation:
    """The saved evaluation of the material's systems; `UserError` if it is not of them as they are now."""
    saved = load_results(file)
    if saved.labels != material.labels:
        raise UserError(f"{file} was made for other labels")
    if saved.settings.get("surface_distances") == str(False) and has_monai():
        raise UserError(f"{file} has no HD95 and ASSD")
    written = file.stat().st_mtime
    systems = []
    for system in material.systems:
        try:
            result = saved.system(system.name)
        except KeyError as error:
            raise UserError(f"{file} holds no {system.name}") from error
        _check_up_to_date(result, case_files(system, material.reference), written, file)
        systems.append(result)
    return replace(saved, systems=tuple(systems))


def _check_up_to_date(result: SystemResult, files: Sequence[CaseFiles], written: float, file: Path) -> None:
    expected = {(case.case_id, case.fold) for case in files}
    evaluated = {(case.case_id, case.fold) for case in result.cases}
    known = evaluated | {(problem.case_id, problem.fold) for problem in result.problems}
    if not evaluated <= expected <= known:
        raise UserError(f"{file} was made from other folds or cases of {result.name}")
    present = (path for case in files for path in (case.prediction, case.reference) if path.is_file())
    if any(path.stat().st_mtime > written for path in present):
        raise UserError(f"{file} is older than predictions of {result.name} or their references")


def _case_ids(system: SystemResult) -> set[str]:
    return {case.case_id for case in system.cases}
