"""Choices of the converters, apart from the converters so that the command line need not load those."""

from __future__ import annotations

from enum import Enum

# The primary tumour as NSCLC-Radiomics names it: "GTV-1", "gtv1", "GTV-1,gtv-pre-op" in RTSTRUCT, and
# "Neoplasm, Primary" in SEG.
DEFAULT_ROI = r"gtv[-_ ]?1(,.*)?|neoplasm, primary"
# Patients of NSCLC-Radiomics left out by default, with the reason.
KNOWN_EXCLUSIONS = {"LUNG1-128": "its structure set has no GTV-1"}


class LunaMasks(str, Enum):
    """Where LUNA16's masks come from."""

    CONTOURS = "contours"
    SPHERE = "sphere"


class Uncertain(str, Enum):
    """What nodules of LUNA16 become that too few readers marked."""

    BACKGROUND = "background"
    IGNORE = "ignore"


class Irregular(str, Enum):
    """What to do with a CT series whose slices are missing or unevenly spaced."""

    RESAMPLE = "resample"
    SKIP = "skip"
    FAIL = "fail"


class MaskSource(str, Enum):
    """Which DICOM files the masks come from; AUTO takes a SEG only where no RTSTRUCT will do."""

    AUTO = "auto"
    RTSTRUCT = "rtstruct"
    SEG = "seg"


class Incomplete(str, Enum):
    """What to do with a patient whose CT lacks images or whose contours cannot all be drawn."""

    FAIL = "fail"
    KEEP = "keep"


class Splitting(str, Enum):
    """How cases are shared out to training, validation and test."""

    FOLDS = "folds"
    SUBSETS = "subsets"
    HOLDOUT = "holdout"


class Channel(str, Enum):
    """The name of the channel, by which nnU-Net picks how it normalises intensities."""

    CT = "CT"
    RESCALE_TO_0_1 = "rescale_to_0_1"


class LungUse(str, Enum):
    """What to do with the lung masks."""

    CLASS = "class"
    CROP = "crop"
