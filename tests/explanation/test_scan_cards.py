"""The cards of a predicted scan, by a small network that predicts what is bright."""

from __future__ import annotations

import re
from dataclasses import dataclass
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest
import SimpleITK as sitk
import torch
from torch import nn

from nnunetv2_raemd.architecture.raemd_net import RAEMDNet
from nnunetv2_raemd.explanation.lesion_explanation import ATTENTION, GRAD_CAM, INTEGRATED
from nnunetv2_raemd.explanation.scan_cards import ENDING, NOT_SHOWN, _Subject, scan_explainer
from nnunetv2_raemd.lesions.lesion_list import load_scan, save_scan
from nnunetv2_raemd.lesions.scan_files import ScanFiles
from nnunetv2_raemd.lesions.scan_measurement import measure_scan
from nnunetv2_raemd.nnunet_files.label_set import LabelSet, Target
from nnunetv2_raemd.prediction.input_cases import InputCase
from nnunetv2_raemd.prediction.lesion_lists import SUFFIX
from nnunetv2_raemd.prediction.predictor import WholeScanPredictor

CASE, SHAPE = "scan", (10, 24, 24)
LESIONS = ((2, 4, 4), (6, 14, 14))


class Bright(RAEMDNet):
    """Predicts what is brighter than lung, and has all of RAEMD-Net's parts."""

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        logits = super().forward(x)
        assert isinstance(logits, torch.Tensor)
        return 0.01 * logits + torch.cat([-x, x], dim=1)


@dataclass(frozen=True)
class Work:
    """What is asked of a `CaseWork`."""

    output: Path
    image: np.ndarray
    patch_size: tuple[int, ...] = (4, 16, 16)
    dataset_json: Any = None

    @property
    def plans_manager(self) -> Any:
        return SimpleNamespace(transpose_forward=[0, 1, 2])

    @property
    def configuration_manager(self) -> Any:
        return SimpleNamespace(patch_size=list(self.patch_size))

    def preprocess(self, _case: InputCase) -> tuple[np.ndarray, dict[str, Any]]:
        whole = [[0, n] for n in SHAPE]
        return self.image, {
            "shape_after_cropping_and_before_resampling": SHAPE,
            "bbox_used_for_cropping": whole,
        }


def predictor() -> WholeScanPredictor:
    torch.manual_seed(0)
    network = Bright(
        1,
        2,
        n_stages=2,
        features_per_stage=[4, 6],
        kernel_sizes=3,
        strides=[1, 2],
        n_conv_per_stage=1,
        n_conv_per_stage_decoder=1,
    )
    made = WholeScanPredictor()
    made.network, made.fold_networks = network, [network]
    made.label_manager = SimpleNamespace(has_regions=False)
    return made


@pytest.fixture
def predicted(tmp_path: Path) -> tuple[Work, InputCase]:
    """A scan with two lesions: the second is too dark for the network."""
    hu = np.full(SHAPE, -800, np.int16)
    labels = np.zeros(SHAPE, np.uint8)
    for (z, y, x), value in zip(LESIONS, (40, -500), strict=True):
        box = (slice(z, z + 3), slice(y, y + 4 + (value > 0)), slice(x, x + 4))
        hu[box], labels[box] = value, 1
    for values, name in ((hu, f"{CASE}_0000"), (labels, CASE)):
        image = sitk.GetImageFromArray(values)
        image.SetSpacing((1.0, 1.0, 2.0))
        sitk.WriteImage(image, str(tmp_path / f"{name}.nii.gz"))
    files = ScanFiles(
        CASE, tmp_path / f"{CASE}.nii.gz", tmp_path / f"{CASE}_0000.nii.gz", tmp_path / "no.npz"
    )
    scan = measure_scan(files, LabelSet((Target("nodule", (1,)),)))
    save_scan(scan, tmp_path / f"{CASE}{SUFFIX}")
    about = {"labels": {"background": 0, "nodule": 1}, "file_ending": ".nii.gz"}
    image = (hu[None].astype(np.float32) + 400) / 400
    return Work(tmp_path, image, dataset_json=about), InputCase(CASE, (tmp_path / f"{CASE}_0000.nii.gz",))


