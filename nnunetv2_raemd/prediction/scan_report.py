"""What became of the scans of a request: on the screen, and in `scans.json`."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from nnunetv2_raemd.prediction.scan_run import ScanRun
from nnunetv2_raemd.scans.staging import StagedScan, StagedScans
from nnunetv2_raemd.whole_files import write_json

REPORT = "scans.json"
FORMAT = "nnunetv2-raemd scans, version 1"


def report(run: ScanRun, staged: StagedScans, problems: Sequence[str]) -> None:
    """Say what was chosen, assumed and left out, and write it to `scans.json` in the output folder."""
    for remark in staged.remarks:
        print(f"Remark: {remark}")
    for scan in staged.scans:
        for remark in _remarks(run, scan):
            print(f"Remark on {scan.case_id}: {remark}")
    if run.n_left_out:
        print(f"Done already: {run.n_left_out}")
    if not run.batch.output.is_dir():
        return
    content = {
        "format": FORMAT,
        "scans": [_as_json(run, scan) for scan in staged.scans],
        "done_already": run.n_left_out,
        "remarks": list(staged.remarks),
        "problems": list(problems),
    }
    write_json(run.batch.output / REPORT, content)


def _remarks(run: ScanRun, scan: StagedScan) -> tuple[str, ...]:
    return (*scan.remarks, *run.header_remarks.get(scan.case_id, ()))


def _as_json(run: ScanRun, scan: StagedScan) -> dict[str, Any]:
    series, objects = scan.series, run.objects.get(scan.case_id, ())
    return {
        "case_id": scan.case_id,
        "study_uid": series and series.slices[0].study_uid,
        "series_uid": series and series.slices[0].series_uid,
        "slices": series and len(series.slices),
        "slice_distance_mm": series and round(series.stack.usual_distance_mm, 4),
        "objects": [file.name for file in objects],
        "stored_in": run.request.store if objects else "",
        "remarks": list(_remarks(run, scan)),
    }
