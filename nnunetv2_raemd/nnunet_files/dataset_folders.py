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


def nnunet_folder(kind: str) -> Path:
    """The folder that the environment variable nnUNet_`kind` names.

    Args:
        kind: "raw", "preprocessed" or "results".

    Raises:
        UserError: if the variable is not set.
    """
    from nnunetv2 import paths  # noqa: PLC0415 - brings torch

    variable = f"nnUNet_{kind}"
    folder = getattr(paths, variable).get()
    if not folder:
        raise UserError(f"{variable} is not set: run `export {variable}=FOLDER`")
    return Path(str(folder))


def dataset_name(dataset: str) -> str:
    """The name of a dataset given by its number or name.

    Raises:
        UserError: if nnU-Net knows no such dataset.
    """
    from nnunetv2.utilities.dataset_name_id_conversion import maybe_convert_to_dataset_name  # noqa: PLC0415

    try:
        return str(maybe_convert_to_dataset_name(dataset))
    except (RuntimeError, ValueError) as error:
        raise UserError(f"nnU-Net does not find dataset {dataset}: {error}") from error


def find_dataset(dataset: str) -> NnunetDataset:
    """The folders of a dataset given by its number or name.

    Raises:
        UserError: if nnUNet_results is not set or nnU-Net knows no such dataset.
    """
    raw, preprocessed, results = map(nnunet_folder, ("raw", "preprocessed", "results"))
    name = dataset_name(dataset)
    return NnunetDataset(name, raw / name, preprocessed / name, results / name)
