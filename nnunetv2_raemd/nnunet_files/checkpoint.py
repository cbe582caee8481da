"""nnU-Net's checkpoints, read without running what a stranger may have put into them.

A checkpoint is a zip archive of a pickle and of the tensors' numbers. A pickle can call any function that is
installed. Here it gets torch's restricted unpickler, and may name nothing but what nnU-Net's own checkpoints
need: tensors, devices and numpy's numbers.
"""

from __future__ import annotations

import os
import pickletools
import zipfile
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import Tensor

from nnunetv2_raemd.errors import UserError, reason_of
from nnunetv2_raemd.regular_file import check_is_regular

Checkpoint = dict[str, Any]
ReadCheckpoint = Callable[[Path], Checkpoint]

_STORAGES = ("Double", "Float", "Half", "BFloat16", "Long", "Int", "Short", "Char", "Byte", "Bool")
_NUMPY_SCALAR = ("numpy.core.multiarray.scalar", "numpy._core.multiarray.scalar")  # before and since numpy 2
ALLOWED_NAMES = frozenset(
    {
        "collections.OrderedDict",
        "_codecs.encode",  # how bytes are pickled
        "torch.Size",
        "torch.device",
        "torch._utils._rebuild_tensor_v2",
        "torch._utils._rebuild_parameter",
        *(f"torch.{kind}Storage" for kind in _STORAGES),
        "numpy.dtype",
        *_NUMPY_SCALAR,
    }
)
"""All that the pickle of a checkpoint may name."""

_FORCE_WEIGHTS_ONLY = "TORCH_FORCE_WEIGHTS_ONLY_LOAD"
_CHUNK = 1 << 22


@dataclass(frozen=True)
class TrainedNetwork:
    """What predictions need of a checkpoint.

    Attributes:
        weights: the network's state, by the parameter's name.
        mirroring_axes: axes along which predictions may be mirrored and averaged.
    """

    weights: Mapping[str, Tensor]
    trainer_name: str
    configuration: str
    mirroring_axes: tuple[int, ...] | None


def read_checkpoint(file: Path) -> Checkpoint:
    """The content of a checkpoint, its tensors on the CPU and mapped from the file.

    The check sum of every member is compared first: torch does not.

    Raises:
        UserError: if the file is absent, damaged, not a checkpoint, or would run code.
    """
    check_is_regular(file)
    _check_archive(file)
    with only_weights():
        return _load(file, mmap=True)


def read_trusted_checkpoint(file: Path) -> Checkpoint:
    """As `read_checkpoint`, for files of which the user says that they may run code, also of older formats.

    Raises:
        UserError: if the file is absent, damaged or not a checkpoint.
    """
    check_sums(file)
    return _load(file, weights_only=False)


def check_sums(file: Path) -> None:
    """Compare the check sums of a checkpoint that is trusted; older formats have none.

    Raises:
        UserError: if the file is absent or damaged.
    """
    check_is_regular(file)
    if zipfile.is_zipfile(file):
        with _open_archive(file) as archive:
            _check_sums(archive, file)


@contextmanager
def only_weights() -> Iterator[None]:
    """Within, every `torch.load`, nnU-Net's too, constructs nothing but what `read_checkpoint` allows.

    The switch is torch's own, an environment variable, and so holds for the whole process.
    """
    before = os.environ.get(_FORCE_WEIGHTS_ONLY)
    os.environ[_FORCE_WEIGHTS_ONLY] = "1"
    try:
        with torch.serialization.safe_globals(_numpy_numbers()):
            yield
    finally:
        if before is None:
            del os.environ[_FORCE_WEIGHTS_ONLY]
        else:
            os.environ[_FORCE_WEIGHTS_ONLY] = before


def trained_network(content: Checkpoint, file: Path) -> TrainedNetwork:
    """What predictions need of the content of `file`.

    Raises:
        UserError: if something is missing or of another kind; the message names it.
    """
    weights = _entry(content, "network_weights", Mapping, file)
    for name, value in weights.items():
        if not isinstance(name, str) or not isinstance(value, Tensor):
            raise UserError(f"{file}: network_weights holds {name!r}: {type(value).__name__}, not a tensor")
    arguments = _entry(content, "init_args", Mapping, file)
    axes = content.get("inference_allowed_mirroring_axes")
    if axes is not None and not (isinstance(axes, list | tuple) and all(axis in (0, 1, 2) for axis in axes)):
        raise UserError(f"{file}: inference_allowed_mirroring_axes is {axes!r}, not some of 0, 1, 2")
    return TrainedNetwork(
        weights,
        _entry(content, "trainer_name", str, file),
        _entry(arguments, "configuration", str, file),
        None if axes is None else tuple(axes),
    )


