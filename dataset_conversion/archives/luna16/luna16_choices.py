"""Choices of the conversion of LUNA16, apart so that the command line need not load the converter."""

from __future__ import annotations

from enum import Enum


class LunaMasks(str, Enum):
    """Where LUNA16's masks come from."""

    CONTOURS = "contours"
    SPHERE = "sphere"


class Uncertain(str, Enum):
    """What nodules of LUNA16 become that too few readers marked."""

    BACKGROUND = "background"
    IGNORE = "ignore"


class LungUse(str, Enum):
    """What to do with the lung masks."""

    CLASS = "class"
    CROP = "crop"
