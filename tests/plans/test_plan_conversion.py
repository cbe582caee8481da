"""nnU-Net's plans, made by its planners, as RAEMD plans: what changes, what stays, and that it runs."""

from __future__ import annotations

import copy
import json
import re
import sys
from collections.abc import Callable
from importlib.abc import MetaPathFinder
from typing import Any

import numpy as np
import pytest
import torch
from dynamic_network_architectures.architectures.unet import PlainConvUNet
from nnunetv2.utilities.get_network_from_plans import get_network_from_plans
from nnunetv2.utilities.plans_handling.plans_handler import PlansManager
from planned_datasets import Plan, Planned

from nnunetv2_raemd.architecture import RAEMDNet
from nnunetv2_raemd.errors import UserError
from nnunetv2_raemd.plans import load_preset, raemd_plan


def network_of(plan: Plan, configuration: str, *, channels: int = 1, classes: int = 2) -> Any:
    """As nnU-Net's trainer builds it."""
    manager = PlansManager(plan).get_configuration(configuration)
    return get_network_from_plans(
        manager.network_arch_class_name,
        manager.network_arch_init_kwargs,
        manager.network_arch_init_kwargs_req_import,
        channels,
        classes,
        allow_init=True,
        deep_supervision=True,
    )


def without(mapping: Plan, *keys: str) -> Plan:
    return {key: value for key, value in mapping.items() if key not in keys}


@pytest.mark.parametrize(
    ("planner", "scans"), [("default", "small"), ("M", "small"), ("default", "PNG"), ("default", "CT")]
)
def test_only_patch_batch_and_network_change_and_once(planned: Planned, planner: str, scans: str) -> None:
    plan = planned(planner, scans)
    before = copy.deepcopy(plan)
    converted = raemd_plan(plan)
    assert plan == before
    assert without(converted, "configurations", "raemd") == without(before, "configurations")
    assert list(converted["configurations"]) == list(before["configurations"])
    for name, configuration in converted["configurations"].items():
        changed = ("patch_size", "batch_size", "architecture")
        assert all(key in configuration for key in changed)
        assert without(configuration, *changed) == without(before["configurations"][name], *changed)
    assert raemd_plan(converted) == converted
    assert json.loads(json.dumps(converted)) == converted


@pytest.mark.parametrize("planner", ["default", "M"])
@pytest.mark.parametrize("name", ["2d", "3d_fullres"])
def test_in_plane_topology_is_nnunets(planned: Planned, planner: str, name: str) -> None:
    nnunet = planned(planner)["configurations"][name]
    ours = raemd_plan(planned(planner))["configurations"][name]
    theirs, network = nnunet["architecture"]["arch_kwargs"], ours["architecture"]["arch_kwargs"]
    assert ours["patch_size"][1:] == nnunet["patch_size"][-2:]
    for key in ("strides", "kernel_sizes"):
        assert network[key] == [[1, *size[-2:]] for size in theirs[key]]
    same = ("n_stages", "features_per_stage", "conv_bias", "norm_op_kwargs")
    assert all(network[key] == theirs[key] for key in (*same, "nonlin", "nonlin_kwargs", "dropout_op"))
    assert network["norm_op"].endswith("InstanceNorm2d")


@pytest.mark.parametrize(("preset", "convolutions"), [("raemd", 1), ("dense", 2), ("unet", 2)])
def test_decoders_have_the_convolutions_of_the_preset(
    planned: Planned, preset: str, convolutions: int
) -> None:
    """One, as nnU-Net's residual encoder networks have; or nnU-Net's two, which are never exceeded."""

    def in_plan(planner: str) -> list[int]:
        plan = raemd_plan(planned(planner), preset=load_preset(preset), configurations=["2d"])
        arguments = plan["configurations"]["2d"]["architecture"]["arch_kwargs"]
        return arguments["n_conv_per_stage_decoder"]

    assert set(in_plan("default")) == {convolutions}
    assert set(in_plan("M")) == {1}


@pytest.mark.parametrize(("planner", "convolutions"), [("default", [2] * 5), ("M", [2, 3, 4, 6, 6])])
def test_residual_blocks_become_convolutions(planned: Planned, planner: str, convolutions: list[int]) -> None:
    architecture = raemd_plan(planned(planner))["configurations"]["2d"]["architecture"]
    assert architecture["arch_kwargs"]["n_conv_per_stage"] == convolutions


