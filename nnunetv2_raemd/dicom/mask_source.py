"""Which DICOM files masks come from; on its own, so that the command line need not load pydicom."""

from __future__ import annotations

from enum import Enum


class MaskSource(str, Enum):
    """Which DICOM files the masks come from; AUTO takes a SEG only where no RTSTRUCT will do."""

    AUTO = "auto"
    RTSTRUCT = "rtstruct"
    SEG = "seg"
