"""Choices of the converters, apart from the converters so that the command line need not load those."""

from __future__ import annotations

from enum import Enum

# The primary tumour as NSCLC-Radiomics names it: "GTV-1", "gtv1", "GTV-1,gtv-pre-op".
DEFAULT_ROI = r"gtv[-_ ]?1(,.*)?"
# Patients of NSCLC-Radiomics left out by default, with the reason.
KNOWN_EXCLUSIONS = {"LUNG1-128": "its structure set has no GTV-1"}


class LunaMasks(str, Enum):
    """Where LUNA16's masks come from."""

    SPHERE = "sphere"


class Irregular(str, Enum):
    """What to do with a CT series whose slices are missing or unevenly spaced."""

    RESAMPLE = "resample"
    SKIP = "skip"
    FAIL = "fail"
