"""The measure of memory: what training keeps, and that plans stay within what nnU-Net was given."""

from __future__ import annotations

import copy
from dataclasses import replace
from typing import Any

import pytest
import torch
from nnunetv2.utilities.get_network_from_plans import get_network_from_plans
from planned_datasets import Planned
from torch import Tensor

from nnunetv2_raemd.plans import load_preset, raemd_plan
from nnunetv2_raemd.plans.kept_values import plain_unet_values, raemd_net_values, residual_unet_values
from nnunetv2_raemd.plans.plan_memory import estimated_memory_gb, memory_budget_gb

PER_GB = 2 * 560_000_000 / 8  # nnU-Net's planner: 2 patches of 560 million convolution outputs fill 8 GB


def network_of(configuration: dict[str, Any], *, deep_supervision: bool = True) -> Any:
    architecture = configuration["architecture"]
    return get_network_from_plans(
        architecture["network_class_name"],
        architecture["arch_kwargs"],
        architecture["_kw_requires_import"],
        input_channels=1,
        output_channels=2,
        allow_init=False,
        deep_supervision=deep_supervision,
    )


def values_kept(configuration: dict[str, Any], device: str) -> float:
    """What autograd keeps of a batch for the backward pass, weights left out; without data on "meta"."""
    kept: dict[int, Tensor] = {}

    def keep(tensor: Tensor) -> Tensor:
        kept[tensor.untyped_storage()._cdata] = tensor
        return tensor

    with torch.device(device):
        network = network_of(configuration)
        batch = torch.zeros(configuration["batch_size"], 1, *configuration["patch_size"])
        with torch.autograd.graph.saved_tensors_hooks(keep, lambda tensor: tensor):
            outputs = network(batch)
    assert outputs[0].requires_grad
    for parameter in network.parameters():
        kept.pop(parameter.untyped_storage()._cdata, None)
    return sum(tensor.untyped_storage().nbytes() for tensor in kept.values()) / 4


def measure(configuration: dict[str, Any]) -> float:
    """Half of the values that a batch keeps: nnU-Net's measure of memory, with which it fills `PER_GB`."""
    return values_kept(configuration, "meta") / 2


@pytest.mark.parametrize(
    ("planner", "preset", "configurations"),
    [
        ("default", "raemd", ["2d", "3d_lowres", "3d_cascade_fullres"]),
        ("default", "unet", ["2d", "3d_fullres"]),
        ("M", "raemd", ["2d", "3d_fullres"]),
    ],
)
def test_a_plan_for_8_gb_fits_8_gb(
    planned: Planned, planner: str, preset: str, configurations: list[str]
) -> None:
    plan = raemd_plan(planned(planner, "CT"), preset=load_preset(preset), configurations=configurations)
    assert plan["configurations"]["2d"]["patch_size"][1:] == [512, 512]
    for name in configurations:
        # as many slices as nnU-Net's batch, of which a residual encoder's take more memory each than ours
        assert 0.6 * 8 * PER_GB < measure(plan["configurations"][name]) <= 8 * PER_GB, name


@pytest.mark.parametrize(("planner", "scans"), [("default", "small"), ("M", "small"), ("M", "CT")])
def test_nnunets_networks_put_out_what_is_said_in_closed_form(
    planned: Planned, planner: str, scans: str
) -> None:
    """As they count it themselves, in the plans of all configurations."""
    closed_form = plain_unet_values if planner == "default" else residual_unet_values
    for configuration in planned(planner, scans)["configurations"].values():
        if "architecture" in configuration:
            with torch.device("meta"):
                network = network_of(configuration, deep_supervision=False)
            size = configuration["patch_size"]
            arguments = configuration["architecture"]["arch_kwargs"]
            assert closed_form(arguments, size) == network.compute_conv_feature_map_size(size)


@pytest.mark.parametrize("planner", ["default", "M"])
@pytest.mark.parametrize(
    "parts",
    [
        {},
        {"dense": True, "attention": True},
        {"dense": True, "recurrence_min_pixel_mm": None, "decoder_convolutions": 3},
        {"attention": True, "multi_scale": False, "recurrence_min_pixel_mm": 4.0},
        {"dense": True, "growth_divisor": 3, "hidden_divisor": 5},
    ],
)
def test_raemd_net_keeps_what_is_said_in_closed_form(
    planned: Planned, planner: str, parts: dict[str, Any]
) -> None:
    """To the value, as autograd's hooks count it in a forward pass without data."""
    preset = replace(load_preset(), **parts)
    plan = raemd_plan(planned(planner, "tiny"), preset=preset, configurations=["2d"])
    configuration = plan["configurations"]["2d"]
    for n_slices in (2, 5):
        one_sequence = {**configuration, "patch_size": [n_slices, 32, 64], "batch_size": 1}
        arguments = configuration["architecture"]["arch_kwargs"]
        assert raemd_net_values(arguments, [n_slices, 32, 64]) == int(measure(one_sequence))


