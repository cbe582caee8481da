"""One case: equality with nnU-Net's own numbers, labels and regions, and files that cannot be evaluated."""

from __future__ import annotations

import math
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import SimpleITK as sitk
from nnunetv2.evaluation.evaluate_predictions import compute_metrics
from nnunetv2.imageio.natural_image_reader_writer import NaturalImage2DIO
from nnunetv2.imageio.simpleitk_reader_writer import SimpleITKIO
from scipy import ndimage
from segmentations import SHAPE, block, noisy_labels, write_labels

from nnunetv2_raemd.errors import UserError
from nnunetv2_raemd.evaluation.case_evaluation import CaseFiles, evaluate_case
from nnunetv2_raemd.evaluation.case_results import CaseResult
from nnunetv2_raemd.evaluation.evaluation_options import EvaluationOptions
from nnunetv2_raemd.evaluation.froc_choices import HitRule
from nnunetv2_raemd.evaluation.metrics import METRICS
from nnunetv2_raemd.nnunet_files.label_set import LabelSet, Target

NODULE = LabelSet((Target("nodule", (1,)),))
NNUNET_KEYS = {
    **{"Dice": "dice", "IoU": "iou", "n_pred": "n_pred", "n_ref": "n_ref"},
    **{"TP": "tp", "FP": "fp", "FN": "fn", "TN": "tn"},
}


def files(
    folder: Path, reference: Any, prediction: Any, ending: str = ".nii.gz", **options: Any
) -> CaseFiles:
    return CaseFiles(
        "case",
        None,
        prediction=write_labels(prediction, folder / "pred" / f"case{ending}", **options),
        reference=write_labels(reference, folder / "ref" / f"case{ending}"),
        probabilities=folder / "pred" / "case.npz",
    )


def evaluated(case: CaseFiles, labels: LabelSet = NODULE, **options: Any) -> CaseResult:
    return evaluate_case(case, labels, EvaluationOptions(**options))


def refused(case: CaseFiles, labels: LabelSet = NODULE, **options: Any) -> str:
    with pytest.raises(UserError) as told:
        evaluate_case(case, labels, EvaluationOptions(**options))
    return str(told.value)


LABEL_SETS = [
    LabelSet((Target("one", (1,)), Target("two", (2,)), Target("three", (3,)))),
    LabelSet((Target("whole", (1, 2, 3)), Target("core", (2, 3)), Target("spot", (3,)))),
    LabelSet((Target("whole", (1, 2)), Target("core", (2,))), ignore_label=3),
    LabelSet((Target("inverse", (0, 1)),), ignore_label=3),
]


@pytest.mark.parametrize("labels", LABEL_SETS)
@pytest.mark.parametrize("seed", range(3))
def test_equals_nnunets_summary(tmp_path: Path, labels: LabelSet, seed: int) -> None:
    case = files(tmp_path, noisy_labels(seed, 3), noisy_labels(100 + seed, 3))
    check_against_nnunet(case, labels, SimpleITKIO())


@pytest.mark.parametrize(("in_reference", "in_prediction"), [(0, 0), (1, 0), (0, 1)])
def test_equals_nnunets_summary_for_empty_masks(
    tmp_path: Path, in_reference: int, in_prediction: int
) -> None:
    something = block(((1, 1, 1), (3, 4, 5)))
    case = files(tmp_path, something * in_reference, something * in_prediction)
    check_against_nnunet(case, NODULE, SimpleITKIO())


def test_equals_nnunets_summary_for_2d_images(tmp_path: Path) -> None:
    case = files(
        tmp_path, noisy_labels(1, 2)[3], noisy_labels(2, 2)[3], ".png", spacing_mm=(1, 1), origin_mm=(0, 0)
    )
    write_labels(noisy_labels(1, 2)[3], case.reference, spacing_mm=(1, 1), origin_mm=(0, 0))
    case = replace(case, reader="NaturalImage2DIO")
    check_against_nnunet(case, LabelSet((Target("one", (1,)), Target("two", (2,)))), NaturalImage2DIO())


def check_against_nnunet(case: CaseFiles, labels: LabelSet, reader: Any) -> None:
    keys = [target.values if len(target.values) > 1 else target.values[0] for target in labels.targets]
    expected = compute_metrics(str(case.reference), str(case.prediction), reader, keys, labels.ignore_label)[
        "metrics"
    ]
    found = evaluated(case, labels).targets
    for target, key in zip(labels.targets, keys, strict=True):
        for theirs, ours in NNUNET_KEYS.items():
            value = found[target.name].metrics[ours]
            assert value == expected[key][theirs] or (math.isnan(value) and math.isnan(expected[key][theirs]))


def test_every_metric_is_there_and_perfect_for_the_reference_itself(tmp_path: Path) -> None:
    mask = block(((1, 2, 2), (4, 6, 6)), ((5, 12, 12), (7, 14, 20)))
    found = evaluated(files(tmp_path, mask, mask))
    metrics = found.targets["nodule"].metrics
    assert set(metrics) == {metric.key for metric in METRICS}
    for metric in METRICS:
        if metric.better in ("higher", "lower", "zero"):
            assert metrics[metric.key] == (1 if metric.better == "higher" else 0), metric.key
    assert found.shape == SHAPE
    assert found.spacing_mm == pytest.approx((2.5, 0.8, 0.5))
    assert metrics["tp"] == np.count_nonzero(mask)


