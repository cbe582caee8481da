"""nnU-Net's `dataset.json`, written by nnU-Net's own function."""

from __future__ import annotations

from nnunetv2.dataset_conversion.generate_dataset_json import generate_dataset_json

from nnunetv2_raemd.dataset_conversion.dataset_description import DatasetDescription
from nnunetv2_raemd.dataset_conversion.dataset_folder import FILE_ENDING, DatasetFolder
from nnunetv2_raemd.version import __version__


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
