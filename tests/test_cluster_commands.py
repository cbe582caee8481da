"""Commands over many cases on the workers of a dask scheduler: the results as here, whoever is killed."""

from __future__ import annotations

import json
import os
import re
import signal
import sys
import threading
import time
from collections.abc import Iterator
from pathlib import Path
from types import SimpleNamespace
from typing import TYPE_CHECKING, Any

import numpy as np
import pytest
import SimpleITK as sitk
from typer.testing import CliRunner, Result
from untrained_model import SPACING_MM, write_model

from nnunetv2_raemd.cli import app
from nnunetv2_raemd.errors import UserError
from nnunetv2_raemd.prediction import cluster_prediction
from nnunetv2_raemd.prediction.batch_request import Batch
from nnunetv2_raemd.prediction.cluster_prediction import ModelInUse, PredictionJob
from nnunetv2_raemd.prediction.input_cases import InputCase
from nnunetv2_raemd.prediction.model_loading import load_model
from nnunetv2_raemd.prediction.trained_model import AnyModel, Model

if TYPE_CHECKING:
    from distributed import LocalCluster

distributed = pytest.importorskip("distributed", reason="the extra [cluster] is not installed")
pytestmark = pytest.mark.skipif(sys.platform == "win32", reason="SIGKILL is POSIX's")
N_SCANS, N_CASES = 6, 9
MODEL = ("-d", "601", "-c", "2d", "-f", "0", "-device", "cpu", "--disable_tta")


@pytest.fixture(scope="module")
def results(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Path]:
    """nnU-Net's folders with a model; set before the workers start, which take the variables over."""
    root = tmp_path_factory.mktemp("nnunet")
    with pytest.MonkeyPatch.context() as patch:
        for kind in ("raw", "preprocessed", "results"):
            (root / kind).mkdir()
            patch.setenv(f"nnUNet_{kind}", str(root / kind))
        write_model(root / "results")
        yield root / "results"


@pytest.fixture(scope="module")
def cluster(results: Path) -> Iterator[LocalCluster]:
    """Two worker processes of one thread, which are started anew when they die."""
    with distributed.LocalCluster(
        n_workers=2, threads_per_worker=1, processes=True, dashboard_address=None, silence_logs=50
    ) as cluster:
        yield cluster


@pytest.fixture
def scans(tmp_path: Path) -> Path:
    folder = tmp_path / "scans"
    folder.mkdir()
    for number in range(N_SCANS):
        hu = np.random.default_rng(number).normal(-500, 300, (6, 32, 32)).astype(np.int16)
        image = sitk.GetImageFromArray(hu)
        image.SetSpacing(SPACING_MM[::-1])
        sitk.WriteImage(image, str(folder / f"scan{number}_0000.nii.gz"))
    return folder


def raemd(*arguments: object) -> Result:
    return CliRunner().invoke(app, [*map(str, arguments)])


def segmentations(folder: Path) -> dict[str, np.ndarray]:
    files = sorted(folder.glob("*.nii.gz"))
    return {file.name: sitk.GetArrayFromImage(sitk.ReadImage(str(file))) for file in files}


def pids(cluster: LocalCluster) -> list[int]:
    """Of the two workers; one that was killed is waited for until it is replaced."""
    with distributed.Client(cluster.scheduler_address, set_as_default=False) as client:
        while True:
            client.wait_for_workers(2, timeout=120)
            found = list(client.run(os.getpid, on_error="return").values())
            if not any(isinstance(answer, Exception) for answer in found):
                return found