def test_places_are_those_in_the_whole_image(tmp_path: Path) -> None:
    reference, prediction = block(((1, 2, 3), (4, 5, 6))), block(((5, 15, 20), (6, 16, 21)))
    found = evaluated(files(tmp_path, reference, prediction)).targets["nodule"]
    assert found.lesions[0].centre == (2, 3, 4)
    assert found.false_lesions[0].centre == (5, 15, 20)
    assert found.lesions[0].volume_mm3 == pytest.approx(27 * 2.5 * 0.8 * 0.5)
    assert found.metrics["volume_error_ml"] == pytest.approx((1 - 27) / 1000)


def test_ignored_voxels_make_no_lesions(tmp_path: Path) -> None:
    reference = block(((1, 2, 2), (4, 6, 6))).astype(int)
    reference[:, 10:] = 2
    prediction = block(((1, 2, 2), (4, 6, 6)), ((5, 12, 12), (7, 14, 14)))
    found = evaluated(files(tmp_path, reference, prediction), LabelSet((Target("nodule", (1,)),), 2))
    metrics = found.targets["nodule"].metrics
    assert (metrics["dice"], metrics["hd95_mm"], metrics["false_lesions"]) == (1, 0, 0)


def test_candidates_are_those_of_the_whole_map(tmp_path: Path) -> None:
    """A brute-force search in whole arrays, of two labels, without the voxels of the ignore label."""
    labels = LabelSet((Target("one", (1,)), Target("two", (2,))), ignore_label=3)
    reference = noisy_labels(4, 3)
    case = files(tmp_path, reference, noisy_labels(5, 2))
    probabilities = np.random.default_rng(6).random((3, *SHAPE)).astype(np.float32) ** 8
    np.savez_compressed(case.probabilities, probabilities=probabilities)
    found = evaluated(case, labels, froc=True, candidate_threshold=0.3, hit_rule=HitRule.OVERLAP).targets
    for value, name in ((1, "one"), (2, "two")):
        probability = np.where(reference == 3, 0, probabilities[value])
        lesions, _ = ndimage.label(reference == value, np.ones((3, 3, 3)))
        numbers, n = ndimage.label(probability > 0.3, np.ones((3, 3, 3)))
        expected = [
            (probability[numbers == i].max(), len(set(lesions[numbers == i]) - {0})) for i in range(1, n + 1)
        ]
        assert n > 10
        candidates = found[name].candidates or ()
        assert sorted((c.score, len(c.lesions)) for c in candidates) == sorted(expected)
        assert max(n_lesions for _, n_lesions in expected) > 0


def test_candidates_of_labels_and_of_regions(tmp_path: Path) -> None:
    """Channels of labels begin with background, those of regions do not."""
    case = files(tmp_path, block(((1, 2, 2), (4, 6, 6))), block())
    probabilities = np.zeros((2, *SHAPE), np.float32)
    probabilities[1, 2, 3, 3] = 0.6
    np.savez_compressed(case.probabilities, probabilities=probabilities)
    found = evaluated(case, froc=True).targets["nodule"]
    (candidate,) = found.candidates or ()
    assert candidate.score == pytest.approx(0.6)
    assert candidate.lesions == (0,)
    np.savez_compressed(case.probabilities, probabilities=probabilities[1:])
    regions = LabelSet((Target("nodule", (1, 2)),))
    assert evaluated(case, regions, froc=True).targets == {"nodule": found}
    np.savez_compressed(case.probabilities, probabilities=np.zeros((4, *SHAPE)))
    assert "4 channels" in refused(case, regions, froc=True)
    case.probabilities.unlink()
    assert "--npz" in refused(case, froc=True)


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (
            {"spacing_mm": (2.5, 0.8, 0.6)},
            r"spacing in mm \(z, y, x\) (2.5, 0.8, 0.6) instead of (2.5, 0.8, 0.5)",
        ),
        ({"origin_mm": (-20, 13.5, -700)}, "origin in mm"),
    ],
)
def test_another_grid_is_refused_naming_both_files(
    tmp_path: Path, change: dict[str, Any], message: str
) -> None:
    case = files(tmp_path, block(), block(), **change)
    reason = refused(case)
    assert message.replace("\\", "") in reason
    assert str(case.prediction) in reason
    assert str(case.reference) in reason


def test_another_size_is_refused(tmp_path: Path) -> None:
    case = files(tmp_path, block(), block(shape=(8, 20, 23)))
    assert "size (slices, rows, columns) (8, 20, 23) instead of (8, 20, 24)" in refused(case)


def test_a_turned_image_is_refused(tmp_path: Path) -> None:
    case = files(tmp_path, block(), block())
    image = sitk.ReadImage(str(case.prediction))
    image.SetDirection((-1, 0, 0, 0, -1, 0, 0, 0, 1))
    sitk.WriteImage(image, str(case.prediction))
    assert "direction (-1, 0, 0, 0, -1, 0, 0, 0, 1) instead of" in refused(case)


@pytest.mark.parametrize("how", ["given twice", "linked"])
def test_the_reference_as_its_own_prediction_is_refused(tmp_path: Path, how: str) -> None:
    """Which would be a perfect result."""
    case = files(tmp_path, block(), block())
    if how == "given twice":
        case = replace(case, prediction=case.reference)
    else:
        case.prediction.unlink()
        case.prediction.symlink_to(case.reference)
    assert f"{case.prediction} is the reference itself" in refused(case)


def test_missing_and_broken_files_are_named(tmp_path: Path) -> None:
    case = files(tmp_path, block(), block())
    case.prediction.write_bytes(b"not an image")
    assert refused(case).startswith(f"{case.prediction} cannot be read")
    case.prediction.unlink()
    assert refused(case) == f"{case.prediction} does not exist"
    sitk.WriteImage(sitk.Image([4, 4, 4], sitk.sitkVectorUInt8, 3), str(case.prediction))
    assert "is not a segmentation" in refused(case)
