"""What `raemd calibrate` prints."""

from __future__ import annotations

from pathlib import Path

from rich.console import Console
from rich.markup import escape
from rich.table import Table

from nnunetv2_raemd.confidence.calibrate import Calibrated
from nnunetv2_raemd.confidence.calibration import LabelCalibration, LabelQuality
from nnunetv2_raemd.confidence.confidence_model import FEATURES
from nnunetv2_raemd.confidence.split_check import SplitCheck

_SHOWN = 20


def print_calibration(calibrated: Calibrated, file: Path) -> int:
    """Print what was fitted and how good it is; returns the exit status: 1 where cases were left out."""
    console = Console(highlight=False, soft_wrap=True)
    for label in calibrated.calibration.labels:
        if label.quality is not None:
            _print_label(console, label, label.quality)
    for remark in calibrated.remarks:
        console.print(f"Note: {escape(remark)}")
    for problem in calibrated.problems[:_SHOWN]:
        console.print(f"[bold red]Problem:[/] {escape(f'{problem.case_id}: {problem.reason}')}")
    if len(calibrated.problems) > _SHOWN:
        console.print(f"... and {len(calibrated.problems) - _SHOWN} more problems")
    console.print(f"Calibration: {escape(str(file))}")
    return 1 if calibrated.problems else 0


def _print_label(console: Console, label: LabelCalibration, quality: LabelQuality) -> None:
    model = label.model
    console.print(
        f"{escape(label.target.name)}: {model.n_real} real and {model.n_false} false lesions in "
        f"{len(label.cases)} cases; each rated by a model fitted without its fold"
    )
    table = Table("", "ECE", "Brier", "area under risk-coverage", box=None, pad_edge=False)
    for name, found, area in (
        ("lesions: maximum probability", quality.uncalibrated, quality.uncalibrated_risk.area),
        ("lesions: confidence", quality.lesions, quality.risk.area),
        ("voxels: as they are", quality.unscaled, None),
        (f"voxels: temperature {label.temperature:.2f}", quality.voxels, None),
    ):
        table.add_row(name, f"{found.ece:.3f}", f"{found.brier:.3f}", "" if area is None else f"{area:.3f}")
    console.print(table)
    if any(model.coefficients):
        weights = zip(FEATURES, model.coefficients, strict=True)
        console.print("Weights: " + ", ".join(f"{name} {weight:+.2f}" for name, weight in weights))
    for check in quality.checks:
        console.print(_sentence(check))


def _sentence(check: SplitCheck) -> str:
    wanted = f"{check.promised:g}"
    if check.kind == "false positives":
        promised = f"at most {wanted} false {'positive' if wanted == '1' else 'positives'} per scan"
    else:
        promised = f"a sensitivity of at least {wanted}"
    if check.mean is None or check.sd is None or check.n_unreachable > check.n_splits / 2:
        return (
            f"Operating point, {promised}: out of reach with {check.n_unreachable} of {check.n_splits} "
            "random halves of the cases: these are too few, or too few of their lesions are found"
        )
    unreachable = f", {check.n_unreachable} without a threshold" if check.n_unreachable else ""
    return (
        f"Operating point, {promised}: {check.mean:.3f} ± {check.sd:.3f} in the other half of the cases "
        f"({check.n_splits} random splits{unreachable})"
    )