def test_layers_that_planners_do_not_write_are_asked_of_the_network(planned: Planned) -> None:
    """Without inplace, the nonlinearity keeps its input as well, which is one map more for each."""
    plan = raemd_plan(planned("default", "tiny"), configurations=["2d"])
    known = plan["configurations"]["2d"]
    other = copy.deepcopy(known)
    other["architecture"]["arch_kwargs"]["nonlin_kwargs"]["inplace"] = False
    left_to_the_network = copy.deepcopy(known)
    del left_to_the_network["architecture"]["arch_kwargs"]["hidden_divisor"]  # the same number by default
    assert estimated_memory_gb(other) == pytest.approx(measure(other) / PER_GB, rel=1e-4)
    assert estimated_memory_gb(other) > estimated_memory_gb(known)
    assert estimated_memory_gb(left_to_the_network) == estimated_memory_gb(known)


@pytest.mark.parametrize("name", ["2d", "3d_fullres"])
@pytest.mark.parametrize("planner", ["default", "M"])
def test_rounding_the_batch_size_up_is_no_wish_for_more_memory(
    planned: Planned, planner: str, name: str
) -> None:
    """The 2D residual encoder plan has a batch of 13, where 12.6 would fill its 8 GB."""
    assert memory_budget_gb(planned(planner, "CT")["configurations"][name], 8.0) == 8.0


def test_a_plan_for_more_memory_keeps_it(planned: Planned) -> None:
    """As many sequences as fit, of nearly nnU-Net's batch of 35 slices."""
    for_24_gb = raemd_plan(planned("L", "CT"), configurations=["2d"])["configurations"]["2d"]
    assert (for_24_gb["patch_size"], for_24_gb["batch_size"]) == ([8, 512, 512], 4)
    assert 12 * PER_GB < measure(for_24_gb) <= 24 * PER_GB


@pytest.mark.parametrize("spacing_mm", [0.7, 2.5, 6.0])
@pytest.mark.parametrize(("gpu_memory_gb", "recurrence_min_pixel_mm"), [(0.1, None), (0.1, 1), (0.4, 4)])
def test_as_many_slices_as_nnunets_batch_or_all_that_fit(
    planned: Planned, gpu_memory_gb: float, recurrence_min_pixel_mm: float | None, spacing_mm: float
) -> None:
    nnunet_plan = planned("default", "tiny")
    nnunet_plan["original_median_spacing_after_transp"][0] = spacing_mm
    nnunet_plan["configurations"]["2d"]["batch_size"] = 30  # 0.08 GB: the preset grants more
    preset = replace(
        load_preset(),
        gpu_memory_gb=gpu_memory_gb,
        recurrence_min_pixel_mm=recurrence_min_pixel_mm,
        min_slices=1,
    )
    ours = raemd_plan(nnunet_plan, preset=preset, configurations=["2d"])["configurations"]["2d"]
    n_sequences, n_slices = ours["batch_size"], ours["patch_size"][0]
    assert n_sequences >= 2
    assert measure(ours) <= gpu_memory_gb * PER_GB
    like_nnunet = (n_sequences + 0.5) * n_slices >= 30
    with_one_more = measure({**ours, "batch_size": n_sequences + 1})
    assert like_nnunet or with_one_more > 0.95 * gpu_memory_gb * PER_GB


@pytest.mark.parametrize("preset", ["unet", "raemd"])
def test_the_measure_means_the_same_memory_as_for_nnunets_plain_unet(planned: Planned, preset: str) -> None:
    """Values kept for the backward pass, counted with data, per value of nnU-Net's measure.

    On the CPU, where the quicker normalization keeps a little more than what is counted.
    """
    theirs = {**planned()["configurations"]["2d"], "batch_size": 2}
    ours = raemd_plan(planned(), preset=load_preset(preset), configurations=["2d"])["configurations"]["2d"]
    per_value = [
        values_kept(configuration, "cpu")
        / network_of(configuration).compute_conv_feature_map_size(configuration["patch_size"])
        / configuration["batch_size"]
        for configuration in (ours, theirs)
    ]
    assert per_value[0] == pytest.approx(per_value[1], rel=0.04)


@pytest.mark.parametrize(("preset", "at_most"), [("raemd", 1.03), ("dense", 0.85)])
def test_a_slice_takes_about_the_memory_of_nnunets_2d(planned: Planned, preset: str, at_most: float) -> None:
    plan = planned("default", "CT")
    ours = raemd_plan(plan, preset=load_preset(preset), configurations=["2d"])["configurations"]["2d"]
    theirs = plan["configurations"]["2d"]
    n_slices = ours["batch_size"] * ours["patch_size"][0]
    assert measure(ours) / n_slices < at_most * measure(theirs) / theirs["batch_size"]
