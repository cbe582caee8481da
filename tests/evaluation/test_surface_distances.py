"""HD95 and ASSD: by hand, against DeepMind's own code on whole volumes, and on shared reference masks."""

from __future__ import annotations

import math
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import SimpleITK as sitk
from scipy import ndimage
from segmentations import SPACING_MM, block

from nnunetv2_raemd.errors import UserError
from nnunetv2_raemd.evaluation import surface_distances
from nnunetv2_raemd.evaluation.surface_distances import find_surface, surface_metrics, weighted_percentile
from nnunetv2_raemd.volumes.components import find_components


def measured(reference: Any, prediction: Any, spacing_mm: Sequence[float] = SPACING_MM) -> dict[str, float]:
    return surface_metrics(*(find_surface(find_components(m), spacing_mm) for m in (reference, prediction)))


def deepmind(reference: Any, prediction: Any, spacing_mm: Sequence[float]) -> dict[str, float]:
    """The same by the package that defines it, on the whole volume."""
    package = pytest.importorskip("surface_distance.metrics")
    found = package.compute_surface_distances(reference, prediction, spacing_mm)
    distances = np.concatenate([found["distances_gt_to_pred"], found["distances_pred_to_gt"]])
    areas = np.concatenate([found["surfel_areas_gt"], found["surfel_areas_pred"]])
    return {
        "hd95_mm": package.compute_robust_hausdorff(found, 95),
        "assd_mm": float((distances * areas).sum() / areas.sum()),
    }


def blobs(seed: int, shape: Sequence[int] = (18, 40, 44)) -> tuple[Any, Any]:
    """Two alike masks of several components, some at the border of the image."""
    rng = np.random.default_rng(seed)
    smooth = [ndimage.gaussian_filter(rng.normal(size=shape), 2) for _ in range(2)]
    fields = [smooth[0], smooth[0] + smooth[1]]
    return fields[0] > 1.2 * fields[0].std(), fields[1] > 1.2 * fields[1].std()


def test_equal_masks_are_at_no_distance() -> None:
    mask = block(((2, 4, 4), (5, 9, 9)), ((6, 12, 12), (8, 14, 20)))
    assert measured(mask, mask) == {"hd95_mm": 0, "assd_mm": 0}


@pytest.mark.parametrize(("axis", "steps"), [(0, 5), (1, 12), (2, 15)])
def test_a_voxel_moved_along_one_axis(axis: int, steps: int) -> None:
    """All eight corners move by the same way, farther than the voxel is wide."""
    mask = block(((1, 2, 2), (2, 3, 3)))
    moved = np.roll(mask, steps, axis)
    shortest = (steps - 1) * SPACING_MM[axis]  # the corners that face each other
    longest = steps * SPACING_MM[axis]
    found = measured(mask, moved)
    assert found["hd95_mm"] == pytest.approx(longest)
    assert found["assd_mm"] == pytest.approx((shortest + longest) / 2)  # half of the corners each


@pytest.mark.filterwarnings("ignore:Please import")
@pytest.mark.parametrize("seed", range(4))
@pytest.mark.parametrize("spacing_mm", [SPACING_MM, (1.0, 1.0, 1.0), (0.7, 3.0, 1.1)])
def test_equals_deepminds_on_the_whole_volume(seed: int, spacing_mm: Sequence[float]) -> None:
    reference, prediction = blobs(seed)
    assert len(find_components(reference)) > 1
    assert measured(reference, prediction, spacing_mm) == pytest.approx(
        deepmind(reference, prediction, spacing_mm), rel=1e-6
    )


@pytest.mark.filterwarnings("ignore:Please import")
def test_lesions_far_apart_need_no_common_box() -> None:
    reference = block(((1, 1, 1), (3, 4, 5)), ((20, 50, 60), (23, 58, 66)), shape=(24, 60, 70))
    prediction = block(((2, 1, 2), (4, 5, 5)), ((12, 3, 60), (13, 5, 63)), shape=(24, 60, 70))
    assert measured(reference, prediction) == pytest.approx(
        deepmind(reference, prediction, SPACING_MM), rel=1e-6
    )


def test_slabs_give_the_same_as_one_piece(monkeypatch: pytest.MonkeyPatch) -> None:
    masks = blobs(7)
    whole = measured(*masks)
    monkeypatch.setattr(surface_distances, "_VOXELS_AT_ONCE", 1)
    assert measured(*masks) == pytest.approx(whole, rel=1e-12)


@pytest.mark.filterwarnings("ignore:Please import")
def test_one_slice_is_measured_by_its_contours() -> None:
    reference, prediction = blobs(3, (9, 50, 60))
    expected = deepmind(reference[4], prediction[4], SPACING_MM[1:])
    assert measured(reference[4:5], prediction[4:5], (999, *SPACING_MM[1:])) == pytest.approx(
        expected, rel=1e-6
    )


def test_empty_masks_have_the_documented_values() -> None:
    something, nothing = block(((1, 1, 1), (2, 2, 2))), block()
    assert all(math.isnan(value) for value in measured(nothing, nothing).values())
    for pair in ((something, nothing), (nothing, something)):
        assert measured(*pair) == {"hd95_mm": math.inf, "assd_mm": math.inf}


def test_weighted_percentile_by_hand() -> None:
    values, weights = np.array([3.0, 1.0, 2.0]), np.array([1.0, 18.0, 1.0])
    assert weighted_percentile(values, weights, 90) == 1
    assert weighted_percentile(values, weights, 95) == 2
    assert weighted_percentile(values, weights, 96) == 3


def test_reference_masks_of_meshmetrics(real_data: Path) -> None:
    """Its authors give HD95 15.033 for voxel surfels, and for meshes HD95 15.0 and ASSD 14.402."""
    folder = real_data / "metrics" / "meshmetrics" / "data"
    images = [sitk.ReadImage(str(folder / f"example_3d_{name}_mask.nii.gz")) for name in ("ref", "pred")]
    reference, prediction = (sitk.GetArrayFromImage(image) > 0 for image in images)
    found = measured(reference, prediction, images[0].GetSpacing()[::-1])
    assert found["hd95_mm"] == pytest.approx(15.033, abs=5e-4)
    assert found["assd_mm"] == pytest.approx(14.402, abs=0.05)


def test_without_monai_the_error_says_what_to_install(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "monai.metrics.utils", None)
    with pytest.raises(UserError, match=r'pip install "nnunetv2-raemd\[evaluation\]"'):
        surface_distances.monai_mask_edges()
