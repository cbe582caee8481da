"""nnU-Net's plans: what is asked of the JSON before anything is made of it."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Any

from pydantic import AfterValidator, ConfigDict, Field, with_config
from typing_extensions import NotRequired, TypedDict  # Python's own are for pydantic only from 3.12 on

from nnunetv2_raemd.nnunet_files.json_file import read_json

Positive = Annotated[int | float, Field(gt=0, allow_inf_nan=False)]  # whole numbers stay whole
Finite = Annotated[int | float, Field(allow_inf_nan=False)]
Size = Annotated[int, Field(gt=0, le=100_000)]
# nnU-Net gives pictures a distance of 999 to the next
Spacing = Annotated[int | float, Field(ge=0.001, le=1000, allow_inf_nan=False)]
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
    spacing: Annotated[list[Spacing], Field(min_length=2, max_length=3)]
    median_image_size_in_voxels: Annotated[list[Positive], Field(min_length=2, max_length=3)]
    normalization_schemes: list[str]
    use_mask_for_norm: list[bool]
    architecture: Architecture


def _order_of_axes(order: list[int]) -> list[int]:
    if sorted(order) != [0, 1, 2]:
        raise ValueError(f"an order of the axes {order} does not name each of 0, 1 and 2 once")
    return order


Order = Annotated[list[int], AfterValidator(_order_of_axes)]


@with_config(_OPEN)
class Intensities(TypedDict):
    """What nnU-Net normalizes CT by."""

    mean: Finite
    std: Annotated[Finite, Field(ge=0)]
    percentile_00_5: Finite
    percentile_99_5: Finite


@with_config(_OPEN)
class Plans(TypedDict):
    """A plan of any nnU-Net v2."""

    plans_name: str
    configurations: Annotated[dict[str, Configuration], Field(min_length=1)]
    original_median_spacing_after_transp: Annotated[list[Positive], Field(min_length=3, max_length=3)]
    original_median_shape_after_transp: Annotated[list[Positive], Field(min_length=3, max_length=3)]
    transpose_forward: NotRequired[Order]
    transpose_backward: NotRequired[Order]
    foreground_intensity_properties_per_channel: NotRequired[dict[str, Intensities]]


def read_plans(file: Path, advice: str) -> Plans:
    """The plan in that file.

    Raises:
        UserError: if it is absent, no JSON, or not a plan of nnU-Net v2.
    """
    return read_json(file, Plans, advice)