def _entry(content: Any, key: str, kind: Any, file: Path) -> Any:
    if not isinstance(content, Mapping) or key not in content:
        raise UserError(f"{file} is not a checkpoint of nnU-Net: it has no {key!r}")
    if not isinstance(content[key], kind):
        found = type(content[key]).__name__
        raise UserError(f"{file}: {key} is of the type {found}, where {kind.__name__} is expected")
    return content[key]


def _check_archive(file: Path) -> None:
    """Raise a `UserError` unless the archive is whole and its pickle names nothing but what is allowed."""
    if not zipfile.is_zipfile(file):
        raise UserError(
            f"{file} is not a checkpoint, or is cut off: nnU-Net's are zip archives. Copy or train it again. "
            "If it was saved in a format before torch 1.6 and you trust who made it, give --trust-checkpoint"
        )
    with _open_archive(file) as archive:
        _check_sums(archive, file)
        pickles = [archive.read(name) for name in archive.namelist() if name.endswith(".pkl")]
        unknown = sorted(set().union(*map(_names_in, pickles)) - ALLOWED_NAMES)
    if unknown:
        raise UserError(
            f"{file} was not opened, because it may run code: it needs {', '.join(unknown[:5])}, which no "
            "checkpoint of nnU-Net's own trainers does. If you trust who made it, give --trust-checkpoint"
        )


@contextmanager
def _open_archive(file: Path) -> Iterator[zipfile.ZipFile]:
    """The archive; whatever is wrong with it becomes a `UserError`."""
    try:
        with zipfile.ZipFile(file) as archive:
            yield archive
    except UserError:
        raise
    except Exception as error:  # what reading any bytes as a zip archive raises cannot be listed
        raise UserError(f"{file} is damaged: {reason_of(error)}. Copy or train it again") from error


def _check_sums(archive: zipfile.ZipFile, file: Path) -> None:
    """Read every member to its end, where zipfile compares the check sum."""
    for member in archive.infolist():
        if member.compress_type != zipfile.ZIP_STORED:  # a small file could inflate to any size
            raise UserError(f"{file} is not a checkpoint as torch writes it: {member.filename} is compressed")
        with archive.open(member) as stream:
            while stream.read(_CHUNK):
                pass


def _names_in(pickle: bytes) -> set[str]:
    """The functions and classes that a pickle names, such as "torch.FloatStorage"."""
    names = set()
    for opcode, argument, _ in pickletools.genops(pickle):
        if opcode.name in ("GLOBAL", "INST"):
            names.add(str(argument).replace(" ", "."))
        elif opcode.name in ("STACK_GLOBAL", "EXT1", "EXT2", "EXT4"):  # the name is not told here
            names.add(f"a name made up while it is read ({opcode.name})")
    return names


def _load(file: Path, **arguments: Any) -> Checkpoint:
    try:
        content = torch.load(file, map_location="cpu", **arguments)
    except Exception as error:  # what unpickling any bytes raises cannot be listed
        raise UserError(f"{file} cannot be read as a checkpoint: {reason_of(error)[:300]}") from error
    if not isinstance(content, dict):
        raise UserError(f"{file} is not a checkpoint of nnU-Net: it holds a {type(content).__name__}")
    return content


def _numpy_numbers() -> list[Any]:
    """For torch's list: numpy's numbers as nnU-Net logs them, losses and Dice for instance."""
    codes = np.typecodes["AllInteger"] + np.typecodes["Float"] + "?"
    return [
        *((_number, name) for name in _NUMPY_SCALAR),
        np.dtype,
        *{type(np.dtype(code)) for code in codes},
    ]


def _number(dtype: Any, content: Any) -> Any:
    """In the place of numpy's own function, which makes objects of any size and kind."""
    if not isinstance(dtype, np.dtype) or dtype.kind not in "biuf" or not isinstance(content, bytes):
        raise ValueError(f"{dtype} is not a numpy type that checkpoints may hold")
    return np.frombuffer(content, dtype, count=1)[0]
