"""Models of other trainers than ours, from export to labels, by every backend."""

from __future__ import annotations

import contextlib
import copy
import io
from pathlib import Path

import numpy as np
import pytest
import torch
from nnunet_workspace import SPACING_MM, noisy_spheres
from nnunetv2.inference.predict_from_raw_data import nnUNetPredictor
from nnunetv2.training.nnUNetTrainer.nnUNetTrainer import nnUNetTrainer
from nnunetv2.utilities.find_objects import recursive_find_trainer_class_by_name
from small_plans import UNET, plan, unet_arguments
from tiny_models import source_model

from nnunetv2_raemd.api import load_model
from nnunetv2_raemd.baselines import swin_unetr
from nnunetv2_raemd.deployment import model_export
from nnunetv2_raemd.deployment.export_choices import ExportOptions
from nnunetv2_raemd.deployment.model_description import GraphFormat, read_description
from nnunetv2_raemd.deployment.model_export import export_model
from nnunetv2_raemd.deployment.model_graphs import export_graphs
from nnunetv2_raemd.deployment.source_model import SourceModel

pytest.importorskip("onnxscript", reason="the extra onnx is not installed")
pytest.importorskip("onnxruntime", reason="the extra onnx is not installed")
pytest.importorskip("openvino", reason="the extra openvino is not installed")
pytestmark = pytest.mark.slow

IN_PLANE, VOLUME = (24, 24), (8, 24, 24)
MODELS = [
    ("nnUNetTrainer", IN_PLANE),
    ("nnUNetTrainer", VOLUME),
    ("nnUNetTrainerUNet", IN_PLANE),
    ("nnUNetTrainerAttentionUNet", IN_PLANE),
    ("nnUNetTrainerAttentionUNet", VOLUME),
    ("nnUNetTrainerUNetPlusPlus", IN_PLANE),
    ("nnUNetTrainerUNetPlusPlus", VOLUME),
    ("nnUNetTrainerSegNet", IN_PLANE),
    ("nnUNetTrainerSwinUNETR", IN_PLANE),
]


def model_of(trainer_name: str, patch_size: tuple[int, ...]) -> SourceModel:
    """One with two folds of random weights."""
    with contextlib.redirect_stdout(io.StringIO()):
        trainer: type[nnUNetTrainer] = recursive_find_trainer_class_by_name(trainer_name)
    return source_model(
        plan(unet_arguments(len(patch_size)), network=UNET, patch_size=patch_size),
        trainer=trainer_name,
        folds=("0", "1"),
        trainers_network=lambda *arguments: trainer.build_network_architecture(
            *arguments, enable_deep_supervision=False
        ),
    )


def as_nnunet_predicts(source: SourceModel, image: np.ndarray) -> np.ndarray:
    """Probabilities (classes, Z, Y, X) by nnU-Net's own predictor."""
    ours = source.predictor
    predictor = nnUNetPredictor(device=torch.device("cpu"), allow_tqdm=False)
    predictor.manual_initialization(
        ours.network,
        ours.plans_manager,
        ours.configuration_manager,
        [source.weights_of(fold) for fold in source.folds],
        ours.dataset_json,
        "",
        ours.allowed_mirroring_axes,
    )
    properties = {"spacing": SPACING_MM[::-1]}
    _, probabilities = predictor.predict_single_npy_array(
        image[None], properties, save_or_return_probabilities=True
    )
    return np.asarray(probabilities)


@pytest.mark.parametrize(("trainer", "patch_size"), MODELS, ids=lambda value: str(value).replace(" ", ""))
def test_every_backend_predicts_what_nnunets_own_predictor_does(
    trainer: str, patch_size: tuple[int, ...], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(swin_unetr, "FEATURE_SIZE", 12)  # a quarter of the published one
    source = model_of(trainer, patch_size)
    graphs = export_graphs(source)  # takes seconds, and both formats begin with it
    monkeypatch.setattr(model_export, "export_graphs", lambda _: copy.deepcopy(graphs))
    image, _ = noisy_spheres(0, (9, 32, 28))
    expected = as_nnunet_predicts(source, image)
    assert np.ptp(expected[1]) > 0.05
    formats: dict[GraphFormat, tuple[str, ...]] = {GraphFormat.ONNX: ("torch", "onnxruntime", "openvino")}
    if trainer == "nnUNetTrainer":  # OpenVINO's own files hold the graph that it makes of ONNX files, too
        formats[GraphFormat.OPENVINO] = ("openvino",)
    for graph_format, backends in formats.items():
        folder = tmp_path / graph_format.value
        export_model(source, folder, ExportOptions(graph_format))
        assert read_description(folder).n_slices is None
        for backend in backends:
            model = load_model(folder, backend=backend)
            found = model.predict_array(image, SPACING_MM[::-1], probabilities=True).probabilities
            assert found is not None
            np.testing.assert_allclose(found, expected, atol=5e-3, err_msg=f"{graph_format}, {backend}")
