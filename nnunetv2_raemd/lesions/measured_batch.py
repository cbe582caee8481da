"""Many scans measured, here in worker processes."""

from __future__ import annotations

from nnunetv2_raemd.execution.local_processes import LocalProcesses
from nnunetv2_raemd.execution.tracked import run_tracked
from nnunetv2_raemd.lesions.measured_lesion import ScanLesions
from nnunetv2_raemd.lesions.scan_files import LesionMaterial
from nnunetv2_raemd.lesions.scan_measurement import FailedScan, MeasurementJob


def measure_all(material: LesionMaterial, *, workers: int = 1) -> tuple[list[ScanLesions], list[FailedScan]]:
    """The lesions of all scans that can be measured, with progress, and those that cannot be."""
    outcomes = run_tracked(
        "Measuring lesions",
        MeasurementJob(material.labels),
        material.scans,
        backend=LocalProcesses(workers),
        failed=lambda outcome: isinstance(outcome, FailedScan),
    )
    measured = [outcome for outcome in outcomes if isinstance(outcome, ScanLesions)]
    return measured, [outcome for outcome in outcomes if isinstance(outcome, FailedScan)]
