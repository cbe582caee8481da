"""The Python API on an exported model and on nnU-Net's own, against the predictor that the commands use."""

from __future__ import annotations

import json
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import numpy as np
import pytest
import SimpleITK as sitk
import torch
from nnunet_workspace import noisy_spheres
from small_plans import plan, raemd_arguments
from tiny_models import source_model, trained_weights

from nnunetv2_raemd.api import LoadedModel, evaluate_folders, load_model
from nnunetv2_raemd.deployment.model_description import GraphFormat
from nnunetv2_raemd.deployment.model_export import ExportOptions, export_model
from nnunetv2_raemd.deployment.source_model import SourceModel
from nnunetv2_raemd.errors import UserError

SPACING_MM = (2.5, 1.0, 1.0)


@pytest.fixture(scope="module")
def source() -> SourceModel:
    torch.set_num_threads(1)
    weights = trained_weights(source_model(plan(raemd_arguments())))
    return source_model(plan(raemd_arguments()), weights=[weights])


@pytest.fixture(scope="module")
def exported(source: SourceModel, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Weights only, which takes no time; backends are compared in tests/deployment."""
    folder = tmp_path_factory.mktemp("api") / "model"
    export_model(source, folder, ExportOptions(GraphFormat.NONE))
    return folder


@pytest.fixture(scope="module")
def model(exported: Path) -> LoadedModel:
    return load_model(exported, mirroring=False)


@pytest.fixture(scope="module")
def scan() -> np.ndarray:
    """HU (z, y, x) with one sphere."""
    return noisy_spheres(2, (9, 32, 28))[0]


def test_a_model_says_what_it_takes_and_gives(model: LoadedModel) -> None:
    assert model.labels == {"background": 0, "nodule": 1}
    assert model.channels == ("CT",)


def test_an_array_gives_labels_probabilities_and_the_lesion(model: LoadedModel, scan: np.ndarray) -> None:
    prediction = model.predict_array(scan, SPACING_MM, probabilities=True)
    _, expected = noisy_spheres(2, scan.shape)
    overlap = np.count_nonzero((prediction.labels == 1) & (expected == 1))
    assert 2 * overlap / (np.count_nonzero(prediction.labels) + np.count_nonzero(expected)) > 0.7
    assert prediction.probabilities is not None
    np.testing.assert_allclose(prediction.probabilities.sum(0), 1, atol=1e-5)
    np.testing.assert_array_equal(prediction.probabilities.argmax(0), prediction.labels)
    largest = prediction.lesions()[0]
    centre = np.argwhere(expected == 1).mean(0)
    np.testing.assert_allclose(largest.centre_voxel, centre, atol=2)
    assert largest.volume_mm3 == largest.n_voxels * 2.5
    assert largest.mean_hu is not None
    assert largest.mean_hu > -400  # the sphere is 800 HU above its surroundings


def test_array_image_and_file_give_the_same(model: LoadedModel, scan: np.ndarray, tmp_path: Path) -> None:
    image = sitk.GetImageFromArray(scan)
    image.SetSpacing(SPACING_MM[::-1])
    image.SetOrigin((10.0, 20.0, 30.0))
    sitk.WriteImage(image, str(tmp_path / "scan.nii.gz"))
    of_array = model.predict_array(scan, SPACING_MM).labels
    of_image = model.predict_image(image)
    np.testing.assert_array_equal(of_image.labels, of_array)
    np.testing.assert_array_equal(model.predict_file(tmp_path / "scan.nii.gz").labels, of_array)
    written = of_image.image()
    assert written.GetOrigin() == image.GetOrigin()
    assert written.GetSpacing() == image.GetSpacing()
    x, y, z = of_image.lesions()[0].centre_mm
    voxel = of_image.lesions()[0].centre_voxel
    np.testing.assert_allclose((x, y, z), np.add((10, 20, 30), np.multiply(voxel, SPACING_MM)[::-1]))


def test_nnu_nets_own_folder_gives_the_same(
    source: SourceModel, model: LoadedModel, scan: np.ndarray, tmp_path: Path
) -> None:
    folder = tmp_path / "nnUNetTrainerRAEMD__nnUNetPlans__2d"
    (folder / "fold_0").mkdir(parents=True)
    predictor = source.predictor
    for name, content in (
        ("plans.json", predictor.plans_manager.plans),
        ("dataset.json", predictor.dataset_json),
    ):
        (folder / name).write_text(json.dumps(content), encoding="utf-8")
    checkpoint = {
        "network_weights": source.weights_of("0"),
        "trainer_name": "nnUNetTrainerRAEMD",
        "init_args": {"configuration": "2d"},
        "inference_allowed_mirroring_axes": (1, 2),
    }
    torch.save(checkpoint, folder / "fold_0" / "checkpoint_final.pth")
    loaded = load_model(folder, mirroring=False)
    np.testing.assert_array_equal(
        loaded.predict_array(scan, SPACING_MM).labels, model.predict_array(scan, SPACING_MM).labels
    )
    with pytest.raises(UserError, match="not an exported model"):
        load_model(folder, backend="openvino")


def test_threads_predict_different_scans_at_once(model: LoadedModel) -> None:
    scans = [noisy_spheres(seed, (9, 32, 28))[0] for seed in range(6)]
    one_by_one = [model.predict_array(scan, SPACING_MM).labels for scan in scans]
    with ThreadPoolExecutor(3) as pool:
        at_once = list(pool.map(lambda scan: model.predict_array(scan, SPACING_MM).labels, scans))
    for ours, expected in zip(at_once, one_by_one, strict=True):
        np.testing.assert_array_equal(ours, expected)


@pytest.mark.parametrize(
    ("call", "message"),
    [
        (lambda model, scan: model.predict_array(scan[0], SPACING_MM), r"shape \(32, 28\)"),
        (lambda model, scan: model.predict_array(np.stack([scan, scan]), SPACING_MM), "channels CT"),
        (lambda model, scan: model.predict_array(scan, (1.0, 1.0)), "three positive numbers"),
        (lambda model, scan: model.predict_array(scan, (1.0, 0.0, 1.0)), "three positive numbers"),
        (lambda model, scan: model.predict_array(scan * np.nan, SPACING_MM), "NaN"),
        (lambda model, scan: model.predict_file("absent.nii.gz"), r"absent\.nii\.gz cannot be read"),
        (lambda model, scan: model.predict_image(sitk.Image(4, 4, sitk.sitkFloat32)), "three dimensions"),
    ],
)
def test_bad_input_is_named(
    model: LoadedModel,
    scan: np.ndarray,
    call: Callable[[LoadedModel, np.ndarray], object],
    message: str,
) -> None:
    with pytest.raises(UserError, match=message):
        call(model, scan)


def test_where_there_is_no_model_it_says_so(tmp_path: Path, exported: Path) -> None:
    with pytest.raises(UserError, match=r"no plans\.json"):
        load_model(tmp_path)
    with pytest.raises(UserError, match="no fold 7, but 0"):
        load_model(exported, folds=[7])
    with pytest.raises(UserError, match="no backend tensorrt"):
        load_model(exported, backend="tensorrt")


def test_without_lungs_the_whole_scan_is_predicted_and_said_so(model: LoadedModel, scan: np.ndarray) -> None:
    prediction = model.predict_array(scan, SPACING_MM, lungs=True)
    assert "the whole scan is predicted" in prediction.remarks[0]
    np.testing.assert_array_equal(prediction.labels, model.predict_array(scan, SPACING_MM).labels)


def test_folders_are_evaluated_by_a_call(tmp_path: Path) -> None:
    for name, size in (("predictions", 4), ("references", 3)):
        labels = np.zeros((6, 8, 8), np.uint8)
        labels[1:3, 1:4, 1 : 1 + size] = 1
        (tmp_path / name).mkdir()
        sitk.WriteImage(sitk.GetImageFromArray(labels), str(tmp_path / name / "scan.nii.gz"))
    evaluation, _ = evaluate_folders(tmp_path / "predictions", tmp_path / "references", labels=[1])
    (case,) = evaluation.systems[0].cases
    assert case.targets["label 1"].metrics["dice"] == pytest.approx(2 * 18 / (24 + 18))
