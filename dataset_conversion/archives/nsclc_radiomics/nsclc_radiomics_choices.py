"""Choices of the conversion of NSCLC-Radiomics, apart so that the command line need not load it."""

from __future__ import annotations

from enum import Enum

# The primary tumour as NSCLC-Radiomics names it: "GTV-1", "gtv1", "GTV-1,gtv-pre-op" in RTSTRUCT, and
# "Neoplasm, Primary" in SEG.
DEFAULT_ROI = r"gtv[-_ ]?1(,.*)?|neoplasm, primary"


# Patients of NSCLC-Radiomics left out by default, with the reason.
KNOWN_EXCLUSIONS = {"LUNG1-128": "its structure set has no GTV-1"}


class Irregular(str, Enum):
    """What to do with a CT series whose slices are missing or unevenly spaced."""

    RESAMPLE = "resample"
    SKIP = "skip"
    FAIL = "fail"


class Incomplete(str, Enum):
    """What to do with a patient whose CT lacks images or whose contours cannot all be drawn."""

    FAIL = "fail"
    KEEP = "keep"


class GantryTilt(str, Enum):
    """What to do with a CT series that was taken with a tilted gantry."""

    RESAMPLE = "resample"
    REFUSE = "refuse"


class SparseContours(str, Enum):
    """What to do with contours that are drawn farther apart than the slices of the CT."""

    FAIL = "fail"
    INTERPOLATE = "interpolate"
