"""Where nnU-Net keeps a dataset: its raw, preprocessed and results folders."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from nnunetv2_raemd.errors import UserError


@dataclass(frozen=True)
class NnunetDataset:
    """Where nnU-Net keeps one dataset: `raw` and `preprocessed` may lack it."""

    name: str
    raw: Path
    preprocessed: Path
    results: Path


def find_dataset(dataset: str) -> NnunetDataset:
    """The folders of a dataset given by its number or name.

    Raises:
        UserError: if nnUNet_results is not set or nnU-Net knows no such dataset.
    """
    from nnunetv2.paths import nnUNet_preprocessed, nnUNet_raw, nnUNet_results  # noqa: PLC0415
    from nnunetv2.utilities.dataset_name_id_conversion import maybe_convert_to_dataset_name  # noqa: PLC0415

    folders = {"raw": nnUNet_raw, "preprocessed": nnUNet_preprocessed, "results": nnUNet_results}
    for kind, folder in folders.items():
        if not folder.get():
            raise UserError(f"nnUNet_{kind} is not set: run `export nnUNet_{kind}=FOLDER`")
    try:
        name = str(maybe_convert_to_dataset_name(dataset))
    except (RuntimeError, ValueError) as error:
        raise UserError(f"nnU-Net does not find dataset {dataset}: {error}") from error
    raw, preprocessed, results = (Path(str(folder)) / name for folder in folders.values())
    return NnunetDataset(name, raw, preprocessed, results)