def test_prediction_survives_the_kill_of_a_worker(cluster: LocalCluster, scans: Path, tmp_path: Path) -> None:
    """Nothing is lost and nothing there twice, a scan that cannot be read fails alone."""
    assert raemd("predict", "-i", scans, "-o", tmp_path / "here", *MODEL, "-npp", 0, "-nps", 0).exit_code == 0
    whole = (scans / "scan0_0000.nii.gz").read_bytes()
    (scans / "broken_0000.nii.gz").write_bytes(whole[: len(whole) // 2])  # which its header does not show
    first, *_ = pids(cluster)

    def kill_one() -> None:
        while not list((tmp_path / "there").glob("*.nii.gz")):
            time.sleep(0.01)
        os.kill(first, signal.SIGKILL)

    killer = threading.Thread(target=kill_one)
    killer.start()
    command = ("predict", "-i", scans, *MODEL, "--scheduler", cluster.scheduler_address)
    found = raemd(*command, "-o", tmp_path / "there")
    killer.join()
    assert first not in pids(cluster), "no worker was killed"
    assert isinstance(found.exception, UserError)
    assert re.fullmatch(r"not everything could be done:\n  broken: .*broken_0000.*", str(found.exception))
    here, there = segmentations(tmp_path / "here"), segmentations(tmp_path / "there")
    assert list(there) == list(here) == [f"scan{number}.nii.gz" for number in range(N_SCANS)]
    assert all(np.mean(here[name] == there[name]) > 0.999 for name in here)
    assert 0.01 < np.mean([labels.mean() for labels in here.values()]) < 0.99

    (tmp_path / "there" / "scan1.nii.gz").unlink()
    kept = (tmp_path / "there" / "scan0.nii.gz").stat().st_mtime_ns
    (scans / "broken_0000.nii.gz").unlink()
    assert raemd(*command, "-o", tmp_path / "there", "--continue_prediction").exit_code == 0
    assert list(segmentations(tmp_path / "there")) == list(here)
    assert (tmp_path / "there" / "scan0.nii.gz").stat().st_mtime_ns == kept


def test_a_worker_loads_the_model_once(
    results: Path, scans: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    loads = []

    def counted(model: AnyModel, **settings: Any) -> Any:
        loads.append(model)
        return load_model(model, **settings)

    monkeypatch.setattr(cluster_prediction, "load_model", counted)
    model = Model("601", "nnUNetTrainerRAEMD", "nnUNetPlans", "2d", ("0",), "checkpoint_final.pth")
    settings = {"use_mirroring": False, "allow_tqdm": False}
    job = PredictionJob(ModelInUse(model, "cpu", tuple(settings.items())), Batch(scans, tmp_path / "out"))
    for number in range(3):
        job(InputCase(f"scan{number}", (scans / f"scan{number}_0000.nii.gz",)))
    assert len(loads) == 1 and len(segmentations(tmp_path / "out")) == 3


@pytest.mark.parametrize("overwrite", [False, True])
def test_what_a_worker_finished_before_it_died_is_done_again_only_to_overwrite(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, overwrite: bool
) -> None:
    preprocessed: list[str] = []

    class Work:
        def preprocess(self, case: InputCase) -> tuple[Any, Any]:
            preprocessed.append(case.case_id)
            return None, {}

        def export(self, *_: Any) -> None: ...

    loaded = SimpleNamespace(dataset_json={"file_ending": ".nii.gz"})
    monkeypatch.setattr(cluster_prediction, "_loaded", lambda _: loaded)
    monkeypatch.setattr(cluster_prediction, "case_work", lambda *_: Work())
    monkeypatch.setattr(cluster_prediction, "result_of", lambda *_: None)
    (tmp_path / "done.nii.gz").touch()
    model = Model("601", "nnUNetTrainerRAEMD", "nnUNetPlans", "2d", ("0",), "checkpoint_final.pth")
    job = PredictionJob(ModelInUse(model, "cpu", ()), Batch(tmp_path, tmp_path, overwrite=overwrite))
    for name in ("done", "new"):
        job(InputCase(name, (tmp_path / f"{name}_0000.nii.gz",)))
    assert preprocessed == (["done", "new"] if overwrite else ["new"])


@pytest.fixture
def folders(tmp_path: Path) -> tuple[Path, Path]:
    """Predictions with a small false lesion each, and references; of one case the prediction is broken."""
    predictions, references = tmp_path / "predictions", tmp_path / "references"
    for folder in (predictions, references):
        folder.mkdir()
    for number in range(N_CASES):
        lesion = np.zeros((6, 40, 40), np.uint8)
        lesion[1:4, 5 : 15 + number, 5:15] = 1
        predicted = lesion.copy()
        predicted[2, 28:33, 30:35] = 1
        for folder, labels in ((references, lesion), (predictions, predicted)):
            sitk.WriteImage(sitk.GetImageFromArray(labels), str(folder / f"case{number}.nii.gz"))
    (predictions / "case1.nii.gz").write_bytes(b"broken")
    description = {"labels": {"background": 0, "nodule": 1}, "file_ending": ".nii.gz"}
    (predictions / "dataset.json").write_text(json.dumps(description), encoding="utf-8")
    return predictions, references


def test_evaluation_finds_the_same(cluster: LocalCluster, folders: tuple[Path, Path], tmp_path: Path) -> None:
    command = ("evaluate", "-i", folders[0], "-ref", folders[1])
    here = raemd(*command, "-np", 1, "-o", tmp_path / "here")
    there = raemd(*command, "--scheduler", cluster.scheduler_address, "-o", tmp_path / "there")
    assert here.exit_code == there.exit_code == 1 and "predictions: case1: " in there.output
    written = [(tmp_path / place / "evaluation.json").read_text() for place in ("here", "there")]
    assert written[0] == written[1]
    assert len(json.loads(written[0])["systems"][0]["cases"]) == N_CASES - 1


def test_post_processing_finds_and_does_the_same(
    cluster: LocalCluster, folders: tuple[Path, Path], tmp_path: Path
) -> None:
    predictions, references = folders
    settings, scheduler = (
        predictions / "postprocessing_raemd.json",
        ("--scheduler", cluster.scheduler_address),
    )
    determine = ("postprocess", "determine", "-i", predictions, "-ref", references)
    assert raemd(*determine, "-np", 1).exit_code == 1  # for the broken one
    here = settings.read_text()
    settings.unlink()
    assert raemd(*determine, *scheduler).exit_code == 1
    assert settings.read_text() == here and json.loads(here)["labels"][0]["min_volume_mm3"] > 0
    apply = ("postprocess", "apply", "-i", predictions, "-pp_file", settings)
    assert raemd(*apply, "-o", tmp_path / "here", "-np", 1).exit_code == 1
    assert raemd(*apply, "-o", tmp_path / "there", *scheduler).exit_code == 1
    expected, found = segmentations(tmp_path / "here"), segmentations(tmp_path / "there")
    assert list(expected) == list(found) == [f"case{n}.nii.gz" for n in range(N_CASES) if n != 1]
    assert all(np.array_equal(expected[name], found[name]) for name in expected)
    assert not found["case0.nii.gz"][2, 28:33, 30:35].any()
