"""What a converter must know of a public archive."""

from __future__ import annotations

from pathlib import Path
from typing import Any, Protocol

from nnunetv2_raemd.dataset_conversion.case import FoundCases
from nnunetv2_raemd.dataset_conversion.dataset_description import DatasetDescription


class Archive(Protocol):
    """A public archive, and the choices that decide what its cases become."""

    @property
    def description(self) -> DatasetDescription:
        """What `dataset.json` says of the dataset."""

    def settings(self) -> dict[str, Any]:
        """The archive's name and the choices, as the report and the dataset folder keep them."""

    def find_cases(self, folder: Path, *, workers: int) -> FoundCases:
        """The cases in the download at `folder`.

        Raises:
            UserError: if it is no such archive.
        """
