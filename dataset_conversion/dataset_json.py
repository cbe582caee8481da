"""nnU-Net's `dataset.json`."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from nnunetv2.dataset_conversion.generate_dataset_json import generate_dataset_json

from nnunetv2_raemd.dataset_conversion.nnunet_dataset import FILE_ENDING, DatasetFolder
from nnunetv2_raemd.version import __version__


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


def write_dataset_json(folder: DatasetFolder, number_of_cases: int, about: DatasetDescription) -> None:
    """Write `dataset.json` by nnU-Net's own function."""
    order = about.regions_class_order
    generate_dataset_json(
        str(folder.scratch),
        channel_names={0: about.channel_name},
        labels=dict(about.labels),
        regions_class_order=None if order is None else tuple(order),
        num_training_cases=number_of_cases,
        file_ending=FILE_ENDING,
        dataset_name=folder.path.name,
        description=about.description,
        reference=about.reference,
        license=about.licence,
        source=about.source,
        converted_by=f"nnunetv2-raemd {__version__}",
    )
    (folder.scratch / "dataset.json").replace(folder.path / "dataset.json")
