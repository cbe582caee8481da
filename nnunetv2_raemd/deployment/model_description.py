"""model.json: all that prediction needs of an exported model beside weights and graphs.

`docs/deployment.md` describes the layout. What is read here may come from a stranger: every entry is checked
for its kind, and no name leads out of the folder.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterator, Mapping
from dataclasses import asdict, dataclass, field, fields
from enum import Enum
from pathlib import Path, PurePosixPath
from typing import Annotated, Any

from pydantic import Field

from nnunetv2_raemd.errors import UserError
from nnunetv2_raemd.nnunet_files.dataset_json import DatasetShape
from nnunetv2_raemd.nnunet_files.json_file import parse_json, read_json
from nnunetv2_raemd.nnunet_files.plans_file import Plans
from nnunetv2_raemd.version import __version__

FILE_NAME = "model.json"
FORMAT = "nnunetv2-raemd model"
FORMAT_VERSION = 2
"""1: the graph of the recurrence gave what replaces features, and not what is added to them"""
SOUP = "soup"
"""The name of the mean of several folds' weights, in the place of a fold's number."""
ADVICE = "Copy or export the model again"
NNUNET_FILES = ("plans.json", "dataset.json")
"""plan and labels again, where the tools of nnU-Net look for them"""
WHOLE, ENCODE, RECUR, DECODE = "network", "encode", "recur", "decode"
"""the parts of a network that are graphs: all of it, or its thirds"""
Fold = Annotated[str, Field(pattern=r"^(all|soup|\d{1,3})$")]
_CHUNK = 1 << 20


class GraphFormat(str, Enum):
    """What the folder holds beside the weights."""

    NONE = "safetensors"
    ONNX = "onnx"
    OPENVINO = "openvino"


class Precision(str, Enum):
    """The numbers that the network computes with."""

    FLOAT32 = "float32"
    BFLOAT16 = "bfloat16"
    INT8 = "int8"
    INT8_BFLOAT16 = "int8 and bfloat16"

    @property
    def hint(self) -> str:
        """What OpenVINO is told to compute with, where it computes with floating point numbers."""
        return "bf16" if self in (Precision.BFLOAT16, Precision.INT8_BFLOAT16) else "f32"

    @property
    def is_int8(self) -> bool:
        return self in (Precision.INT8, Precision.INT8_BFLOAT16)


def precision_of(*, int8: bool, bfloat16: bool) -> Precision:
    """The precision of an export by its options."""
    if int8:
        return Precision.INT8_BFLOAT16 if bfloat16 else Precision.INT8
    return Precision.BFLOAT16 if bfloat16 else Precision.FLOAT32


@dataclass(frozen=True)
class FileEntry:
    """A file of the folder as it was written."""

    sha256: str
    n_bytes: int


@dataclass(frozen=True)
class ModelDescription:
    """An exported model.

    Attributes:
        folds: "0" to "4" or "all"; "soup" for the mean of several folds' weights.
        mirroring_axes: of (Z, Y, X), or of (Y, X) for 2D patches, along which predictions may be mirrored.
        of_plan: whether the plan alone tells how the network is built, without the trainer.
        n_slices: length T of the sequences of a network in three thirds; None for other networks.
        positions: of the features that its second third adds to, counted from the last (-1).
        recurrence_replaces: whether the second third's graph gives what replaces these features instead.
        size_multiple: rows and columns of its slices must be multiples of these.
        plans: nnU-Net's plan with which the model was trained: spacing, normalisation, patch, architecture.
        dataset: nnU-Net's dataset.json: channels, labels, file ending.
        postprocessing: content of postprocessing_raemd.json, if there was one.
        verification: what the export measured.
        versions: of the packages that wrote it.
        files: by their path in the folder, with "/".
    """

    trainer: str
    configuration: str
    folds: Annotated[tuple[Fold, ...], Field(min_length=1)]
    mirroring_axes: tuple[Annotated[int, Field(ge=0, le=2)], ...] | None
    graph_format: GraphFormat
    precision: Precision
    plans: dict[str, Any]
    dataset: dict[str, Any]
    of_plan: bool = False
    n_slices: Annotated[int, Field(ge=1, le=10_000)] | None = None
    positions: tuple[Annotated[int, Field(ge=-100, le=-1)], ...] = ()
    recurrence_replaces: bool = False
    size_multiple: tuple[Annotated[int, Field(ge=1, le=10_000)], ...] = (1, 1)
    postprocessing: dict[str, Any] | None = None
    verification: dict[str, Any] = field(default_factory=dict)
    versions: dict[str, str] = field(default_factory=dict)
    license: str = ""
    files: dict[str, FileEntry] = field(default_factory=dict)

    @property
    def patch_size(self) -> tuple[int, ...]:
        """Of the sliding window, (T, rows, columns) or (rows, columns)."""
        return tuple(self.plans["configurations"][self.configuration]["patch_size"])

    def summary(self) -> Iterator[str]:
        """What the export verified, a line each."""
        logits = self.verification.get("logits", {})
        for backend, by_fold in logits.get("backends", {}).items():
            worst = max(
                fold["largest_difference"] / max(1, fold["largest_logit"]) for fold in by_fold.values()
            )
            yield (
                f"{backend}: logits differ from torch's by at most {worst:.1e} of the largest "
                f"({logits['blocks']})"
            )
        for key in ("soup", "int8", "bfloat16"):
            for line in self.verification.get(key, []):
                yield f"{key}: {line}"


_KEYS = tuple(entry.name for entry in fields(ModelDescription))


def weights_name(fold: str) -> PurePosixPath:
    """Where the weights of a fold lie in the folder."""
    return PurePosixPath("weights") / f"fold_{fold}.safetensors"


def graph_name(part: str, graph_format: GraphFormat, fold: str) -> PurePosixPath:
    """Where the graph of a part lies; ONNX's serves all folds."""
    if graph_format is GraphFormat.ONNX:
        return PurePosixPath("network") / f"{part}.onnx"
    return PurePosixPath("network") / f"fold_{fold}" / f"{part}.xml"


