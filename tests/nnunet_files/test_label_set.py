"""Labels: which values a segmentation may hold."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from nnunetv2_raemd.errors import UserError
from nnunetv2_raemd.nnunet_files.label_set import labels_from_numbers, labels_of

ONE_LABEL = labels_of({"labels": {"background": 0, "nodule": 1}, "file_ending": ".nii.gz"})
REGIONS = labels_of(
    {
        "labels": {"background": 0, "whole": [1, 2], "core": [2], "ignore": 3},
        "regions_class_order": [1, 2],
        "file_ending": ".nii.gz",
    }
)


@pytest.mark.parametrize(
    "wrong", [{"nodule": 1, "mass": 1}, {"whole": [1, 2], "all": [2, 1]}, {"nodule": 1, "region": [1]}]
)
def test_two_labels_of_one_value_are_refused(wrong: dict[str, object]) -> None:
    """nnU-Net would take the last of them; results would lack the other."""
    dataset = {"labels": {"background": 0, **wrong}, "regions_class_order": [1, 2], "file_ending": ".nii.gz"}
    with pytest.raises(UserError, match="have the same value"):
        labels_of(dataset)


def labels(*values: float) -> np.ndarray:
    return np.asarray(values).reshape(1, 1, -1)


@pytest.mark.parametrize(
    ("label_set", "values", "unknown"),
    [
        (ONE_LABEL, (0, 1, 1), []),
        (ONE_LABEL, (0, 255), [255]),
        (ONE_LABEL, (0, 1, -1, 255), [-1, 255]),
        (ONE_LABEL, (0.0, 1.0, 1e300), [1e300]),
        (REGIONS, (0, 1, 2, 3), []),
        (REGIONS, (0, 4), [4]),
        (REGIONS.of_predictions, (0, 1, 2, 3), [3]),  # nnU-Net never predicts what is to be ignored
        (ONE_LABEL.of_predictions, (0, 1), []),
        (labels_from_numbers([1], 3).of_predictions, (0, 1, 2), []),
        (labels_from_numbers([1]), (0, 1, 2), []),  # the user asked for one label of several
        (labels_from_numbers([1]), (0, 255), [255]),  # none of those asked for
        (labels_from_numbers([1]), (0, 0), []),
    ],
)
def test_values_that_are_no_label(label_set: object, values: tuple[float, ...], unknown: list[float]) -> None:
    assert label_set.unknown_values(labels(*values)) == unknown  # type: ignore[attr-defined]


def test_a_prediction_of_the_ignore_label_matters_where_the_reference_counts() -> None:
    reference = labels(0, 3, 3, 1)
    told = [
        REGIONS.of_predictions.about_unknown_values(
            REGIONS.counted_prediction(prediction, reference), Path("a.nii.gz")
        )
        for prediction in (labels(0, 3, 1, 1), labels(3, 3, 1, 1))
    ]
    assert told == [None, "a.nii.gz holds values that are no label: 3"]


def test_the_sentence_names_file_and_values() -> None:
    told = ONE_LABEL.about_unknown_values(labels(*range(10)), Path("a.nii.gz"))
    assert told == "a.nii.gz holds values that are no label: 2, 3, 4, 5, 6 ..."
    assert ONE_LABEL.about_unknown_values(labels(0, 1), Path("a.nii.gz")) is None
