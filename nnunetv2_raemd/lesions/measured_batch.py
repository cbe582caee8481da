"""Many scans measured, here in worker processes or on a cluster."""

from __future__ import annotations

from nnunetv2_raemd.execution.backend import Backend
from nnunetv2_raemd.execution.case_batch import Failed, failures, run_cases
from nnunetv2_raemd.execution.local_processes import HERE
from nnunetv2_raemd.lesions.measured_lesion import ScanLesions
from nnunetv2_raemd.lesions.scan_files import LesionMaterial
from nnunetv2_raemd.lesions.scan_measurement import MeasurementJob


def measure_all(
    material: LesionMaterial, *, backend: Backend = HERE
) -> tuple[list[ScanLesions], list[Failed]]:
    """The lesions of all scans that can be measured, with progress, and those that cannot be.

    Raises:
        UserError: if the place where the work is done is at fault.
    """
    job = MeasurementJob(material.labels)
    outcomes = run_cases("Measuring lesions", job, material.scans, backend=backend)
    return [one for one in outcomes if isinstance(one, ScanLesions)], failures(outcomes)