@pytest.mark.parametrize(
    ("planner", "scans", "name"),
    [
        ("default", "small", "2d"),
        ("default", "small", "3d_fullres"),
        ("M", "small", "2d"),
        ("default", "PNG", "2d"),
    ],
)
def test_nnunet_builds_the_network_and_it_fits_the_targets_of_deep_supervision(
    planned: Planned, planner: str, scans: str, name: str
) -> None:
    plan = raemd_plan(planned(planner, scans))
    configuration = PlansManager(plan).get_configuration(name)
    network = network_of(plan, name, channels=2, classes=3)
    assert type(network) is RAEMDNet
    patch_size = configuration.patch_size
    outputs = network(torch.randn(1, 2, *patch_size))
    # as nnUNetTrainer._get_deep_supervision_scales
    scales = (1 / np.cumprod(np.vstack(configuration.pool_op_kernel_sizes), axis=0))[:-1]
    expected = [(1, 3, *np.multiply(patch_size, scale).astype(int)) for scale in scales]
    assert [tuple(output.shape) for output in outputs] == expected


@pytest.mark.parametrize(
    ("spacing_mm", "n_slices", "patch_depth"),
    [(1.25, 250, 8), (2.5, 250, 8), (3.0, 250, 7), (5.0, 250, 4), (10.0, 250, 3), (1.25, 2, 2), (5.0, 1, 1)],
)
def test_slices_follow_from_the_median_spacing_and_scan(
    planned: Planned, spacing_mm: float, n_slices: int, patch_depth: int
) -> None:
    """20 mm of context between 3 and 8 slices, in a patch of 64 x 64 pixels that memory does not limit."""
    plan = planned()
    plan["original_median_spacing_after_transp"][0] = spacing_mm
    plan["original_median_shape_after_transp"][0] = n_slices
    ours = raemd_plan(plan, configurations=["2d"])["configurations"]["2d"]
    assert ours["patch_size"] == [patch_depth, 64, 64]
    assert ours["batch_size"] == max(2, round(4 / patch_depth))


def test_3d_configurations_have_their_own_spacing_and_slices(planned: Planned) -> None:
    plan = planned()
    plan["original_median_spacing_after_transp"][0] = 1.25  # of the scans; 2.5 of the configuration
    assert raemd_plan(plan)["configurations"]["3d_fullres"]["patch_size"][0] == 8
    plan["configurations"]["3d_fullres"]["median_image_size_in_voxels"][0] = 2
    assert raemd_plan(plan)["configurations"]["3d_fullres"]["patch_size"][0] == 2


def test_a_2d_dataset_gives_single_slices(planned: Planned) -> None:
    ours = raemd_plan(planned("default", "PNG"))["configurations"]
    assert list(ours) == ["2d"]
    assert ours["2d"]["patch_size"] == [1, 64, 96]
    assert ours["2d"]["batch_size"] == 2  # as nnU-Net's
    assert ours["2d"]["architecture"]["arch_kwargs"]["n_recurrent_stages"] == 0


def test_the_default_plan_at_512_x_512(planned: Planned) -> None:
    """8 stages, 12 slices a batch, two sequences in 8 GB; recurrence where pixels are 1.2 mm or larger."""
    plan = planned("default", "CT")
    assert plan["configurations"]["2d"]["batch_size"] == 12
    ours = raemd_plan(plan, configurations=["2d"])["configurations"]["2d"]
    network = ours["architecture"]["arch_kwargs"]
    assert network["features_per_stage"] == [32, 64, 128, 256, 512, 512, 512, 512]
    (pixel_mm, _) = plan["configurations"]["2d"]["spacing"]
    assert network["n_recurrent_stages"] == sum(pixel_mm * 2**stage >= 1.2 for stage in range(8)) == 7
    assert (ours["patch_size"], ours["batch_size"]) == ([7, 512, 512], 2)


