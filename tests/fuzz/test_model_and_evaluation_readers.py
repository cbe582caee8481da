"""What prediction, evaluation and planning read, damaged: refused by a `UserError`, or read as it is.

No other exception, no crash, no hang; a file that was cut off gives what the whole one gives, or is refused.
`RAEMD_FUZZ_INPUTS=20000 pytest tests/fuzz` asks for more inputs than `make test` does.
"""

from __future__ import annotations

import json
from collections.abc import Callable
from dataclasses import asdict, dataclass, replace
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import SimpleITK as sitk
import tifffile
import torch
from mutations import cut, damaged, inputs_for, no_hang
from skimage import io
from small_plans import UNET, dataset_json, unet_arguments
from small_plans import plan as plan_of
from untrained_model import checkpoint

from nnunetv2_raemd.errors import UserError
from nnunetv2_raemd.evaluation.case_results import CaseResult, Evaluation, Lesion, SystemResult, TargetResult
from nnunetv2_raemd.evaluation.evaluation_json import load_results, save_results
from nnunetv2_raemd.evaluation.metrics import METRICS
from nnunetv2_raemd.evaluation.summary import summarize
from nnunetv2_raemd.nnunet_files.checkpoint import read_checkpoint, trained_network
from nnunetv2_raemd.nnunet_files.dataset_json import read_dataset_json
from nnunetv2_raemd.nnunet_files.image_header import read_image_header
from nnunetv2_raemd.nnunet_files.label_set import LabelSet, Target, labels_of
from nnunetv2_raemd.nnunet_files.network_name import check_networks_are_known
from nnunetv2_raemd.nnunet_files.plans_file import read_plans
from nnunetv2_raemd.nnunet_files.probability_map import channel_of, read_probabilities
from nnunetv2_raemd.nnunet_files.segmentation_file import read_segmentation
from nnunetv2_raemd.plans.plan_conversion import raemd_plan
from nnunetv2_raemd.plans.preset import PRESET_FOLDER, load_preset
from nnunetv2_raemd.postprocessing.postprocessing_steps import Postprocessing
from nnunetv2_raemd.postprocessing.settings_file import LabelSettings, load_settings, save_settings
from nnunetv2_raemd.prediction.input_cases import input_format
from nnunetv2_raemd.report.training_log import read_log

LABELS = LabelSet((Target("nodule", (1,)),), known_values=(0, 1))
SHAPE = (4, 9, 10)
VOXELS = np.random.default_rng(0).integers(0, 2, SHAPE).astype(np.uint8)


@dataclass(frozen=True)
class Readable:
    """A file that is whole, and the function that reads it to something that can be compared."""

    file: Path
    read: Callable[[], object]


def preset(folder: Path) -> Readable:
    file = folder / "own.json"
    file.write_bytes((PRESET_FOLDER / "raemd.json").read_bytes())
    return Readable(file, lambda: asdict(load_preset(file)))


def plan(folder: Path) -> Readable:
    file = folder / "plans.json"
    content = plan_of(unet_arguments(), network=UNET, patch_size=(32, 32))
    file.write_text(json.dumps(content, indent=1), encoding="utf-8")

    def read() -> object:
        found = read_plans(file, "")
        check_networks_are_known(found, file)
        return raemd_plan(found)

    return Readable(file, read)


def description(folder: Path) -> Readable:
    file = folder / "dataset.json"
    file.write_text(json.dumps(dataset_json(), indent=1), encoding="utf-8")

    def read() -> object:
        found = read_dataset_json(file)
        return asdict(labels_of(found)), input_format(found, "SimpleITKIO")

    return Readable(file, read)


def results(folder: Path) -> Readable:
    file = folder / "evaluation.json"
    metrics = {metric.key: 0.5 for metric in METRICS} | {"hd95_mm": float("inf"), "precision": float("nan")}
    lesion = Lesion(4.0, (1.0, 2.0, 3.0), True, 0.5, 1, float("nan"))
    target = TargetResult(metrics, (lesion,), (), ())
    case = CaseResult("a", "0", Path("p"), Path("r"), SHAPE, (1.0, 1.0, 1.0), {"nodule": target})
    cases = (case, replace(case, case_id="b"))
    evaluation = Evaluation(LABELS, (SystemResult("A", cases), SystemResult("B", cases)), {})
    save_results(evaluation, summarize(evaluation), file)
    return Readable(file, lambda: repr(summarize(load_results(file))))


def settings(folder: Path) -> Readable:
    file = folder / "postprocessing_raemd.json"
    save_settings(
        [LabelSettings(LABELS.targets[0], Postprocessing(opening_mm=1))], file, {"objective": "dice"}
    )
    return Readable(file, lambda: repr(load_settings(file)))


