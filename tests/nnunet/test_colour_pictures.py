"""A model of pictures with three channels in one file (RGB), predicted by nnU-Net's command and ours."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from nnunet_models import RAEMD, SEQUENTIALLY
from nnunet_workspace import (
    PLANNER,
    PREPROCESS,
    Workspace,
    narrow_plan,
    noisy_spheres,
    write_dataset_json,
    write_png,
)
from nnunetv2.experiment_planning.plan_and_preprocess_entrypoints import plan_and_preprocess_entry
from nnunetv2.inference.predict_from_raw_data import predict_entry_point
from skimage import io

DATASET = "Dataset504_Colours"
MODEL = ("-d", 504, "-c", "2d", "-tr", RAEMD, "-f", 0, "-device", "cpu")
ARGUMENTS = (*MODEL, "--save_probabilities", *SEQUENTIALLY)


def picture(seed: int) -> tuple[np.ndarray, np.ndarray]:
    """(48, 48, 3) with the object in red, its negative in green and noise in blue, and its labels."""
    image, labels = noisy_spheres(seed, (10, 48, 48))
    red = np.clip(image[5] / 8 + 128, 0, 255).astype(np.uint8)
    blue = np.random.default_rng(seed).integers(0, 256, red.shape).astype(np.uint8)
    return np.stack([red, 255 - red, blue], axis=-1), labels[5]


def save_picture(image: np.ndarray, file: Path) -> None:
    file.parent.mkdir(parents=True, exist_ok=True)
    io.imsave(file, image, check_contrast=False)


@pytest.fixture(scope="module")
def colours(tmp_path_factory: pytest.TempPathFactory) -> Workspace:
    """A model of pictures, and no other dataset."""
    folder = tmp_path_factory.mktemp("colours")
    workspace = Workspace(folder / "raw", folder / "preprocessed", folder / "results")
    raw = workspace.raw / DATASET
    for case in range(5):
        image, labels = picture(40 + case)
        save_picture(image, raw / "imagesTr" / f"case_{case}_0000.png")
        write_png(labels, raw / "labelsTr" / f"case_{case}.png")
    write_dataset_json(
        raw,
        channel_names={"0": "R", "1": "G", "2": "B"},
        labels={"background": 0, "object": 1},
        file_ending=".png",
    )
    workspace.run_here(plan_and_preprocess_entry, *PREPROCESS, "-d", 504, "-c", "2d", **PLANNER)
    narrow_plan(workspace.preprocessed / DATASET)
    workspace.train(504, "2d", 0, "-tr", RAEMD)
    return workspace


def probabilities(folder: Path, case: str) -> np.ndarray:
    with np.load(folder / f"{case}.npz") as arrays:
        return np.asarray(arrays["probabilities"])


def test_colours_are_predicted_as_by_nnunetv2_predict(colours: Workspace, tmp_path: Path) -> None:
    """And a grey picture among them is refused and named."""
    scans, ours, theirs = tmp_path / "in", tmp_path / "ours", tmp_path / "theirs"
    image, _ = picture(60)
    save_picture(image, scans / "usual_0000.png")
    save_picture(image[..., ::-1], scans / "blue_first_0000.png")
    colours.run_here(predict_entry_point, "-i", scans, "-o", theirs, *ARGUMENTS)
    save_picture(image[..., 0], scans / "grey_0000.png")
    finished = colours.raemd("predict", "-i", scans, "-o", ours, *ARGUMENTS)
    assert finished.returncode == 1
    assert "grey: the model takes 3 channel(s)" in " ".join(finished.stdout.split())
    assert not (ours / "grey.png").exists()
    for case in ("usual", "blue_first"):
        # nnU-Net's weights in half precision are coarse in the corners: up to 0.006 were seen
        np.testing.assert_allclose(
            probabilities(ours, case).astype(float), probabilities(theirs, case).astype(float), atol=0.01
        )
        found, expected = (io.imread(folder / f"{case}.png") for folder in (ours, theirs))
        assert found.shape == expected.shape == (48, 48)
        # ties between classes may fall either way in half precision
        assert np.count_nonzero(found != expected) <= 0.005 * found.size
    unlike = np.abs(probabilities(ours, "usual").astype(float) - probabilities(ours, "blue_first"))
    assert unlike.max() > 0.02  # or the order of channels would not have been seen above
