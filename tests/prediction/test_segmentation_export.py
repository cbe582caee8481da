"""Export slice by slice, against nnU-Net's of the whole scan."""

from __future__ import annotations

import zipfile
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import SimpleITK as sitk
from nnunetv2.inference import export_prediction as nnunets
from nnunetv2.utilities.plans_handling.plans_handler import PlansManager
from small_disc import files_of_at_most

from nnunetv2_raemd.errors import UserError
from nnunetv2_raemd.prediction.segmentation_export import export_prediction_from_logits

REGIONS = {"background": 0, "whole": [1, 2], "core": 2}
CLASSES = {"background": 0, "large": 1, "small": 2}
SHAPE = (14, 40, 36)  # of the image, in the axes of the array as read
BOX = [[1, 13], [3, 40], [0, 30]]


def plans(spacing: list[float], transposed: bool) -> PlansManager:
    """With what export reads of a plan."""
    order = [1, 0, 2] if transposed else [0, 1, 2]
    return PlansManager(
        {
            "dataset_name": "Dataset600_Export",
            "plans_name": "nnUNetPlans",
            "image_reader_writer": "SimpleITKIO",
            "label_manager": "LabelManager",
            "transpose_forward": order,
            "transpose_backward": order,
            "configurations": {
                "2d": {
                    "spacing": spacing,
                    "resampling_fn_probabilities": "resample_data_or_seg_to_shape",
                    "resampling_fn_probabilities_kwargs": {
                        "is_seg": False,
                        "order": 1,
                        "order_z": 0,
                        "force_separate_z": None,
                    },
                    "architecture": {},
                }
            },
        }
    )


def case(spacing: list[float], n_channels: int, transposed: bool) -> tuple[np.ndarray, dict[str, Any]]:
    """Logits at the plan's spacing, and what nnU-Net remembers of an image of 3 x 0.8 x 0.9 mm."""
    original = [3.0, 0.8, 0.9]
    if transposed:
        original = [0.8, 3.0, 0.9]
    cropped = [high - low for low, high in BOX]
    target = spacing if len(spacing) == 3 else [original[0], *spacing]
    shape = [round(n * a / b) for n, a, b in zip(cropped, original, target, strict=True)]
    logits = np.random.default_rng(0).normal(0, 3, (n_channels, *shape)).astype(np.float16)
    properties = {
        "sitk_stuff": {
            "spacing": (0.9, 0.8, 3.0),
            "origin": (1.0, 2.0, 3.0),
            "direction": (1.0, 0, 0, 0, 1.0, 0, 0, 0, 1.0),
        },
        "spacing": [3.0, 0.8, 0.9],
        "shape_before_cropping": SHAPE if not transposed else (SHAPE[0], SHAPE[1], SHAPE[2]),
        "bbox_used_for_cropping": BOX,
        "shape_after_cropping_and_before_resampling": tuple(cropped),
    }
    return logits, properties


@pytest.mark.parametrize("labels", [CLASSES, REGIONS], ids=["classes", "regions"])
@pytest.mark.parametrize("spacing", [[0.6, 0.7], [0.8, 0.9], [1.0, 0.6, 0.7]], ids=["2d", "same", "3d"])
@pytest.mark.parametrize("transposed", [False, True])
def test_files_are_nnu_nets(
    tmp_path: Path, labels: dict[str, Any], spacing: list[float], transposed: bool
) -> None:
    regions = {"regions_class_order": [1, 2]} if labels is REGIONS else {}
    dataset = {"labels": labels, "file_ending": ".nii.gz", **regions}
    manager = plans(spacing, transposed)
    logits, properties = case(spacing, 2 if labels is REGIONS else 3, transposed)
    configuration = manager.get_configuration("2d")
    for name, export in (
        ("ours", export_prediction_from_logits),
        ("nnunet", nnunets.export_prediction_from_logits),
    ):
        export(logits, dict(properties), configuration, manager, dataset, str(tmp_path / name), True)
    ours, theirs = (sitk.ReadImage(str(tmp_path / f"{name}.nii.gz")) for name in ("ours", "nnunet"))
    assert ours.GetSpacing() == theirs.GetSpacing()
    assert ours.GetOrigin() == theirs.GetOrigin()
    ours_array, theirs_array = sitk.GetArrayFromImage(ours), sitk.GetArrayFromImage(theirs)
    assert ours_array.dtype == theirs_array.dtype
    assert len(np.unique(theirs_array)) == 3
    assert np.mean(ours_array != theirs_array) < 1e-4  # ties in half precision
    probabilities = [np.load(tmp_path / f"{name}.npz")["probabilities"] for name in ("ours", "nnunet")]
    assert probabilities[0].dtype == probabilities[1].dtype == np.float32
    np.testing.assert_allclose(probabilities[0], probabilities[1], atol=2e-3)
    assert sorted(file.name for file in tmp_path.iterdir()) == [
        f"{name}.{ending}" for name in ("nnunet", "ours") for ending in ("nii.gz", "npz", "pkl")
    ]


def test_probabilities_may_take_more_than_2_gib(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Beyond, a zip archive needs the fields of zip64, which is decided before anything is written."""
    monkeypatch.setattr(zipfile, "ZIP64_LIMIT", 100)
    manager = plans([0.6, 0.7], transposed=False)
    logits, properties = case([0.6, 0.7], 3, transposed=False)
    dataset = {"labels": CLASSES, "file_ending": ".nii.gz"}
    configuration = manager.get_configuration("2d")
    export_prediction_from_logits(
        logits, properties, configuration, manager, dataset, str(tmp_path / "a"), save_probabilities=True
    )
    assert np.load(tmp_path / "a.npz")["probabilities"].shape[0] == 3


def test_a_segmentation_that_does_not_fit_on_the_disc_is_an_error(tmp_path: Path) -> None:
    """SimpleITK raises nothing, and would have it be half a scan."""
    manager = plans([0.8, 0.9], transposed=False)
    logits, properties = case([0.8, 0.9], 3, transposed=False)
    dataset = {"labels": CLASSES, "file_ending": ".nii.gz"}
    configuration = manager.get_configuration("2d")
    with files_of_at_most(1000), pytest.raises(UserError, match=r"scan.nii.gz could not be written whole"):
        export_prediction_from_logits(
            logits, properties, configuration, manager, dataset, str(tmp_path / "scan")
        )
