"""Choices of post-processing, apart so that the command line need not load the rest."""

from __future__ import annotations

from enum import Enum

FILE_NAME = "postprocessing_raemd.json"


class Objective(str, Enum):
    """What post-processing is chosen by."""

    DICE = "dice"
    DICE_AND_LESIONS = "dice+lesion-f1"
