"""What an index of DICOM files holds: CT images, and RTSTRUCT and SEG files with their regions."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from nnunetv2_raemd.dicom.mask_source import MaskSource


@dataclass(frozen=True)
class SliceGeometry:
    """Image plane of one slice (DICOM PS3.3 C.7.6.2).

    position_mm: centre of the first pixel; orientation: direction along the columns, then along the rows;
    pixel_spacing_mm: distance of rows, then of columns.
    """

    position_mm: tuple[float, ...]
    orientation: tuple[float, ...]
    pixel_spacing_mm: tuple[float, ...]


@dataclass(frozen=True)
class CtInstance:
    """One CT image; `geometry` is None where the header does not give it, `shape` is rows and columns."""

    path: Path
    sop_uid: str
    series_uid: str
    study_uid: str
    patient_id: str
    frame_of_reference_uid: str
    is_localizer: bool
    shape: tuple[int, int]
    geometry: SliceGeometry | None


@dataclass(frozen=True)
class Roi:
    """A region: an ROI of an RTSTRUCT or a segment of a SEG, and all that it is called, its name first.

    `frame_of_reference_uid` is that of its contours, "" where the file does not say.
    """

    number: int
    names: tuple[str, ...]
    frame_of_reference_uid: str = ""

    @property
    def title(self) -> str:
        """All names, for the report."""
        return " / ".join(self.names) or f"number {self.number}"


@dataclass(frozen=True)
class ReferencedSeries:
    """A CT series as another file names it: the images it lists and the frame of reference it says it has."""

    uid: str
    image_uids: tuple[str, ...] = ()
    frame_of_reference_uid: str = ""


@dataclass(frozen=True)
class Delineation:
    """One RTSTRUCT or SEG: regions, and the CT series and frames of reference it says they were drawn on."""

    path: Path
    source: MaskSource
    sop_uid: str
    patient_id: str
    study_uid: str
    series: tuple[ReferencedSeries, ...]
    frame_of_reference_uids: tuple[str, ...]
    rois: tuple[Roi, ...]


@dataclass(frozen=True)
class Unreadable:
    """A file that says it is DICOM but cannot be read; `sop_uid` where at least that is known."""

    path: Path
    reason: str
    sop_uid: str = ""


Entry = CtInstance | Delineation | Unreadable
