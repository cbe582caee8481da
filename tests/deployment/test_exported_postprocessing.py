"""Post-processing chosen on cross-validation goes with the model, and is done to its segmentations."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import SimpleITK as sitk
from nnunet_workspace import noisy_spheres, write_volume
from scipy import ndimage

from nnunetv2_raemd.api import load_model
from nnunetv2_raemd.deployment.export_choices import ExportOptions
from nnunetv2_raemd.deployment.model_description import GraphFormat
from nnunetv2_raemd.deployment.model_export import export_model
from nnunetv2_raemd.deployment.source_model import SourceModel
from nnunetv2_raemd.errors import UserError
from nnunetv2_raemd.nnunet_files.label_set import Target
from nnunetv2_raemd.postprocessing.postprocessing_steps import Postprocessing
from nnunetv2_raemd.postprocessing.settings_file import LabelSettings, save_settings
from nnunetv2_raemd.prediction.batch_request import Batch

SPACING_MM = (2.5, 1.0, 1.0)
NODULE = Target("nodule", (1,))


def saved(settings: Postprocessing, folder: Path, target: Target = NODULE) -> dict[str, Any]:
    """As `raemd postprocess determine` leaves it beside the model."""
    save_settings([LabelSettings(target, settings)], folder / "settings.json", {})
    content: dict[str, Any] = json.loads((folder / "settings.json").read_text(encoding="utf-8"))
    return content


def exported_with(trained: SourceModel, settings: dict[str, Any], folder: Path) -> Path:
    source = replace(trained, postprocessing=settings)
    export_model(source, folder, ExportOptions(GraphFormat.NONE))
    return folder


@pytest.fixture
def image_hu() -> np.ndarray:
    """A large sphere and a small block, as bright."""
    image, labels = noisy_spheres(7, (9, 32, 28))
    block = (slice(2, 5), slice(2, 7), slice(2, 7))
    assert not labels[block].any()
    image[block] += 800
    return image


def test_small_components_are_removed_from_arrays_and_files(
    trained: SourceModel, tmp_path: Path, image_hu: np.ndarray, capsys: pytest.CaptureFixture[str]
) -> None:
    raw_model = load_model(exported_with(trained, saved(Postprocessing(), tmp_path), tmp_path / "raw"))
    raw = raw_model.predict_array(image_hu, SPACING_MM).labels
    components, n_components = ndimage.label(raw, np.ones((3, 3, 3)))
    sizes = np.bincount(components.ravel())[1:]
    assert n_components > 1  # or there is nothing to remove
    limit = float(np.sort(sizes)[-1] - 0.5) * np.prod(SPACING_MM)
    expected = np.isin(components, np.flatnonzero(sizes == sizes.max()) + 1)

    settings = saved(Postprocessing(min_volume_mm3=limit), tmp_path)
    folder = exported_with(trained, settings, tmp_path / "model")
    model = load_model(folder)
    np.testing.assert_array_equal(model.predict_array(image_hu, SPACING_MM).labels, expected)
    without = load_model(folder, postprocessing=False).predict_array(image_hu, SPACING_MM).labels
    np.testing.assert_array_equal(without, raw)

    write_volume(image_hu, tmp_path / "in" / "scan_0000.nii.gz")
    model.predict_folder(Batch(tmp_path / "in", tmp_path / "out"))
    written = sitk.GetArrayFromImage(sitk.ReadImage(str(tmp_path / "out" / "scan.nii.gz")))
    np.testing.assert_array_equal(written, expected)
    assert f"Post-processing of the model: nodule: components below {limit:g} mm3" in capsys.readouterr().out
    assert not list((tmp_path / "out").glob("*.unfinished*"))


def test_a_threshold_uses_the_probabilities(
    trained: SourceModel, tmp_path: Path, image_hu: np.ndarray
) -> None:
    folder = exported_with(trained, saved(Postprocessing(threshold=0.3), tmp_path), tmp_path / "model")
    found = load_model(folder).predict_array(image_hu, SPACING_MM, probabilities=True)
    assert found.probabilities is not None
    np.testing.assert_array_equal(found.labels, found.probabilities[1] > 0.3)
    assert found.labels.sum() > (found.probabilities[1] > 0.5).sum()
    write_volume(image_hu, tmp_path / "in" / "scan_0000.nii.gz")
    load_model(folder).predict_folder(Batch(tmp_path / "in", tmp_path / "out"))
    written = sitk.GetArrayFromImage(sitk.ReadImage(str(tmp_path / "out" / "scan.nii.gz")))
    np.testing.assert_array_equal(written, found.labels)
    assert not (tmp_path / "out" / "scan.npz").exists()


def test_settings_of_other_labels_are_not_exported(trained: SourceModel, tmp_path: Path) -> None:
    settings = saved(Postprocessing(fill_holes=True), tmp_path, Target("vessel", (2,)))
    with pytest.raises(UserError, match=r"other labels than those of postprocessing_raemd\.json"):
        exported_with(trained, settings, tmp_path / "model")
    assert not (tmp_path / "model").exists()


def test_the_card_says_what_is_done(trained: SourceModel, tmp_path: Path) -> None:
    folder = exported_with(trained, saved(Postprocessing(closing_mm=2), tmp_path), tmp_path / "model")
    assert "nodule: closing 2 mm" in (folder / "README.md").read_text(encoding="utf-8")