def write_description(description: ModelDescription, folder: Path) -> None:
    """Write model.json, with the check sums of all other files of the folder."""
    files = {
        path.relative_to(folder).as_posix(): entry_of(path)
        for path in sorted(folder.rglob("*"))
        if path.is_file() and path.name != FILE_NAME
    }
    content: dict[str, Any] = {
        "format": FORMAT,
        "format_version": FORMAT_VERSION,
        "written_by": f"nnunetv2-raemd {__version__}",
        **asdict(description),
        "files": {name: asdict(entry) for name, entry in files.items()},
    }
    content["checksum"] = _checksum(content)
    (folder / FILE_NAME).write_text(json.dumps(content, indent=1) + "\n", encoding="utf-8")


def _checksum(content: Mapping[str, Any]) -> str:
    """SHA-256 of all in model.json but itself, as JSON without spaces and sorted by key."""
    others = {key: value for key, value in content.items() if key != "checksum"}
    text = json.dumps(others, sort_keys=True, separators=(",", ":"))
    return hashlib.sha256(text.encode()).hexdigest()


def entry_of(file: Path) -> FileEntry:
    """Length and SHA-256 of a file."""
    digest = hashlib.sha256()
    with file.open("rb") as stream:
        while chunk := stream.read(_CHUNK):
            digest.update(chunk)
    return FileEntry(digest.hexdigest(), file.stat().st_size)


