"""Explanations of exported models, whose network may run elsewhere than in torch."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
import torch
from nnunet_workspace import noisy_spheres, write_volume

from nnunetv2_raemd.deployment.exported_model import ExportedModel
from nnunetv2_raemd.deployment.network_backend import Backend
from nnunetv2_raemd.errors import UserError
from nnunetv2_raemd.explanation.scan_cards import scan_explainer
from nnunetv2_raemd.prediction.batch_request import Batch
from nnunetv2_raemd.prediction.pipeline import Processes
from nnunetv2_raemd.prediction.prediction_batch import run_batch

SETTINGS: dict[str, Any] = {"device": torch.device("cpu"), "allow_tqdm": False, "use_mirroring": False}


@pytest.fixture
def batch(tmp_path: Path) -> Batch:
    image, _ = noisy_spheres(0, (9, 32, 28))
    write_volume(image, tmp_path / "in" / "scan_0000.nii.gz")
    explainer = scan_explainer(kinds=())
    return Batch(tmp_path / "in", tmp_path / "out", explainer=explainer)


def test_in_torch_lesions_get_their_cards(exported: Path, batch: Batch) -> None:
    predictor = ExportedModel(exported, Backend.TORCH).load(**SETTINGS)
    assert run_batch(predictor, batch, Processes(0, 0)) == []
    assert (batch.output / "scan.lesions.html").is_file()


@pytest.mark.parametrize("backend", [Backend.OPENVINO, Backend.ONNXRUNTIME])
def test_elsewhere_there_are_no_gradients_which_is_said_first(
    exported: Path, batch: Batch, backend: Backend
) -> None:
    pytest.importorskip(backend.value, reason=f"the extra for {backend.value} is not installed")
    predictor = ExportedModel(exported, backend).load(**SETTINGS)
    with pytest.raises(UserError, match="give --backend torch"):
        run_batch(predictor, batch, Processes(0, 0))
    assert not batch.output.exists()
