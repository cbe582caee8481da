"""Scans stored in another order of axes: turned, predicted and turned back without changing a voxel."""

from __future__ import annotations

import itertools
import pickle
from collections import Counter
from pathlib import Path

import numpy as np
import pytest
import SimpleITK as sitk

from nnunetv2_raemd.nnunet_files.image_header import read_image_header
from nnunetv2_raemd.prediction.scan_orientation import (
    orientation_of,
    orientation_to_turn_to,
    orientations_of_training,
    turn_back,
    turn_file,
    turned_array,
)

ALL = [
    "".join(letters)
    for axes in itertools.permutations(("LR", "AP", "SI"))
    for letters in itertools.product(*axes)
]
SOME = ["LPS", "RAS", "LSP", "ILA", "PIR", "SAL"]
VOXELS = np.random.default_rng(0).integers(0, 3, (4, 5, 6)).astype(np.uint8)


def scan() -> sitk.Image:
    image = sitk.GetImageFromArray(VOXELS)
    image.SetSpacing((0.7, 0.8, 2.5))
    image.SetOrigin((-20.5, 13.25, -702.125))
    return image


def test_there_are_48_orientations() -> None:
    assert len(set(ALL)) == 48


@pytest.mark.parametrize("stored", ALL)
def test_a_file_is_turned_and_its_segmentation_turned_back(tmp_path: Path, stored: str) -> None:
    image, turned = tmp_path / "a_0000.mha", tmp_path / "turned.mha"
    sitk.WriteImage(sitk.DICOMOrient(scan(), stored), str(image))
    assert orientation_of(read_image_header(image, "SimpleITKIO")) == stored
    turn_file(image, turned, "LPS")
    np.testing.assert_array_equal(sitk.GetArrayFromImage(sitk.ReadImage(str(turned))), VOXELS)
    segmentation = tmp_path / "a.mha"
    turned.rename(segmentation)  # one that repeats the image
    maps = np.stack([VOXELS, 10 + VOXELS]).astype(np.float32)
    np.savez_compressed(tmp_path / "a.npz", probabilities=maps)
    with (tmp_path / "a.pkl").open("wb") as stream:
        pickle.dump({"sitk_stuff": {}, "spacing": [2.5, 0.8, 0.7]}, stream)
    turn_back(segmentation, image)
    wanted, back = (sitk.ReadImage(str(file)) for file in (image, segmentation))
    in_file = sitk.GetArrayFromImage(wanted)
    np.testing.assert_array_equal(sitk.GetArrayFromImage(back), in_file)
    for getter in ("GetSpacing", "GetOrigin", "GetDirection"):
        assert getattr(back, getter)() == getattr(wanted, getter)()
    with np.load(tmp_path / "a.npz") as arrays:
        np.testing.assert_array_equal(arrays["probabilities"], np.stack([in_file, in_file + 10.0]))
    with (tmp_path / "a.pkl").open("rb") as stream:
        properties = pickle.load(stream)
    assert properties["sitk_stuff"]["direction"] == wanted.GetDirection()
    assert properties["spacing"] == list(wanted.GetSpacing()[::-1])


@pytest.mark.parametrize(("from_", "to"), list(itertools.product(SOME, SOME)))
def test_arrays_turn_as_simple_itk_turns_images(from_: str, to: str) -> None:
    start = sitk.DICOMOrient(scan(), from_)
    wanted = sitk.GetArrayFromImage(sitk.DICOMOrient(start, to))
    np.testing.assert_array_equal(turned_array(sitk.GetArrayFromImage(start), from_, to), wanted)


@pytest.mark.parametrize(
    ("stored", "training", "is_ct", "wanted"),
    [
        ("LPS", {}, True, None),
        ("RAS", {}, True, None),  # axial as well
        ("LSP", {}, True, "LPS"),
        ("LSP", {}, False, None),  # nothing is known of the training's MR
        ("LSP", {"LSP": 1, "LPS": 9}, True, None),  # the network has seen such
        ("LSP", {"LPS": 1, "RAS": 9}, True, "RAS"),
        ("LPS", {"PSR": 3}, False, "PSR"),
        (None, {"LPS": 3}, True, None),  # a picture
    ],
)
def test_what_a_scan_is_turned_to(
    stored: str | None, training: dict[str, int], is_ct: bool, wanted: str | None
) -> None:
    assert orientation_to_turn_to(stored, Counter(training), is_ct=is_ct) == wanted


def test_the_training_is_asked_first_where_it_is_there(tmp_path: Path) -> None:
    (tmp_path / "gt").mkdir()
    (tmp_path / "broken").mkdir()
    (tmp_path / "broken" / "x.nii.gz").write_bytes(b"no image")
    for name, orientation in (("a", "RAS"), ("b", "RAS"), ("c", "LPS")):
        sitk.WriteImage(sitk.DICOMOrient(scan(), orientation), str(tmp_path / "gt" / f"{name}.nii.gz"))
    folders = [tmp_path / "none", tmp_path / "broken", tmp_path / "gt"]
    assert orientations_of_training(folders, ".nii.gz", "SimpleITKIO") == {"RAS": 2, "LPS": 1}
