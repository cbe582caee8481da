"""Scans under new names (`--anonymize`): who they are stands in a file beside the output folder, not in it.

The output then says scan_001 of a scan and patient_001 of a patient. UIDs of DICOM objects are new ones that
follow from the scan's by a secret key, so that nobody can find out by trying whose they are.
"""

from __future__ import annotations

import copy
import json
import secrets
from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

from pydicom.dataset import Dataset

from nnunetv2_raemd.dicom.ct_series import CtSeries
from nnunetv2_raemd.dicom.index_entries import image_uid
from nnunetv2_raemd.dicom_objects.deterministic_uids import derived_uid
from nnunetv2_raemd.dicom_objects.source_attributes import DEIDENTIFIED, PATIENT_AND_STUDY
from nnunetv2_raemd.dicom_objects.source_series import SourceSeries
from nnunetv2_raemd.errors import UserError
from nnunetv2_raemd.nnunet_files.versioned_json import versioned
from nnunetv2_raemd.whole_files import whole_file

FORMAT = "nnunetv2-raemd private names, version 1"
METHOD = "names and dates removed, new UIDs (nnunetv2-raemd)"
_UIDS = ("StudyInstanceUID", "SeriesInstanceUID", "SOPInstanceUID", "FrameOfReferenceUID")


@dataclass
class PrivateNames:
    """New names and UIDs, as the file keeps them.

    Attributes:
        key: of the UIDs.
        scans, patients: new names by the old ones: SeriesInstanceUID or name of the file, and PatientID.
        uids: new UIDs by the old ones.
        remarks: on each scan, by its new name, and what else was said, by "".
    """

    file: Path
    key: str = field(default_factory=lambda: secrets.token_hex(16))
    scans: dict[str, str] = field(default_factory=dict)
    patients: dict[str, str] = field(default_factory=dict)
    uids: dict[str, str] = field(default_factory=dict)
    remarks: dict[str, list[str]] = field(default_factory=dict)

    def scan(self, original: str) -> str:
        """The name of a scan."""
        return self.scans.setdefault(original, f"scan_{len(self.scans) + 1:03d}")

    def patient(self, original: str) -> str:
        """The name of a patient."""
        return self.patients.setdefault(original, f"patient_{len(self.patients) + 1:03d}")

    def uid(self, original: str) -> str:
        """The UID in the place of another."""
        return self.uids.setdefault(original, str(derived_uid(self.key, original)))

    def keep(self, name: str, remarks: Sequence[str]) -> tuple[str, ...]:
        """Keep remarks in the file; returns what may be said of them elsewhere."""
        self.remarks[name] = list(remarks)
        return (f"remarks ({len(remarks)}): see {self.file.name} beside the folder",) if remarks else ()

    def image_uids(self, series: CtSeries) -> list[str]:
        """What objects call the images of a series, as `SourceSeries.image_uids`."""
        return [image_uid(self.uid(image.sop_uid), image.frame) for image in series.slices]

    def without_identity(self, source: SourceSeries) -> SourceSeries:
        """The series with headers that name nobody (PS3.15 E.2, as far as objects take anything over)."""
        headers = tuple(self._header(header) for header in source.headers)
        references = tuple(one._replace(sop_uid=self.uid(one.sop_uid)) for one in source.references)
        return replace(source, headers=headers, references=references)

    def _header(self, original: Dataset) -> Dataset:
        header = copy.deepcopy(original)
        for keyword in PATIENT_AND_STUDY:
            setattr(header, keyword, "")
        for keyword in DEIDENTIFIED:
            header.pop(keyword, None)
        header.PatientName = header.PatientID = self.patient(str(original.PatientID))
        header.PatientIdentityRemoved, header.DeidentificationMethod = "YES", METHOD
        for keyword in _UIDS:
            setattr(header, keyword, self.uid(str(original[keyword].value)))
        return header

    def write(self) -> None:
        """Write the file, whole or not at all, for the owner's eyes only."""
        content: dict[str, Any] = {"format": FORMAT, **vars(self)}
        del content["file"]
        with whole_file(self.file) as making:
            making.touch(mode=0o600)
            making.write_text(json.dumps(content, indent=1) + "\n", encoding="utf-8")


def private_names(output: Path, file_ending: str) -> PrivateNames:
    """Those beside an output folder, or none yet.

    Raises:
        UserError: if the file is damaged, or the folder holds scans that it does not name.
    """
    output = output.resolve()
    file = output.with_name(f"{output.name}_private.json")
    names = _read(file) if file.is_file() else PrivateNames(file)
    held = {found.name.removesuffix(file_ending) for found in output.glob(f"*{file_ending}")}
    if unknown := sorted(held - set(names.scans.values())):
        raise UserError(
            f"{output} holds {len(unknown)} scans that {file.name} beside it does not name, as {unknown[0]}: "
            "choose another folder for -o"
        )
    return names


def _read(file: Path) -> PrivateNames:
    advice = "Restore it from a copy, or choose another folder for -o"
    with versioned(file, FORMAT, holding="the names of scans", advice=advice) as content:
        return PrivateNames(file, **{key: value for key, value in content.items() if key != "format"})
