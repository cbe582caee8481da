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
    remarks = run.public("input", staged.remarks)
    for remark in remarks:
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
        "remarks": list(remarks),
        "problems": list(problems),
    }
    write_json(run.batch.output / REPORT, content)
    if run.names is not None:
        run.names.write()
        print(f"Who they are: {run.names.file}")


def _remarks(run: ScanRun, scan: StagedScan) -> tuple[str, ...]:
    return run.public(scan.case_id, (*scan.remarks, *run.header_remarks.get(scan.case_id, ())))


def _as_json(run: ScanRun, scan: StagedScan) -> dict[str, Any]:
    series, objects = scan.series, run.objects.get(scan.case_id, ())
    uid = run.names.uid if run.names else str
    return {
        "case_id": scan.case_id,
        "study_uid": series and uid(series.slices[0].study_uid),
        "series_uid": series and uid(series.slices[0].series_uid),
        "slices": series and len(series.slices),
        "slice_distance_mm": series and round(series.stack.usual_distance_mm, 4),
        "objects": [file.name for file in objects],
        "stored_in": run.request.store if objects else "",
        "remarks": list(_remarks(run, scan)),
    }
