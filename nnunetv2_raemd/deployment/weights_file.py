"""The weights of a fold in safetensors: names, shapes and numbers, nothing that could run."""

from __future__ import annotations

import json
from collections.abc import Mapping
from pathlib import Path

import numpy as np
import torch
from safetensors import SafetensorError
from safetensors.torch import load_file, save
from torch import Tensor

from nnunetv2_raemd.errors import UserError

Weights = dict[str, Tensor]


def save_weights(weights: Mapping[str, Tensor], file: Path) -> None:
    """Write them as 32 bit numbers where they are floating point; raises `UserError` where that fails.

    The library's own function for files would let nobody but their owner read them, whatever the umask.
    """
    try:
        file.parent.mkdir(parents=True, exist_ok=True)
        file.write_bytes(save({name: _plain(value) for name, value in weights.items()}))
    except OSError as error:
        raise UserError(f"{file} cannot be written: {error}") from error


def _plain(value: Tensor) -> Tensor:
    value = value.detach().cpu()
    return (value.float() if value.is_floating_point() else value).contiguous().clone()


def load_weights(file: Path) -> Weights:
    """The weights by name; raises `UserError` where the file is damaged."""
    try:
        return load_file(str(file))
    except (SafetensorError, OSError, ValueError) as error:
        raise UserError(f"{file} is not a file of weights: {error}") from error


def as_arrays(weights: Mapping[str, Tensor]) -> dict[str, np.ndarray]:
    """The weights for those who know no tensors."""
    return {name: value.numpy() for name, value in weights.items()}


def offsets_in(file: Path) -> dict[str, tuple[int, int]]:
    """First byte and number of bytes of each weight within the file.

    A safetensors file begins with the length of its header (8 bytes) and the header, which is JSON.
    """
    with file.open("rb") as stream:
        length = int.from_bytes(stream.read(8), "little")
        header = json.loads(stream.read(length))
    header.pop("__metadata__", None)
    start = 8 + length
    return {
        name: (start + entry["data_offsets"][0], entry["data_offsets"][1] - entry["data_offsets"][0])
        for name, entry in header.items()
    }


def average(weights: list[Weights]) -> Weights:
    """The mean of the folds' weights (a soup); counters, which are whole numbers, are the first's."""
    return {
        name: torch.stack([fold[name].double() for fold in weights]).mean(0).to(value.dtype)
        if value.is_floating_point()
        else value
        for name, value in weights[0].items()
    }
