"""An evaluation as JSON: everything measured, and its summary for other readers.

JSON knows neither NaN nor infinity: undefined numbers are null, infinite ones the text "Infinity".
docs/evaluation.md describes the layout.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import asdict, is_dataclass
from pathlib import Path
from typing import Any, Literal

from pydantic import ConfigDict, with_config
from typing_extensions import TypedDict

from nnunetv2_raemd.errors import UserError
from nnunetv2_raemd.evaluation.case_results import Evaluation, SystemResult
from nnunetv2_raemd.evaluation.metrics import METRICS
from nnunetv2_raemd.evaluation.summary import Summary
from nnunetv2_raemd.nnunet_files.json_file import read_json
from nnunetv2_raemd.nnunet_files.label_set import LabelSet
from nnunetv2_raemd.nnunet_files.versioned_json import write_versioned

FORMAT = "nnunetv2-raemd evaluation, version 1"
METRIC_KEYS = frozenset(metric.key for metric in METRICS)


def save_results(evaluation: Evaluation, summary: Summary, file: Path) -> None:
    """Write both whole or not at all.

    Raises:
        UserError: if the file cannot be written.
    """
    write_versioned(file, FORMAT, {**_plain(evaluation), "summary": _plain(summary)})


def load_results(file: Path) -> Evaluation:
    """The evaluation that `save_results` wrote; `summary.summarize` gives its summary again.

    Raises:
        UserError: if the file is absent or holds no such evaluation.
    """
    advice = "Run raemd evaluate (again)"
    return _checked(read_json(file, _Saved, advice), file, advice)


@with_config(ConfigDict(extra="ignore"))
class _Saved(TypedDict):
    format: Literal["nnunetv2-raemd evaluation, version 1"]
    labels: LabelSet
    systems: tuple[SystemResult, ...]
    settings: dict[str, str]


def _checked(saved: _Saved, file: Path, advice: str) -> Evaluation:
    """That every case has every target with every metric, which tables and plots look up."""
    for system in saved["systems"]:
        for case in system.cases:
            for target in saved["labels"].targets:
                found = case.targets.get(target.name)
                missing = METRIC_KEYS - (found.metrics.keys() if found else set())
                if missing:
                    raise UserError(
                        f"{file}: {system.name}, {case.case_id}, {target.name}: {', '.join(sorted(missing))} "
                        f"missing. {advice}"
                    )
    return Evaluation(saved["labels"], saved["systems"], saved["settings"])


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
