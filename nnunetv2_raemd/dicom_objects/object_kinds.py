"""The kinds of DICOM objects, apart from what makes them, so that the command line need not load that."""

from __future__ import annotations

from enum import Enum


class ObjectKind(str, Enum):
    """What `--dicom` writes."""

    SEG = "seg"
    RTSTRUCT = "rtstruct"
    SR = "sr"
    PROBABILITY = "probability"
    UNCERTAINTY = "uncertainty"
