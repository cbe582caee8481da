"""nnU-Net's `dataset.json`."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass


@dataclass(frozen=True)
class DatasetDescription:
    """What `dataset.json` says about a dataset beside its number of cases.

    `labels` are nnU-Net's: "background" is 0, a class is an integer, a region the integers of the classes
    that lie in it, and "ignore" (where there is one) the highest integer. Where there are regions,
    `regions_class_order` is the integer that each of them paints, in the order of `labels`. nnU-Net picks the
    normalisation of intensities by `channel_name`.
    """

    labels: Mapping[str, int | Sequence[int]]
    description: str
    source: str
    reference: str
    licence: str
    regions_class_order: Sequence[int] | None = None
    channel_name: str = "CT"
