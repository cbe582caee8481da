"""An evaluation as JSON: everything measured, and its summary for other readers.

JSON knows neither NaN nor infinity: undefined numbers are null, infinite ones the text "Infinity".
docs/evaluation.md describes the layout.
"""

from __future__ import annotations

import json
import math
from collections.abc import Mapping, Sequence
from dataclasses import asdict, is_dataclass
from pathlib import Path
from typing import Any

from nnunetv2_raemd.errors import UserError
from nnunetv2_raemd.evaluation.case_results import (
    Candidate,
    CaseResult,
    Evaluation,
    FalseLesion,
    Lesion,
    Problem,
    SystemResult,
    TargetResult,
)
from nnunetv2_raemd.evaluation.summary import Summary
from nnunetv2_raemd.nnunet_files.label_set import LabelSet, Target
from nnunetv2_raemd.whole_files import write_text

FORMAT = "nnunetv2-raemd evaluation, version 1"


def save_results(evaluation: Evaluation, summary: Summary, file: Path) -> None:
    """Write both whole or not at all.

    Raises:
        UserError: if the file cannot be written.
    """
    content = {"format": FORMAT, **_plain(evaluation), "summary": _plain(summary)}
    write_text(file, json.dumps(content, indent=1, allow_nan=False, ensure_ascii=False) + "\n")


def load_results(file: Path) -> Evaluation:
    """The evaluation that `save_results` wrote; `summary.summarize` gives its summary again.

    Raises:
        UserError: if the file is absent or holds no such evaluation.
    """
    try:
        content = json.loads(file.read_text(encoding="utf-8"))
    except FileNotFoundError as error:
        raise UserError(f"{file} does not exist: run raemd evaluate first") from error
    except (OSError, ValueError) as error:
        raise UserError(f"{file} cannot be read: {error}") from error
    if not isinstance(content, dict) or content.get("format") != FORMAT:
        raise UserError(f"{file} was not written by this version's raemd evaluate: run it again")
    try:
        return _evaluation(content)
    except (KeyError, TypeError, ValueError, AttributeError) as error:
        raise UserError(f"{file} is incomplete ({error!r}): run raemd evaluate again") from error


def _plain(value: Any) -> Any:
    """What JSON can hold of a dataclass, mapping, sequence, path or number."""
    if is_dataclass(value) and not isinstance(value, type):
        value = asdict(value)
    if isinstance(value, Mapping):
        return {key: _plain(item) for key, item in value.items()}
    if isinstance(value, Sequence) and not isinstance(value, str):
        return [_plain(item) for item in value]
    if isinstance(value, float) and not math.isfinite(value):
        return None if math.isnan(value) else ("Infinity" if value > 0 else "-Infinity")
    return str(value) if isinstance(value, Path) else value


def _number(value: Any) -> float:
    if isinstance(value, int):  # counts stay whole
        return value
    return math.nan if value is None else float(value)


def _evaluation(content: Any) -> Evaluation:
    targets = tuple(Target(t["name"], tuple(t["values"])) for t in content["labels"]["targets"])
    labels = LabelSet(targets, content["labels"]["ignore_label"])
    systems = tuple(
        SystemResult(
            system["name"],
            tuple(_case(case) for case in system["cases"]),
            tuple(Problem(**problem) for problem in system["problems"]),
        )
        for system in content["systems"]
    )
    return Evaluation(labels, systems, content["settings"])


def _case(case: Any) -> CaseResult:
    depth, height, width = case["shape"]
    z, y, x = case["spacing_mm"]
    return CaseResult(
        case["case_id"],
        case["fold"],
        Path(case["prediction"]),
        Path(case["reference"]),
        (depth, height, width),
        (z, y, x),
        {name: _target(target) for name, target in case["targets"].items()},
    )


def _target(target: Any) -> TargetResult:
    candidates = target["candidates"]
    return TargetResult(
        {key: _number(value) for key, value in target["metrics"].items()},
        tuple(_lesion(lesion) for lesion in target["lesions"]),
        tuple(FalseLesion(f["volume_mm3"], _place(f)) for f in target["false_lesions"]),
        None
        if candidates is None
        else tuple(Candidate(c["score"], _place(c), tuple(c["lesions"])) for c in candidates),
    )


def _lesion(lesion: Any) -> Lesion:
    return Lesion(
        lesion["volume_mm3"],
        _place(lesion),
        lesion["detected"],
        _number(lesion["dice"]),
        lesion["pieces"],
        _number(lesion["continuity"]),
    )


def _place(item: Any) -> tuple[float, float, float]:
    z, y, x = item["centre"]
    return z, y, x