def test_without_parts_it_is_nnunets_unet_per_slice(planned: Planned) -> None:
    plan = planned()
    theirs = network_of(plan, "2d")
    assert type(theirs) is PlainConvUNet
    ours = network_of(raemd_plan(plan, preset=load_preset("unet")), "2d")
    expected = 5 * theirs.compute_conv_feature_map_size((64, 64))
    assert ours.compute_conv_feature_map_size((5, 64, 64)) == pytest.approx(expected, rel=0.02)
    # nnU-Net's modules list their weights twice
    assert sum(p.numel() for p in ours.parameters()) == sum(p.numel() for p in theirs.parameters())


def test_the_cascade_keeps_its_stages(planned: Planned) -> None:
    plan = planned("default", "CT")
    converted = raemd_plan(plan)["configurations"]
    cascade = converted["3d_cascade_fullres"]
    assert (cascade["inherits_from"], cascade["previous_stage"]) == ("3d_fullres", "3d_lowres")
    assert converted["3d_lowres"]["next_stage"] == "3d_cascade_fullres"
    for key in ("patch_size", "batch_size", "architecture"):
        assert cascade[key] == converted["3d_fullres"][key]


def test_an_heir_with_a_batch_size_of_its_own_is_converted_by_it(planned: Planned) -> None:
    plan = planned()
    plan["configurations"]["2d_large"] = {"inherits_from": "2d", "batch_size": 32}
    ours = raemd_plan(plan)
    two_d = ours["configurations"]["2d"]
    assert (two_d["batch_size"], two_d["patch_size"][0]) == (2, 8)
    large = PlansManager(ours).get_configuration("2d_large")
    assert (large.batch_size, large.patch_size[0], large.data_identifier) == (4, 8, "nnUNetPlans_2d")
    alone = raemd_plan(plan, configurations=["2d_large"])
    assert PlansManager(alone).get_configuration("2d_large").configuration == large.configuration
    assert alone["configurations"]["2d"] == plan["configurations"]["2d"]


def test_configurations_that_are_not_named_keep_their_meaning(planned: Planned) -> None:
    plan = planned()
    plan["configurations"]["child"] = {"inherits_from": "2d", "batch_size": 7}
    plan["configurations"]["grandchild"] = {"inherits_from": "child", "spacing": [1.0, 1.5]}
    ours = raemd_plan(plan, configurations=["2d"])
    for name in ("3d_fullres", "child", "grandchild"):
        theirs = PlansManager(plan).get_configuration(name).configuration
        assert PlansManager(ours).get_configuration(name).configuration == theirs
    assert ours["configurations"]["3d_fullres"] == plan["configurations"]["3d_fullres"]
    assert raemd_plan(ours, configurations=["2d"]) == ours
    one_by_one = raemd_plan(ours, configurations=["3d_fullres", "child", "grandchild"])
    assert one_by_one["configurations"] == raemd_plan(plan)["configurations"]


def in_old_format(configuration: Plan) -> Plan:
    """As nnU-Net wrote plans before it had an `architecture` entry (2.0 to 2.3)."""
    network = configuration["architecture"]["arch_kwargs"]
    strides = np.array(network["strides"])
    return {
        **without(configuration, "architecture"),
        "UNet_class_name": "PlainConvUNet",
        "UNet_base_num_features": 32,
        "unet_max_num_features": 512,
        "n_conv_per_stage_encoder": network["n_conv_per_stage"],
        "n_conv_per_stage_decoder": network["n_conv_per_stage_decoder"],
        "num_pool_per_axis": np.log2(strides.prod(0)).astype(int).tolist(),
        "pool_op_kernel_sizes": network["strides"],
        "conv_kernel_sizes": network["kernel_sizes"],
    }


def test_a_plan_of_an_older_nnunet_gives_the_same_network(planned: Planned) -> None:
    new, old = planned(), planned()
    old["configurations"]["2d"] = in_old_format(old["configurations"]["2d"])
    before = copy.deepcopy(old)
    with pytest.warns(UserWarning, match="old nnU-Net plans format"):
        converted = raemd_plan(old, configurations=["2d"])
    assert old == before
    expected = PlansManager(raemd_plan(new, configurations=["2d"])).get_configuration("2d")
    ours = PlansManager(converted).get_configuration("2d")
    assert (ours.patch_size, ours.batch_size) == (expected.patch_size, expected.batch_size)
    assert ours.configuration["architecture"] == expected.configuration["architecture"]


