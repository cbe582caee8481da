"""nnU-Net's measure of memory (see `plan_memory`) of its networks and ours, in closed form.

The networks tell it themselves (`compute_conv_feature_map_size`), but only after torch was imported and they
were built and run without data, which takes seconds. What is written here holds for the normalization and
nonlinearity of nnU-Net's planners (`is_known`), and for sequences of two slices and more.
"""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from itertools import pairwise
from typing import Any

N_CLASSES = 2
# Per channel of a slice, the normalization keeps a mean, a deviation and the weight that it was given
NORMALIZATION_VALUES = 3


@dataclass(frozen=True)
class _Stage:
    """One resolution of a U-Net: its channels, (T, rows, columns) or as many axes as the patch has."""

    channels: int
    size: tuple[int, ...]
    n_conv: int

    @property
    def values(self) -> int:
        """Those of one map of all channels."""
        return self.channels * math.prod(self.size)


def is_known(arguments: Mapping[str, Any]) -> bool:
    """Whether the layers are those of nnU-Net's planners: instance normalization, leaky ReLU, no dropout."""
    normalization, nonlinearity = (arguments.get(f"{name}_kwargs") or {} for name in ("norm_op", "nonlin"))
    return bool(
        str(arguments.get("norm_op")).rpartition(".")[2].startswith("InstanceNorm")
        and normalization.get("affine")
        and not normalization.get("track_running_stats")
        and arguments.get("dropout_op") is None
        and str(arguments.get("nonlin")).rpartition(".")[2] == "LeakyReLU"
        and nonlinearity.get("inplace")
    )


def plain_unet_values(arguments: Mapping[str, Any], size: Sequence[int]) -> int:
    """Values that the convolutions of nnU-Net's `PlainConvUNet` put out, without deep supervision."""
    stages = _stages(arguments, size, arguments["n_conv_per_stage"])
    return sum(stage.n_conv * stage.values for stage in stages) + _decoder_outputs(arguments, stages)


def residual_unet_values(arguments: Mapping[str, Any], size: Sequence[int]) -> int:
    """The same of `ResidualEncoderUNet`: two in each block, three where it changes channels or size."""
    stages = _stages(arguments, size, arguments["n_blocks_per_stage"])
    stem = _Stage(stages[0].channels, tuple(size), 1)
    encoder = stem.values
    for before, stage in pairwise([stem, *stages]):
        is_projected = (before.channels, before.size) != (stage.channels, stage.size)
        encoder += (2 * stage.n_conv + is_projected) * stage.values
    return encoder + _decoder_outputs(arguments, stages)


def _decoder_outputs(arguments: Mapping[str, Any], stages: Sequence[_Stage]) -> int:
    """Of each stage an up-sampling and the convolutions; of the finest, the classes."""
    n_convs = _per_stage(arguments["n_conv_per_stage_decoder"], len(stages) - 1)
    skips = list(reversed(stages[:-1]))
    features = sum((1 + n_conv) * skip.values for skip, n_conv in zip(skips, n_convs, strict=True))
    return features + N_CLASSES * math.prod(stages[0].size)


def raemd_net_values(arguments: Mapping[str, Any], size: Sequence[int]) -> int:
    """Half of the values that RAEMD-Net keeps of a sequence (T, rows, columns) of at least two slices.

    Raises:
        KeyError: if a part is left to its default, which is the network's.
    """
    stages = _stages(arguments, size, arguments["n_conv_per_stage"])
    kept = math.prod(size)  # the image
    kept += sum(_stage_values(arguments, stage, stage.n_conv) for stage in stages)
    if n_recurrent := arguments["n_recurrent_stages"]:
        kept += _recurrence_values(stages[-n_recurrent], arguments["hidden_divisor"])
    n_convs = _per_stage(arguments["n_conv_per_stage_decoder"], len(stages) - 1)
    for skip, n_conv in zip(reversed(stages[:-1]), n_convs, strict=True):
        kept += _decoder_stage_values(arguments, skip, n_conv)
    return kept // 2


