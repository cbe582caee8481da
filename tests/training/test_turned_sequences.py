"""Sequences turned out of the slices' plane, by closed forms."""

from __future__ import annotations

import math

import numpy as np
import pytest
import torch
from batchgeneratorsv2.transforms.spatial.spatial import SpatialTransform
from tiny_trainers import MakeTrainer

from nnunetv2_raemd.nnunet_trainers.raemd import nnUNetTrainerRAEMD, nnUNetTrainerRAEMDTurned
from nnunetv2_raemd.training.turned_sequences import MAX_TILT, OutOfPlane, is_isotropic, out_of_plane

PATCH = (8, 48, 48)


def test_about_the_axis_of_the_slices_any_angle_about_others_thirty_degrees() -> None:
    np.random.seed(0)
    turn = out_of_plane(PATCH)
    for axis, limit in ((0, math.pi), (1, math.pi / 6), (2, math.pi / 6)):
        angles = [turn(dim=axis) for _ in range(500)]
        assert -limit <= min(angles) < -0.9 * limit
        assert 0.9 * limit < max(angles) <= limit


def test_enough_is_cut_out_for_the_steepest_slab() -> None:
    """The slab's diagonal rises by 48 sin(30) over its width; the smallest scale needs 1 / 0.85 as much."""
    rise = (8 * math.cos(MAX_TILT) + 48 * math.sin(MAX_TILT)) / 0.85
    assert out_of_plane(PATCH).size_before(PATCH).tolist() == [int(rise), int(48 / 0.85), int(48 / 0.85)]


def test_wide_patches_are_tilted_less_so_that_little_is_read() -> None:
    wide = out_of_plane((8, 512, 512))
    assert 8 * math.cos(wide.tilt) + 512 * math.sin(wide.tilt) == pytest.approx(4 * 8)
    assert wide.size_before((8, 512, 512))[0] == int(4 * 8 / 0.85)
    assert out_of_plane((1, 512, 512)).tilt < math.radians(0.4)
    assert out_of_plane((96, 96, 96)) == OutOfPlane(MAX_TILT)


@pytest.mark.parametrize(
    ("spacing", "isotropic"), [((1, 1, 1), True), ((2, 0.7, 0.7), True), ((2.5, 0.7, 0.7), False)]
)
def test_nnunets_threshold_is_kept(spacing: tuple[float, ...], isotropic: bool) -> None:
    assert is_isotropic(spacing) is isotropic


def spatial_step(trainer: nnUNetTrainerRAEMD) -> SpatialTransform:
    """Of the trainer's own pipeline."""
    rotation, in_2d, _, axes = trainer.configure_rotation_dummyDA_mirroring_and_inital_patch_size()
    pipeline = trainer.get_training_transforms(PATCH, rotation, None, axes, in_2d, [False])
    (step,) = [step for step in pipeline.transforms if isinstance(step, SpatialTransform)]
    return step


def test_a_ramp_across_slices_is_tilted_and_keeps_its_steepness(make_trainer: MakeTrainer) -> None:
    trainer = make_trainer(nnUNetTrainerRAEMDTurned)
    trainer.configuration_manager.configuration["spacing"] = [1.0, 1.0, 1.0]
    step = spatial_step(trainer)
    assert (step.p_rotation, step.p_scaling) == (0.7, 0.4)
    step.p_rotation, step.p_scaling = 1, 0
    np.random.seed(0)
    shape = out_of_plane(PATCH).size_before(PATCH) * 2
    ramp = torch.arange(float(shape[0]))[:, None, None].expand(*shape).clone()[None]
    tilts = []
    for _ in range(5):
        turned = step(image=ramp.clone(), segmentation=torch.zeros_like(ramp))["image"][0]
        slopes = [float(turned.diff(dim=axis)[2:5, 20:28, 20:28].mean()) for axis in range(3)]
        assert math.hypot(*slopes) == pytest.approx(1, abs=0.01)  # a turn keeps lengths
        tilts.append(math.acos(min(1.0, slopes[0])))
    # two turns of 30 degrees at most
    assert math.radians(5) < max(tilts) <= math.acos(math.cos(MAX_TILT) ** 2) + 0.02


def test_slices_far_apart_are_not_tilted_and_the_log_says_so(
    make_trainer: MakeTrainer, capsys: pytest.CaptureFixture[str]
) -> None:
    trainer, default = make_trainer(nnUNetTrainerRAEMDTurned), make_trainer(nnUNetTrainerRAEMD)
    for each in (trainer, default):
        each.configuration_manager.configuration["spacing"] = [5.0, 0.7, 0.7]
    usual = default.configure_rotation_dummyDA_mirroring_and_inital_patch_size()
    capsys.readouterr()
    chosen = trainer.configure_rotation_dummyDA_mirroring_and_inital_patch_size()
    assert "Not turned out of plane: voxels of [5.0, 0.7, 0.7] mm" in capsys.readouterr().out
    assert (chosen[:2], list(chosen[2]), chosen[3]) == (usual[:2], list(usual[2]), usual[3])
    assert spatial_step(trainer).p_rotation == 0.2


def test_sequences_are_mirrored_across_slices_in_training_only(make_trainer: MakeTrainer) -> None:
    trainer = make_trainer(nnUNetTrainerRAEMDTurned)
    trainer.configuration_manager.configuration["spacing"] = [1.0, 1.0, 1.0]
    *_, axes = trainer.configure_rotation_dummyDA_mirroring_and_inital_patch_size()
    assert axes == (0, 1, 2)
    assert trainer.inference_allowed_mirroring_axes == (1, 2)
