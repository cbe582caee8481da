"""Objects into an archive."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import pydicom
from pydicom.dataset import Dataset

from nnunetv2_raemd.dicomweb.service import connect, reaching
from nnunetv2_raemd.errors import UserError


def store(files: Sequence[Path], service: str) -> None:
    """Send DICOM objects of one study in a single request, so that the archive takes all or none.

    Raises:
        UserError: if the archive cannot be reached or does not confirm every object.
    """
    datasets = [pydicom.dcmread(file) for file in files]
    client = connect(service)
    with reaching(service, "store the objects"):
        answer = client.store_instances(datasets, str(datasets[0].StudyInstanceUID))
        taken = answer.get("ReferencedSOPSequence", ())
        confirmed = {str(item.ReferencedSOPInstanceUID) for item in taken}
        reasons = {_reason(item) for item in answer.get("FailedSOPSequence", ())}
    sent = zip(files, datasets, strict=True)
    missing = [file for file, dataset in sent if str(dataset.SOPInstanceUID) not in confirmed]
    if missing:
        why = f" ({', '.join(sorted(reasons))})" if reasons else ""
        raise UserError(
            f"{service} did not take {', '.join(file.name for file in missing)}{why}; they are in "
            f"{missing[0].parent}"
        )


def _reason(item: Dataset) -> str:
    """FailureReason as PS3.18 table I.2-2 has it."""
    code = int(item.get("FailureReason") or 0)
    meanings = {0x0110: "processing failure", 0xA700: "out of resources", 0x0122: "kind not supported"}
    return meanings.get(code, f"failure 0x{code:04X}")
