"""From an nnU-Net plan to a RAEMD plan: the same data, the same in-plane topology, another network.

A configuration's patch becomes a sequence of slices [T, rows, columns]. Everything that preprocessing
depends on (spacing, data identifier, normalisation, resampling) stays, so the preprocessed data is shared.
"""

from __future__ import annotations

import copy
import re
from collections import ChainMap
from collections.abc import Iterable, Mapping, Sequence
from typing import Any

import numpy as np

from nnunetv2_raemd.errors import UserError
from nnunetv2_raemd.plans.plan_memory import memory_budget_gb, network_name, slices_in_memory
from nnunetv2_raemd.plans.preset import Preset, load_preset
from nnunetv2_raemd.plans.sequences import MIN_SEQUENCES, Volumes, sequences_per_batch, slices_per_sequence
from nnunetv2_raemd.version import __version__

RAEMD_NETWORK = "nnunetv2_raemd.architecture.raemd_net.RAEMDNet"
CONVERTED_KEYS = ("patch_size", "batch_size", "architecture")
REQUIRED_KEYS = {
    "plans_name",
    "configurations",
    "original_median_spacing_after_transp",
    "original_median_shape_after_transp",
}

Plan = dict[str, Any]
Configuration = dict[str, Any]


def raemd_plan(
    plan: Mapping[str, Any],
    *,
    preset: Preset | None = None,
    configurations: Iterable[str] | None = None,
) -> Plan:
    """The RAEMD plan for an nnU-Net plan, of nnU-Net's default or its residual encoder planners.

    Args:
        plan: content of an nnU-Net plans file; it is not changed.
        preset: settings; the default preset if none.
        configurations: names of those to convert; all if none. Those that are not named keep their meaning,
            even where they inherit from one that is. Converted ones stay as they are.

    Raises:
        UserError: if it is no nnU-Net v2 plan, a name is unknown, a network cannot be converted, or two
            sequences do not fit the memory.
    """
    check_is_plan(plan)
    converted = copy.deepcopy(dict(plan))
    names = list(plan["configurations"]) if configurations is None else list(configurations)
    for name in names:
        if name not in plan["configurations"]:
            known = ", ".join(plan["configurations"])
            raise UserError(f"the plan {plan['plans_name']} has no configuration {name}; it has {known}")
        if not is_raemd(resolve(plan, name)):
            changes = _raemd_configuration(plan, name, preset or load_preset())
            converted["configurations"][name].update(changes)
            converted["raemd"] = {"package": "nnunetv2-raemd", "version": __version__}
    _keep_heirs(plan, converted, set(names))
    return converted


def _keep_heirs(plan: Mapping[str, Any], converted: Plan, names: set[str]) -> None:
    """Write out what configurations that are not to be converted inherited from one that was."""
    for name, configuration in plan["configurations"].items():
        if name in names or "inherits_from" not in configuration:
            continue
        before, after = resolve(plan, name), resolve(converted, name)
        lost = {key: before[key] for key in CONVERTED_KEYS if before.get(key) != after.get(key)}
        converted["configurations"][name].update(copy.deepcopy(lost))


def check_is_plan(plan: object) -> None:
    """Raise a `UserError` unless this is a plan of an nnU-Net version that we can read."""
    content = plan if isinstance(plan, Mapping) else {}
    missing = sorted(REQUIRED_KEYS - content.keys())
    if missing or not content["configurations"] or not isinstance(content["configurations"], Mapping):
        raise UserError(
            f"this is not an nnU-Net v2 plan ({', '.join(missing) or 'configurations'} missing). "
            "Plans are made by nnUNetv2_plan_and_preprocess"
        )


def resolve(plan: Mapping[str, Any], name: str) -> Configuration:
    """A configuration with what it inherits (nnU-Net's `inherits_from`) and old formats leave out filled in.

    Raises:
        UserError: if nnU-Net cannot read the configuration.
    """
    configuration = _inherited(plan["configurations"], name)
    if "architecture" in configuration:
        return configuration
    from nnunetv2.utilities.plans_handling.plans_handler import PlansManager  # noqa: PLC0415 - half a second

    try:
        configuration = PlansManager(dict(plan)).get_configuration(name).configuration
    except Exception as error:  # what nnU-Net makes of any plan cannot be listed
        raise UserError(
            f"nnU-Net cannot read configuration {name} of the plan {plan['plans_name']} ({error!r}): "
            "run nnUNetv2_plan_experiment again with the installed nnU-Net"
        ) from error
    return configuration


def _inherited(configurations: Mapping[str, Any], name: str) -> Configuration:
    """A configuration over those that it inherits from; empty where nnU-Net is to say what is wrong."""
    line: dict[str, dict[str, Any]] = {}
    while name in configurations and name not in line:
        line[name] = configurations[name]
        if "inherits_from" not in line[name]:
            return copy.deepcopy(dict(ChainMap(*line.values())))
        name = line[name]["inherits_from"]
    return {}


def is_raemd(configuration: Mapping[str, Any]) -> bool:
    """Whether the configuration names RAEMD-Net already."""
    return bool(configuration.get("architecture", {}).get("network_class_name") == RAEMD_NETWORK)


def _raemd_configuration(plan: Mapping[str, Any], name: str, preset: Preset) -> Configuration:
    """The entries of a configuration that differ in the RAEMD plan; errors name the configuration."""
    configuration = resolve(plan, name)
    where = f"configuration {name} of the plan {plan['plans_name']}"
    try:
        return _converted_entries(plan, configuration, preset)
    except UserError as error:
        raise UserError(f"{where}: {error}") from error
    except Exception as error:  # nor what networks make of it
        raise UserError(
            f"{where} is not as nnU-Net's planners write it ({error!r}): "
            "run nnUNetv2_plan_experiment again with the installed nnU-Net"
        ) from error


