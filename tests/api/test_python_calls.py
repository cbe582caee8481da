"""The Python API on an exported model and on nnU-Net's own, against the predictor that the commands use."""

from __future__ import annotations

import copy
import json
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import SimpleITK as sitk
import torch
from nnunet_workspace import noisy_spheres
from nnunetv2.imageio.simpleitk_reader_writer import SimpleITKIOWithReorient
from nnunetv2.utilities.plans_handling.plans_handler import PlansManager
from small_plans import plan, raemd_arguments
from tiny_models import source_model, trained_weights

from nnunetv2_raemd.api import LoadedModel, evaluate_folders, load_model
from nnunetv2_raemd.confidence.calibration import Calibration, LabelCalibration
from nnunetv2_raemd.confidence.confidence_model import FEATURES, ConfidenceModel
from nnunetv2_raemd.confidence.unlike_scans import TrainingScans
from nnunetv2_raemd.deployment.export_choices import ExportOptions
from nnunetv2_raemd.deployment.model_description import GraphFormat
from nnunetv2_raemd.deployment.model_export import export_model
from nnunetv2_raemd.deployment.source_model import SourceModel
from nnunetv2_raemd.errors import UserError
from nnunetv2_raemd.lesions.lesion_list import load_scan
from nnunetv2_raemd.nnunet_files.label_set import Target
from nnunetv2_raemd.prediction.batch_request import Batch

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


def test_a_prediction_prints_nothing(
    model: LoadedModel,
    scan: np.ndarray,
    capfd: pytest.CaptureFixture[str],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """However long it takes."""
    monkeypatch.setattr("nnunetv2_raemd.prediction.slice_progress._LINES_APART_S", 0.0)
    model.predict_array(scan, SPACING_MM)
    assert capfd.readouterr().out == ""


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


@pytest.mark.parametrize("stored", ["SRA", "PIL"])
def test_an_image_stored_in_another_order_gives_the_same_and_says_so(
    model: LoadedModel, scan: np.ndarray, stored: str
) -> None:
    """Turned by SimpleITK, and back: not by what is tested."""
    image = sitk.GetImageFromArray(scan)
    image.SetSpacing(SPACING_MM[::-1])
    expected = model.predict_image(image, probabilities=True)
    found = model.predict_image(sitk.DICOMOrient(image, stored), probabilities=True)
    back = sitk.DICOMOrient(found.image(), "LPS")
    np.testing.assert_array_equal(sitk.GetArrayFromImage(back), expected.labels)
    assert back.GetOrigin() == pytest.approx(image.GetOrigin())
    assert f"its axes are stored as {stored}; it is predicted as LPS" in found.remarks[0]
    ours, theirs = found.lesions()[0], expected.lesions()[0]
    assert ours.centre_mm == pytest.approx(theirs.centre_mm)
    assert ours.mean_hu == theirs.mean_hu
    assert ours.max_probability == theirs.max_probability


def test_images_are_turned_as_nnu_nets_reorienting_readers_do(
    source: SourceModel, scan: np.ndarray, tmp_path: Path
) -> None:
    """What such a model has seen is RAS, however files are stored."""
    predictor = copy.copy(source.predictor)
    plans = {**predictor.plans_manager.plans, "image_reader_writer": "SimpleITKIOWithReorient"}
    predictor.plans_manager, predictor.use_mirroring = PlansManager(plans), False
    reoriented = LoadedModel(predictor)
    image = sitk.GetImageFromArray(scan)
    image.SetSpacing(SPACING_MM[::-1])
    sitk.WriteImage(image, str(tmp_path / "scan.nii.gz"))
    read, properties = SimpleITKIOWithReorient().read_images([str(tmp_path / "scan.nii.gz")])
    found = reoriented.predict_image(image)
    expected = reoriented.predict_array(read[0], properties["spacing"])
    assert found.remarks == expected.remarks == ()
    np.testing.assert_array_equal(found.labels, expected.labels[:, ::-1, ::-1])
    assert found.labels.any() and not np.array_equal(found.labels, found.labels[:, ::-1, ::-1])


def test_a_calibrated_model_gives_the_confidences_of_the_command(
    source: SourceModel, model: LoadedModel, scan: np.ndarray, tmp_path: Path
) -> None:
    assert model.predict_array(scan, SPACING_MM, probabilities=True).lesions()[0].confidence is None
    n = len(FEATURES)
    rated = ConfidenceModel((0.0,) * n, (1.0,) * n, (1.0, 0.5, 0.2, 0.3), -1.0, 9, 9)
    label = LabelCalibration(Target("nodule", (1,)), 1.0, rated, ())
    training = TrainingScans(9, {"slice_spacing_mm": (1.0, 1.5)}, (-800.0,) * 20, 2000.0)
    known = replace(source, calibration=Calibration(("0",), (), (label,), training))
    export_model(known, tmp_path / "model", ExportOptions(GraphFormat.NONE))
    calibrated = load_model(tmp_path / "model", mirroring=False)
    image = sitk.GetImageFromArray(scan)
    image.SetSpacing(SPACING_MM[::-1])
    (tmp_path / "in").mkdir()
    sitk.WriteImage(image, str(tmp_path / "in" / "scan_0000.nii.gz"))
    calibrated.predict_folder(Batch(tmp_path / "in", tmp_path / "out"))
    listed = load_scan(tmp_path / "out" / "scan.lesions.json")
    found = calibrated.predict_file(tmp_path / "in" / "scan_0000.nii.gz", probabilities=True)
    ours = [lesion.confidence for lesion in found.lesions()]
    assert ours == pytest.approx([lesion.confidence for lesion in listed.lesions], abs=1e-4)
    assert all(confidence is not None for confidence in ours)
    assert found.unlike_training() == listed.unlike_training
    assert any("slice spacing: 2.5 mm" in reason for reason in found.unlike_training())


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
        (lambda model, scan: model.predict_file("absent.nii.gz"), r"absent\.nii\.gz does not exist"),
        (
            lambda model, scan: model.predict_image(sitk.Image([4] * 3, sitk.sitkVectorInt16, 3)),
            "one number",
        ),
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


def test_a_file_that_is_cut_off_is_refused(model: LoadedModel, scan: np.ndarray, tmp_path: Path) -> None:
    """SimpleITK reads zeros where the voxels end."""
    file = tmp_path / "scan.nii"
    sitk.WriteImage(sitk.GetImageFromArray(scan), str(file))
    file.write_bytes(file.read_bytes()[:-4000])
    with pytest.raises(UserError, match=r"scan\.nii"):
        model.predict_file(file)


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
