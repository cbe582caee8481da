"""nnU-Net's plans: what is asked of the JSON before anything is made of it."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Any

from pydantic import ConfigDict, Field, with_config
from typing_extensions import TypedDict  # Python's own is for pydantic only from 3.12 on

from nnunetv2_raemd.nnunet_files.json_file import read_json

Positive = Annotated[int | float, Field(gt=0, allow_inf_nan=False)]  # whole numbers stay whole
Size = Annotated[int, Field(gt=0)]
_OPEN = ConfigDict(extra="allow")


@with_config(_OPEN)
class Architecture(TypedDict):
    """The network of a configuration, by the name of its class."""

    network_class_name: str
    arch_kwargs: dict[str, Any]
    _kw_requires_import: list[str]


@with_config(_OPEN)
class Configuration(TypedDict, total=False):
    """A configuration of a plan; what is not here may be inherited, or is of an older plan."""

    inherits_from: str
    previous_stage: str | None
    data_identifier: str
    preprocessor_name: str
    batch_size: Size
    patch_size: Annotated[list[Size], Field(min_length=2, max_length=3)]
    spacing: Annotated[list[Positive], Field(min_length=2, max_length=3)]
    median_image_size_in_voxels: Annotated[list[Positive], Field(min_length=2, max_length=3)]
    normalization_schemes: list[str]
    use_mask_for_norm: list[bool]
    architecture: Architecture


@with_config(_OPEN)
class Plans(TypedDict):
    """A plan of any nnU-Net v2."""

    plans_name: str
    configurations: Annotated[dict[str, Configuration], Field(min_length=1)]
    original_median_spacing_after_transp: Annotated[list[Positive], Field(min_length=3, max_length=3)]
    original_median_shape_after_transp: Annotated[list[Positive], Field(min_length=3, max_length=3)]


def read_plans(file: Path, advice: str) -> Plans:
    """The plan in that file.

    Raises:
        UserError: if it is absent, no JSON, or not a plan of nnU-Net v2.
    """
    return read_json(file, Plans, advice)