def _converted_entries(
    plan: Mapping[str, Any], configuration: Configuration, preset: Preset
) -> Configuration:
    architecture = raemd_architecture(configuration, preset)
    volumes = _volumes(plan, configuration, architecture, preset)
    n_slices = slices_per_sequence(volumes, preset)
    if n_slices == 1:  # no other slice to learn from; torch's DDP would wait for its gradient
        architecture["arch_kwargs"]["n_recurrent_stages"] = 0
    return {
        "patch_size": [n_slices, *volumes.in_plane_size],
        "batch_size": sequences_per_batch(volumes, n_slices),
        "architecture": architecture,
    }


def _volumes(
    plan: Mapping[str, Any], configuration: Configuration, architecture: dict[str, Any], preset: Preset
) -> Volumes:
    """The dataset and configuration in terms of slices."""
    patch_size = [int(size) for size in configuration["patch_size"]]
    rows, columns = patch_size[-2:]
    is_2d = len(configuration["spacing"]) == 2
    spacing = plan["original_median_spacing_after_transp"] if is_2d else configuration["spacing"]
    shape = (
        plan["original_median_shape_after_transp"] if is_2d else configuration["median_image_size_in_voxels"]
    )
    memory_gb = memory_budget_gb(configuration, preset.gpu_memory_gb)
    return Volumes(
        slice_spacing_mm=float(spacing[0]),
        n_slices=max(1, round(shape[0])),
        in_plane_size=(rows, columns),
        slices_per_batch=configuration["batch_size"] * depth(patch_size),
        slices_in_memory=slices_in_memory(architecture, (rows, columns), memory_gb, MIN_SEQUENCES),
    )


def depth(patch_size: Sequence[int]) -> int:
    """Slices of a patch of nnU-Net, whose 2D patches have no entry for it."""
    return 1 if len(patch_size) == 2 else int(patch_size[0])


def raemd_architecture(configuration: Configuration, preset: Preset) -> dict[str, Any]:
    """The `architecture` entry of a RAEMD plan: nnU-Net's in-plane topology with the preset's parts."""
    architecture = configuration["architecture"]
    n_convolutions = _convolutions(architecture)
    arguments = architecture["arch_kwargs"]
    strides = [[1, *in_plane] for in_plane in _in_plane(arguments["strides"])]
    return {
        "network_class_name": RAEMD_NETWORK,
        "arch_kwargs": {
            "n_stages": arguments["n_stages"],
            "features_per_stage": arguments["features_per_stage"],
            "kernel_sizes": [[1, *in_plane] for in_plane in _in_plane(arguments["kernel_sizes"])],
            "strides": strides,
            "n_conv_per_stage": n_convolutions,
            "n_conv_per_stage_decoder": _decoder_convolutions(arguments, preset),
            "conv_bias": arguments["conv_bias"],
            "norm_op": _in_2d(arguments["norm_op"]),
            "norm_op_kwargs": arguments["norm_op_kwargs"],
            "dropout_op": _in_2d(arguments["dropout_op"]),
            "dropout_op_kwargs": arguments["dropout_op_kwargs"],
            "nonlin": arguments["nonlin"],
            "nonlin_kwargs": arguments["nonlin_kwargs"],
            "multi_scale": preset.multi_scale,
            "dense": preset.dense,
            "attention": preset.attention,
            "n_recurrent_stages": _recurrent_stages(
                strides, configuration["spacing"], preset.recurrence_min_pixel_mm
            ),
            "growth_divisor": preset.growth_divisor,
            "hidden_divisor": preset.hidden_divisor,
        },
        "_kw_requires_import": ["norm_op", "dropout_op", "nonlin"],
    }


def _convolutions(architecture: Mapping[str, Any]) -> list[int]:
    """Convolutions (or dense layers) per encoder stage; a residual block counts for one, at least two."""
    network = network_name(architecture)
    if network == "PlainConvUNet":
        return list(architecture["arch_kwargs"]["n_conv_per_stage"])
    if network == "ResidualEncoderUNet":
        return [max(2, n_blocks) for n_blocks in architecture["arch_kwargs"]["n_blocks_per_stage"]]
    raise UserError(
        f"the network {network} is unknown; only plans of nnU-Net's default planner (PlainConvUNet) and "
        "residual encoder planners (ResidualEncoderUNet) can be converted. Run nnUNetv2_plan_experiment with "
        "one of these"
    )


def _decoder_convolutions(arguments: Mapping[str, Any], preset: Preset) -> list[int]:
    """The preset's number for each decoder stage, at most nnU-Net's; the latter if it has none."""
    nnunet = list(arguments["n_conv_per_stage_decoder"])
    return [min(number, preset.decoder_convolutions or number) for number in nnunet]


def _in_plane(sizes: Iterable[Iterable[int]]) -> list[list[int]]:
    return [list(size)[-2:] for size in sizes]


def _in_2d(operator: str | None) -> str | None:
    """The 2D variant of a torch operator's dotted name, as in InstanceNorm3d to InstanceNorm2d."""
    return None if operator is None else re.sub(r"[123]d$", "2d", operator)


def _recurrent_stages(
    strides: list[list[int]], spacing_mm: Sequence[float], min_pixel_mm: float | None
) -> int:
    """How many of the deepest stages have pixels of at least that size; one at least."""
    if min_pixel_mm is None:
        return 0
    pixel_sizes_mm = np.cumprod(_in_plane(strides), axis=0) * spacing_mm[-2:]
    return max(1, int((pixel_sizes_mm.max(axis=1) >= min_pixel_mm).sum()))
