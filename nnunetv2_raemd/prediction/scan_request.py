"""What a user asks of a prediction from and to DICOM."""

from __future__ import annotations

from dataclasses import dataclass

from nnunetv2_raemd.dicom_objects.object_kinds import ObjectKind
from nnunetv2_raemd.dicom_objects.written_objects import with_needed
from nnunetv2_raemd.errors import UserError


@dataclass(frozen=True)
class ScanRequest:
    """What to predict, and what to make of it.

    Attributes:
        source: a folder, a file, or the address of a study or series.
        series: UIDs of the series to predict; none for one of each study.
        kinds: DICOM objects to write.
        store: DICOMweb service that gets the objects; "" for none.
        uncertainty: whether maps of it are made, which then are DICOM objects too, if there are any.
        anonymize: whether nothing in the output may tell whose scans they are.
    """

    source: str
    series: tuple[str, ...] = ()
    kinds: frozenset[ObjectKind] = frozenset()
    store: str = ""
    uncertainty: bool = False
    anonymize: bool = False

    def __post_init__(self) -> None:
        if self.store and not self.kinds:
            raise UserError("--store sends DICOM objects: say which with --dicom")
        if ObjectKind.UNCERTAINTY in self.kinds:
            object.__setattr__(self, "uncertainty", True)
        if self.uncertainty and self.kinds:
            object.__setattr__(self, "kinds", self.kinds | {ObjectKind.UNCERTAINTY})
        object.__setattr__(self, "kinds", with_needed(self.kinds))