def _stage_values(arguments: Mapping[str, Any], stage: _Stage, n_layers: int) -> int:
    """Of an encoder stage, which is a sequence of convolutions or a dense block after an entry."""
    if not arguments["dense"]:
        return n_layers * _convolution_values(stage, stage.channels)
    return _dense_values(stage, n_layers, arguments["growth_divisor"])


def _dense_values(stage: _Stage, n_layers: int, growth_divisor: int) -> int:
    """An entry and `n_layers` layers, which share the channels as in `dense_shares`, and all together."""
    if not n_layers:
        return _convolution_values(stage, stage.channels)
    growth = max(1, min(stage.channels // growth_divisor, stage.channels // (2 * n_layers)))
    entry = stage.channels - n_layers * growth
    return _convolution_values(stage, entry) + n_layers * _convolution_values(stage, growth) + stage.values


def _decoder_stage_values(arguments: Mapping[str, Any], skip: _Stage, n_conv: int) -> int:
    if arguments["dense"]:
        kept = _dense_values(skip, n_conv - 1, arguments["growth_divisor"])
    else:
        kept = 2 * skip.values + n_conv * _convolution_values(skip, skip.channels)
    return kept + (_attention_values(skip) if arguments["attention"] else 0)


def _convolution_values(stage: _Stage, channels: int) -> int:
    """Of a convolution with so many channels: its output before and after normalization."""
    n_slices, rows, columns = stage.size
    return n_slices * channels * (2 * rows * columns + NORMALIZATION_VALUES)


def _attention_values(stage: _Stage) -> int:
    """The spatial mask, the result, and per channel means, maxima (and where they are, 64 bits) and masks."""
    n_slices, rows, columns = stage.size
    hidden = max(4, stage.channels // 16)
    return stage.values + n_slices * (rows * columns + 6 * stage.channels + 2 * hidden)


def _recurrence_values(stage: _Stage, hidden_divisor: int) -> int:
    """Of each slice gates, cell state and hidden features of both directions, and what they are added to."""
    n_slices, rows, columns = stage.size
    hidden = 2 * max(1, stage.channels // hidden_divisor) * rows * columns
    gates, cell_tanh, joined = 4 * hidden, hidden, hidden
    handed_on = 2 * hidden
    return n_slices * (gates + cell_tanh + joined) + (n_slices - 1) * handed_on + stage.values


def _stages(arguments: Mapping[str, Any], size: Sequence[int], n_convs: Any) -> list[_Stage]:
    """The encoder's, finest first.

    Raises:
        ValueError: if the arguments or the size are not those of a network of so many stages.
    """
    n_stages = arguments["n_stages"]
    if len(kernel_sizes := _per_stage(arguments["kernel_sizes"], n_stages)) != n_stages:
        raise ValueError(f"{len(kernel_sizes)} kernel sizes are not one for each of {n_stages} stages")
    return [
        _Stage(channels, stage_size, n_conv)
        for channels, stage_size, n_conv in zip(
            _per_stage(arguments["features_per_stage"], n_stages),
            _sizes(arguments["strides"], size),
            _per_stage(n_convs, n_stages),
            strict=True,
        )
    ]


def _sizes(strides: Sequence[Any], size: Sequence[int]) -> Iterator[tuple[int, ...]]:
    current = tuple(size)
    for stride in strides:
        steps = _per_stage(stride, len(current))
        if any(n % step for n, step in zip(current, steps, strict=True)):
            raise ValueError(f"a patch of {list(size)} cannot be divided by the strides {strides}")
        current = tuple(n // step for n, step in zip(current, steps, strict=True))
        yield current


def _per_stage(value: Any, n_stages: int) -> list[Any]:
    """One value per stage, given as such or as one number for all of them, as nnU-Net's plans have it."""
    return [value] * n_stages if isinstance(value, int) else list(value)