def test_a_card_for_each_lesion_and_maps_where_the_network_sees_it(predicted: tuple[Any, InputCase]) -> None:
    work, case = predicted
    assert scan_explainer().explain(predictor(), work, case) is None
    html = (work.output / f"{CASE}{ENDING}").read_text(encoding="utf-8")
    assert html.count("<article") == 2
    assert html.count('class="picture"') == 6
    assert html.count('class="overlay"') == 2 * 3  # both attributions, in the three views of one
    assert html.count(NOT_SHOWN) == 1
    assert INTEGRATED in html
    assert GRAD_CAM in html
    assert ATTENTION not in html  # it says no more than chance
    assert "Channel attention" in html
    assert "Neighboring slices" in html


def test_a_scan_stored_in_another_order_has_the_same_cards(predicted: tuple[Any, InputCase]) -> None:
    """Its axes are swapped and reversed, and the network gets it turned: views and maps are the same."""
    work, case = predicted

    def cards(of: InputCase) -> tuple[list[str], list[str]]:
        assert scan_explainer().explain(predictor(), work, of) is None
        html = (work.output / f"{CASE}{ENDING}").read_text(encoding="utf-8")
        return re.findall(r"data:image/jpeg;base64,[^\"]+", html), re.findall(
            r"data:image/png;base64,[^\"]+", html
        )

    expected = cards(case)
    for name in (f"{CASE}_0000", CASE):
        file = str(work.output / f"{name}.nii.gz")
        sitk.WriteImage(sitk.DICOMOrient(sitk.ReadImage(file), "SRA"), file)
    files = ScanFiles(CASE, work.output / f"{CASE}.nii.gz", case.images[0], work.output / "no.npz")
    save_scan(measure_scan(files, LabelSet((Target("nodule", (1,)),))), work.output / f"{CASE}{SUFFIX}")
    found = cards(InputCase(CASE, case.images, turn_to="LPS"))
    assert [len(pictures) for pictures in expected] == [6, 6]
    assert found == expected


def test_what_goes_wrong_costs_the_cards_only(predicted: tuple[Any, InputCase]) -> None:
    work, case = predicted
    flat: Any = Work(work.output, work.image, (16, 16), work.dataset_json)
    problem = scan_explainer().explain(predictor(), flat, case)
    assert problem is not None
    assert problem.startswith(f"{CASE}: it has no lesion cards: explanations are for RAEMD-Net")
    assert not (work.output / f"{CASE}{ENDING}").exists()


def test_the_network_is_explained_without_gradients_of_its_weights(predicted: tuple[Any, InputCase]) -> None:
    """Its weights are those of the fold afterwards, and it is in evaluation mode."""
    work, case = predicted
    made = predictor()
    before = {name: values.clone() for name, values in made.network.state_dict().items()}
    scan_explainer().explain(made, work, case)
    assert all(torch.equal(before[name], values) for name, values in made.network.state_dict().items())
    assert not made.network.training
    assert isinstance(made.network, nn.Module)


def test_each_lesion_lies_in_the_patient_where_the_segmentation_has_it(
    predicted: tuple[Any, InputCase],
) -> None:
    """Back on the grid of an oblique segmentation, the lesions are all there is, each its own voxels."""
    work, _ = predicted
    segmentation = sitk.ReadImage(str(work.output / f"{CASE}.nii.gz"))
    segmentation.SetOrigin((-30.0, 12.5, 100.0))
    segmentation.SetDirection((0.8, -0.6, 0, 0.6, 0.8, 0, 0, 0, 1.0))
    scan = load_scan(work.output / f"{CASE}{SUFFIX}")
    nothing: Any = None
    labels = LabelSet((Target("nodule", (1,)),))
    subject = _Subject(nothing, nothing, nothing, nothing, segmentation, labels, False, (4, 16, 16))
    placed = [
        sitk.GetArrayFromImage(
            sitk.Resample(subject._mask(one, scan), segmentation, sitk.Transform(), sitk.sitkNearestNeighbor)
        )
        for one in scan.lesions
    ]
    assert [np.count_nonzero(mask) for mask in placed] == [one.n_voxels for one in scan.lesions] == [60, 48]
    np.testing.assert_array_equal(sum(placed), sitk.GetArrayFromImage(segmentation))
