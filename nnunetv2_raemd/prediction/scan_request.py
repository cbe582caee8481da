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
    """

    source: str
    series: tuple[str, ...] = ()
    kinds: frozenset[ObjectKind] = frozenset()
    store: str = ""

    def __post_init__(self) -> None:
        if self.store and not self.kinds:
            raise UserError("--store sends DICOM objects: say which with --dicom")
        object.__setattr__(self, "kinds", with_needed(self.kinds))
