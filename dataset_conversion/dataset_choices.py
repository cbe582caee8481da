"""Choices of the converters, apart from the converters so that the command line need not load those."""

from __future__ import annotations

from enum import Enum


class Splitting(str, Enum):
    """How cases are shared out to training, validation and test."""

    FOLDS = "folds"
    SUBSETS = "subsets"
    HOLDOUT = "holdout"


class Channel(str, Enum):
    """The name of the channel, by which nnU-Net picks how it normalises intensities."""

    CT = "CT"
    RESCALE_TO_0_1 = "rescale_to_0_1"
