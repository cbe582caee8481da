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
class Rescale:
    """From stored values to what they mean: slope * stored + intercept (DICOM PS3.3 C.11.1.1.2).

    `type` says what that is, as "HU"; "" where the header does not say. `has_table` says whether there is a
    Modality LUT beside it, which leads elsewhere (DICOM PS3.3 C.11.1: one or the other).
    """

    slope: float
    intercept: float
    type: str = ""
    has_table: bool = False


@dataclass(frozen=True)
class ImageKind:
    """What tells the images of one scan from others of the same series.

    image_type: DICOM's ImageType, as ("ORIGINAL", "PRIMARY", "AXIAL").
    kernel: ConvolutionKernel.
    acquisition: number of the acquisition, and the temporal position and stack where there are any; "" where
        the header does not say.
    """

    image_type: tuple[str, ...] = ()
    kernel: str = ""
    acquisition: str = ""


@dataclass(frozen=True)
class CtInstance:
    """One CT image: a file, or a frame of one.

    geometry: None where the header does not give it.
    shape: rows and columns.
    rescale: None where the header does not give it.
    frame: its index in a file of many frames, None in a file of one.
    """

    path: Path
    sop_uid: str
    series_uid: str
    study_uid: str
    patient_id: str
    frame_of_reference_uid: str
    kind: ImageKind
    shape: tuple[int, int]
    geometry: SliceGeometry | None
    rescale: Rescale | None
    frame: int | None = None

    @property
    def uid(self) -> str:
        """What other files name the image by, see `image_uid`."""
        return image_uid(self.sop_uid, self.frame)

    @property
    def name(self) -> str:
        """File and, where there are many, frame, for messages."""
        return str(self.path) if self.frame is None else f"{self.path}, frame {self.frame + 1}"


def image_uid(sop_uid: str, frame: int | None) -> str:
    """SOP instance UID, with the number of the frame (from 1) for a file of many."""
    return sop_uid if frame is None else f"{sop_uid}#{frame + 1}"


@dataclass(frozen=True)
class MultiFrameCt:
    """A CT of many frames in one file (enhanced CT)."""

    frames: tuple[CtInstance, ...]


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


Entry = CtInstance | MultiFrameCt | Delineation | Unreadable