def model(folder: Path, *, logs: bool) -> Readable:
    file = folder / "checkpoint_final.pth"
    torch.save(checkpoint(), file)

    def read() -> object:
        if logs:
            return repr(read_log(folder))
        weights = trained_network(read_checkpoint(file), file).weights
        return {name: value.numpy().tobytes() for name, value in weights.items()}

    return Readable(file, read)


def probabilities(folder: Path) -> Readable:
    file = folder / "a.npz"
    np.savez_compressed(file, probabilities=np.random.default_rng(0).random((2, *SHAPE)).astype(np.float32))

    def read() -> object:
        maps = read_probabilities(file, SHAPE)
        regions = list(maps.regions_above(0.5, [1]))
        found = channel_of(maps, LABELS, LABELS.targets[0])
        assert found is not None
        return len(regions), found.tobytes()

    return Readable(file, read)


def segmentation(folder: Path, *, name: str, reader: str = "SimpleITKIO") -> Readable:
    file = folder / name
    image = sitk.GetImageFromArray(VOXELS)
    image.SetSpacing((0.7, 0.8, 2.5))
    sitk.WriteImage(image, str(file), not name.startswith("raw"))

    def read() -> object:
        read_image_header(file, reader)
        found = read_segmentation(file, reader)
        return found.labels.tobytes(), found.labels.shape, repr(found.geometry)

    return Readable(file, read)


def picture(folder: Path, *, name: str, reader: str) -> Readable:
    file = folder / name
    if name.endswith(".png"):
        io.imsave(file, VOXELS[0], check_contrast=False)
    else:
        tifffile.imwrite(file, VOXELS, compression="zlib")

    def read() -> object:
        return read_segmentation(file, reader).labels.tobytes()

    return Readable(file, read)


KINDS: dict[str, Callable[[Path], Readable]] = {
    "preset": preset,
    "plan": plan,
    "dataset.json": description,
    "evaluation.json": results,
    "post-processing": settings,
    "checkpoint": partial(model, logs=False),
    "training log": partial(model, logs=True),
    "npz": probabilities,
    "nii.gz": partial(segmentation, name="a.nii.gz"),
    "nii": partial(segmentation, name="a.nii", reader="NibabelIO"),
    "nii reoriented": partial(segmentation, name="a.nii.gz", reader="NibabelIOWithReorient"),
    "mha": partial(segmentation, name="a.mha"),
    "raw mha": partial(segmentation, name="raw.mha"),
    "nrrd": partial(segmentation, name="a.nrrd"),
    "raw nrrd": partial(segmentation, name="raw.nrrd"),
    "gipl": partial(segmentation, name="a.gipl"),
    "png": partial(picture, name="a.png", reader="NaturalImage2DIO"),
    "tif": partial(picture, name="a.tif", reader="Tiff3DIO"),
}


@pytest.fixture(autouse=True)
def _quiet() -> Any:
    shown = sitk.ProcessObject.GetGlobalWarningDisplay()
    sitk.ProcessObject.SetGlobalWarningDisplay(False)
    yield
    sitk.ProcessObject.SetGlobalWarningDisplay(shown)


@pytest.mark.filterwarnings("ignore")
@pytest.mark.parametrize("kind", KINDS)
def test_damaged_files_are_refused_or_read(tmp_path: Path, kind: str) -> None:
    readable = KINDS[kind](tmp_path)
    content = readable.file.read_bytes()
    readable.read()
    for seed in inputs_for(2 * len(KINDS)):
        readable.file.write_bytes(damaged(content, seed))
        try:
            with no_hang():
                readable.read()
        except UserError as error:
            assert str(error), f"{kind}, seed {seed}"
        except Exception as error:
            raise AssertionError(f"{kind}, seed {seed}: {error!r}") from error


@pytest.mark.filterwarnings("ignore")
@pytest.mark.parametrize("kind", KINDS)
def test_files_that_are_cut_off_are_refused_or_whole(tmp_path: Path, kind: str) -> None:
    readable = KINDS[kind](tmp_path)
    content, whole = readable.file.read_bytes(), readable.read()
    for seed in inputs_for(2 * len(KINDS)):
        readable.file.write_bytes(cut(content, seed))
        try:
            with no_hang():
                found = readable.read()
        except UserError as error:
            assert readable.file.name in str(error), f"{kind}, seed {seed}: {error}"
        except Exception as error:
            raise AssertionError(f"{kind}, seed {seed}: {error!r}") from error
        else:
            assert found == whole, f"{kind}, seed {seed}"