def read_description(folder: Path) -> ModelDescription:
    """The description of the model in a folder.

    Raises:
        UserError: if it is absent, damaged, changed, of a newer version or not a description at all.
    """
    file = folder / FILE_NAME
    if not file.is_file():
        raise UserError(f"{folder} is not a model of raemd export: it holds no {FILE_NAME}")
    content = read_json(file, dict[str, Any], ADVICE)
    _check_header(content, file)
    described = {key: content[key] for key in _KEYS if key in content}
    described["recurrence_replaces"] = content["format_version"] == 1
    description = parse_json(json.dumps(described).encode(), ModelDescription, file, ADVICE)
    parse_json(json.dumps(description.plans).encode(), Plans, file, ADVICE)
    parse_json(json.dumps(description.dataset).encode(), DatasetShape, file, ADVICE)
    if description.configuration not in description.plans["configurations"]:
        raise UserError(f"{file}: the plan has no configuration {description.configuration}. {ADVICE}")
    _check_parts(description, file)
    return description


def _check_parts(description: ModelDescription, file: Path) -> None:
    """What the description says of the network's thirds must be what its plan and its graphs say."""
    patch = description.plans["configurations"][description.configuration].get("patch_size", ())
    if description.n_slices is not None and len(patch) == 3 and patch[0] != description.n_slices:
        raise UserError(
            f"{file}: n_slices is {description.n_slices}, and the plan has sequences of {patch[0]}. {ADVICE}"
        )
    has_recurrence = any(PurePosixPath(name).stem == RECUR for name in description.files)
    if description.graph_format is not GraphFormat.NONE and has_recurrence != bool(description.positions):
        raise UserError(
            f"{file}: positions is {list(description.positions)}, and the folder has "
            f"{'a' if has_recurrence else 'no'} graph of the recurrence. {ADVICE}"
        )


def check_same_json(file: Path, expected: Mapping[str, Any]) -> None:
    """Raise a `UserError` unless a file says of plan or labels what model.json, which decides, says."""
    found = read_json(file, dict[str, Any], ADVICE)
    differing = sorted(
        key for key in {*found, *expected} if json.dumps(found.get(key)) != json.dumps(expected.get(key))
    )
    if differing:
        raise UserError(
            f"{file} and {FILE_NAME} beside it are of different models: {', '.join(differing[:3])} differ. "
            f"{ADVICE}"
        )


def _check_header(content: Mapping[str, Any], file: Path) -> None:
    if content.get("format") != FORMAT:
        raise UserError(f"{file} was not written by raemd export: its format is {content.get('format')!r}")
    version = content.get("format_version")
    if type(version) is not int or version < 1:
        raise UserError(f"{file}: its format_version is {version!r}, which is none. {ADVICE}")
    if version > FORMAT_VERSION:
        raise UserError(
            f"{file} was written by a newer version ({content.get('written_by')}, format {version}); the "
            f"installed nnunetv2-raemd {__version__} reads format {FORMAT_VERSION}. Update nnunetv2-raemd"
        )
    if content.get("checksum") != _checksum(content):
        raise UserError(
            f"{file} was changed or damaged after the export: its check sum is not the one that it names. "
            f"{ADVICE}"
        )


def checked_file(folder: Path, name: PurePosixPath, description: ModelDescription) -> Path:
    """The path of a file of the model, which is as it was exported.

    Raises:
        UserError: if it is missing, not a plain file within the folder, or differs from what was exported;
            the message names it and both check sums.
    """
    file = folder.joinpath(*name.parts)
    expected = description.files.get(str(name))
    if expected is None or not file.is_file():
        raise UserError(f"{file} is missing. {ADVICE}")
    if file.is_symlink() or not file.resolve().is_relative_to(folder.resolve()):
        raise UserError(f"{file} is a link, which an exported model does not hold")
    if file.stat().st_size != expected.n_bytes:
        raise UserError(
            f"{file} was changed or damaged after the export: it has {file.stat().st_size} bytes, not "
            f"{expected.n_bytes}. {ADVICE}"
        )
    found = entry_of(file)
    if found.sha256 != expected.sha256:
        raise UserError(
            f"{file} was changed or damaged after the export: its SHA-256 is {found.sha256}, not "
            f"{expected.sha256}. {ADVICE}"
        )
    return file