def set_2d(**entries: Any) -> Callable[[Plan], object]:
    return lambda plan: plan["configurations"]["2d"].update(entries)


def set_network(**entries: Any) -> Callable[[Plan], object]:
    return lambda plan: plan["configurations"]["2d"]["architecture"]["arch_kwargs"].update(entries)


@pytest.mark.parametrize(
    ("spoil", "complaint"),
    [
        (lambda plan: plan.pop("configurations"), "not an nnU-Net v2 plan .configurations missing"),
        (lambda plan: plan.update(configurations=[]), "not an nnU-Net v2 plan .configurations missing"),
        (lambda plan: plan.pop("original_median_shape_after_transp"), "original_median_shape_after_transp"),
        (lambda plan: plan["configurations"].pop("2d"), "nnUNetPlans has no configuration 2d; it has 3d"),
        (lambda plan: plan["configurations"]["2d"].pop("spacing"), "configuration 2d .*'spacing'"),
        (lambda plan: plan["configurations"]["2d"].pop("architecture"), "configuration 2d .*UNet_class_name"),
        (set_2d(inherits_from="2e"), "configuration 2d .*2e does not exist"),
        (set_2d(inherits_from="2d"), "configuration 2d .*Circular"),
        (set_2d(patch_size=[60, 64]), "configuration 2d .*planners write it"),
        (set_2d(patch_size=None), "configuration 2d .*planners write it"),
        (set_network(strides=[[1, 1]]), "configuration 2d .*planners write it"),
        (set_network(features_per_stage=[32, 64]), "configuration 2d .*planners write it"),
        (set_network(kernel_sizes=[[3, 3]]), "configuration 2d .*planners write it"),
        (set_2d(architecture={"network_class_name": "a.SwinUNETR", "arch_kwargs": {}}), "2d .*SwinUNETR"),
    ],
)
@pytest.mark.filterwarnings("ignore:Detected old nnU-Net plans format")
def test_what_cannot_be_converted_is_named(
    planned: Planned, spoil: Callable[[Plan], object], complaint: str
) -> None:
    plan = planned()
    spoil(plan)
    with pytest.raises(UserError, match=complaint):
        raemd_plan(plan, configurations=["2d"])


@pytest.mark.parametrize("content", [[], "nnUNetPlans", None, {}, {"preset": "raemd"}])
def test_what_is_no_plan(content: Any) -> None:
    with pytest.raises(UserError, match=re.escape("this is not an nnU-Net v2 plan")):
        raemd_plan(content)


def test_a_patch_too_large_for_the_memory(planned: Planned) -> None:
    plan = planned("default", "CT")
    plan["configurations"]["2d"].update(patch_size=[1024, 1024], batch_size=3)
    with pytest.raises(UserError, match=r"2d of .*2 sequences of 3 slices of 1024 x 1024 .*8 GB"):
        raemd_plan(plan, configurations=["2d"])


class Uninstalled(MetaPathFinder):
    """Makes a package unimportable, as if it were not there."""

    def find_spec(self, fullname: str, path: object = None, target: object = None) -> None:
        if fullname.partition(".")[0] == "nnunetv2_raemd":
            raise ModuleNotFoundError(f"No module named {fullname!r}", name=fullname)


@pytest.mark.filterwarnings("ignore::FutureWarning")  # of the modules nnU-Net looks into
def test_a_raemd_plan_without_the_package_is_no_other_network(
    planned: Planned, monkeypatch: pytest.MonkeyPatch
) -> None:
    plan = raemd_plan(planned(), configurations=["2d"])
    for module in [m for m in sys.modules if m.partition(".")[0] == "nnunetv2_raemd"]:
        monkeypatch.delitem(sys.modules, module)
    monkeypatch.setattr(sys, "meta_path", [Uninstalled(), *sys.meta_path])
    with (
        pytest.warns(UserWarning, match=r"nnunetv2_raemd\.architecture\.raemd_net\.RAEMDNet not found"),
        pytest.raises(ImportError, match="Network class could not be found"),
    ):
        network_of(plan, "2d")
