"""One case as the viewer gets it."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from trained_folders import SHAPE, SPACING_MM, write_volume

from nnunetv2_raemd.errors import UserError
from nnunetv2_raemd.evaluation.case_evaluation import CaseFiles
from nnunetv2_raemd.nnunet_files.case_images import CaseImage, find_images
from nnunetv2_raemd.nnunet_files.label_set import LabelSet, Target
from nnunetv2_raemd.report.shown_case import show_case
from nnunetv2_raemd.report.slice_pictures import outline

LABELS = LabelSet((Target("whole", (1, 2)), Target("core", (2,))), ignore_label=3)


def files_of(folder: Path, **predictions: np.ndarray) -> dict[str, CaseFiles]:
    """A reference with a core and an ignored corner, and the predictions of some systems."""
    labels = np.zeros(SHAPE, np.uint8)
    labels[4:7, 10:20, 12:22] = 1
    labels[5, 13:16, 15:18] = 2
    labels[5, 18:20, 12:22] = 3
    write_volume(labels, folder / "reference.nii.gz")
    for name, voxels in predictions.items():
        write_volume(voxels, folder / f"{name}.nii.gz")
    return {
        name: CaseFiles(
            "case", "0", folder / f"{name}.nii.gz", folder / "reference.nii.gz", folder / "none.npz"
        )
        for name in predictions
    }


def image_of(folder: Path, shape: tuple[int, ...] = SHAPE) -> CaseImage:
    write_volume(np.full(shape, -800, np.int16), folder / "image.nii.gz")
    return CaseImage(folder / "image.nii.gz", "CT")


def test_regions_and_the_ignore_label(tmp_path: Path) -> None:
    everywhere = np.ones(SHAPE, np.uint8)
    shown = show_case(files_of(tmp_path, ours=everywhere), image_of(tmp_path), LABELS)
    assert shown.problems == ()
    (middle,) = [s for s in shown.content["slices"] if s["number"] == 6]
    whole, counted = np.zeros(SHAPE[1:], bool), np.ones(SHAPE[1:], bool)
    whole[10:18, 12:22], counted[18:20, 12:22] = True, False
    core = np.zeros(SHAPE[1:], bool)
    core[13:16, 15:18] = True
    assert middle["outlines"]["Reference"] == {"whole": outline(whole), "core": outline(core)}
    assert middle["outlines"]["ours"] == {"whole": outline(counted)}


def test_an_image_that_holds_no_hu_is_named(tmp_path: Path) -> None:
    files, image = files_of(tmp_path, ours=np.ones(SHAPE, np.uint8)), image_of(tmp_path)
    write_volume(np.full(SHAPE, 224, np.int16), image.file)
    (problem,) = show_case(files, image, LABELS).problems
    assert problem.startswith(f"{image.file}: its values do not look like HU (from 224 to 224)")
    assert show_case(files, replace(image, channel="PET"), LABELS).problems == ()


def test_the_frame(tmp_path: Path) -> None:
    shown = show_case(files_of(tmp_path, ours=np.zeros(SHAPE, np.uint8)), image_of(tmp_path), LABELS)
    content = shown.content
    assert [s["number"] for s in content["slices"]] == list(range(3, 10))
    assert (content["depth"], content["height"], content["width"]) == SHAPE
    assert content["spacing"] == pytest.approx(SPACING_MM)
    x, y, side = content["closeUp"]
    assert (x, y, side) == (12 + 5 - 16, 0, 32)  # centred on the nodule, but within the slice


def test_what_lies_on_another_grid_is_left_out(tmp_path: Path) -> None:
    files = files_of(tmp_path, ours=np.ones((3, 4, 5), np.uint8), theirs=np.ones(SHAPE, np.uint8))
    shown = show_case(files, image_of(tmp_path, (2, 2, 2)), LABELS)
    assert [name in shown.problems[i] for i, name in enumerate(("ours.nii.gz", "image.nii.gz"))] == [
        True,
        True,
    ]
    assert shown.content["slices"][0]["image"] is None
    assert shown.content["slices"][0]["outlines"].keys() == {"Reference", "theirs"}


def test_no_case_without_its_reference(tmp_path: Path) -> None:
    files = files_of(tmp_path, ours=np.ones(SHAPE, np.uint8))
    (tmp_path / "reference.nii.gz").unlink()
    with pytest.raises(UserError, match=r"reference\.nii\.gz does not exist"):
        show_case(files, image_of(tmp_path), LABELS)


def test_images_are_found_as_nnunet_finds_them(tmp_path: Path) -> None:
    listed = '"dataset": {"b": {"images": ["elsewhere/b_ct.nrrd"], "label": "b.nrrd"}}'
    labels = '"labels": {"background": 0, "nodule": 1}'
    description = f'{{{labels}, "file_ending": ".nrrd", "channel_names": {{"0": "CT"}}, {listed}}}'
    (tmp_path / "dataset.json").write_text(description, encoding="utf-8")
    images = find_images(tmp_path, ["a", "b"], ".nrrd")
    assert images["a"] == CaseImage(tmp_path / "imagesTr" / "a_0000.nrrd", "CT")
    assert images["b"] == CaseImage(tmp_path / "elsewhere" / "b_ct.nrrd", "CT")
    assert find_images(tmp_path / "absent", ["a"], ".mha")["a"].file.name == "a_0000.mha"


def test_the_close_up_is_of_the_largest_lesion(tmp_path: Path) -> None:
    shape = (3, 200, 300)
    labels = np.zeros(shape, np.uint8)
    labels[1, 20:24, 20:24] = labels[1, 140:160, 200:230] = 1
    write_volume(labels, tmp_path / "both.nii.gz")
    file = tmp_path / "both.nii.gz"
    files = {"ours": CaseFiles("case", None, file, file, tmp_path / "none.npz")}
    content = show_case(files, image_of(tmp_path, shape), LABELS).content
    assert content["closeUp"] == [215 - 45, 150 - 45, 90]


def test_a_case_without_lesion_opens_where_something_was_predicted(tmp_path: Path) -> None:
    predicted = np.zeros(SHAPE, np.uint8)
    predicted[2, 30, 20] = predicted[8, 30:34, 20:24] = 1
    files = files_of(tmp_path, ours=predicted)
    write_volume(np.zeros(SHAPE, np.uint8), tmp_path / "reference.nii.gz")
    content = show_case(files, image_of(tmp_path), LABELS).content
    assert content["slices"][content["start"]]["number"] == 9
    assert content["closeUp"] == [22 - 16, 32 - 16, 32]


def test_a_case_with_nothing_in_it(tmp_path: Path) -> None:
    files = files_of(tmp_path, ours=np.zeros(SHAPE, np.uint8))
    write_volume(np.zeros(SHAPE, np.uint8), tmp_path / "reference.nii.gz")
    content = show_case(files, image_of(tmp_path), LABELS).content
    assert ([s["number"] for s in content["slices"]], content["start"], content["closeUp"]) == ([7], 0, None)
