"""A folder of scans, with a pipeline that takes notes in the place of the real one."""

from __future__ import annotations

import json
from collections.abc import Callable, Sequence
from dataclasses import replace
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest
import SimpleITK as sitk

from nnunetv2_raemd.confidence.rated_lesions import Promise
from nnunetv2_raemd.errors import UserError
from nnunetv2_raemd.execution.case_batch import Failed
from nnunetv2_raemd.prediction import prediction_batch as room
from nnunetv2_raemd.prediction.batch_request import Batch
from nnunetv2_raemd.prediction.case_work import CaseWork
from nnunetv2_raemd.prediction.input_cases import InputCase
from nnunetv2_raemd.prediction.input_survey import survey_input
from nnunetv2_raemd.prediction.pipeline import Processes
from nnunetv2_raemd.prediction.prediction_batch import predict_batch

PROCESSES = Processes(3, 0)


class Predictor:
    """What is asked of a predictor beside predicting."""

    def __init__(self, previous_stage_name: str | None = None) -> None:
        labels = {"background": 0, "nodule": 1}
        self.dataset_json = {"file_ending": ".nii.gz", "channel_names": {"0": "CT"}, "labels": labels}
        self.plans_manager = self.configuration_manager = self
        self.previous_stage_name = previous_stage_name
        self.verbose_preprocessing = False
        self.model_folder: Path | None = None
        self.postprocessor = None
        self.plans = {"plans_name": "somePlans", "image_reader_writer": "SimpleITKIO"}

    def with_lines(self) -> Predictor:
        return self


class Notes:
    """A pipeline that cannot predict the case "broken"."""

    predicted: list[str]
    work: CaseWork

    def __init__(self, work: CaseWork, network: Callable[[np.ndarray], np.ndarray], _: Processes) -> None:
        Notes.work = work
        self.failed: list[Failed] = []
        self.n_written = 0

    def run(self, cases: Sequence[InputCase]) -> None:
        for case in cases:
            if case.case_id == "broken":
                self.failed.append(Failed("broken", "broken voxels"))
            else:
                Notes.predicted.append(case.case_id)


@pytest.fixture(autouse=True)
def _notes(monkeypatch: pytest.MonkeyPatch) -> None:
    Notes.predicted = []
    monkeypatch.setattr(room, "Pipeline", Notes)


@pytest.fixture
def batch(tmp_path: Path) -> Batch:
    source = tmp_path / "scans"
    source.mkdir()
    for name in ("a", "broken", "c"):
        sitk.WriteImage(sitk.Image(3, 4, 5, sitk.sitkInt16), str(source / f"{name}_0000.nii.gz"))
    return Batch(source, tmp_path / "out")


def without_broken(batch: Batch) -> Batch:
    (batch.source / "broken_0000.nii.gz").unlink()
    return batch


def predict(predictor: Any, batch: Batch, processes: Processes) -> None:
    """As the command does it."""
    survey = survey_input(batch, predictor.plans, predictor.dataset_json)
    predict_batch(predictor, batch, processes, survey)


def read(file: Path) -> Any:
    return json.loads(file.read_text(encoding="utf-8"))


def test_the_output_folder_is_described_as_by_nnu_net(batch: Batch) -> None:
    predict(Predictor(), without_broken(batch), PROCESSES)
    assert read(batch.output / "dataset.json") == Predictor().dataset_json
    assert read(batch.output / "plans.json") == Predictor().plans
    assert read(batch.output / "predict_from_raw_data_args.json") == {  # as nnunetv2 2.8.1 writes it
        "folder_with_segs_from_prev_stage": None,
        "list_of_lists_or_source_folder": str(batch.source),
        "num_parts": 1,
        "num_processes_preprocessing": 3,
        "num_processes_segmentation_export": 0,
        "output_folder_or_list_of_truncated_output_files": str(batch.output),
        "overwrite": True,
        "part_id": 0,
        "save_probabilities": False,
    }


def test_a_failing_case_is_told_of_after_the_others(batch: Batch) -> None:
    (batch.source / "no_image_0000.nii.gz").write_bytes(b"no image")
    with pytest.raises(UserError, match=r"(?s)could be done:.*no_image_0000.*broken: broken voxels"):
        predict(Predictor(), batch, PROCESSES)
    assert Notes.predicted == ["a", "c"]


@pytest.mark.parametrize(
    ("save_probabilities", "left"), [(False, []), (True, ["c"])], ids=["labels", "probabilities"]
)
def test_what_is_predicted_already_is_not_predicted_again(
    batch: Batch, save_probabilities: bool, left: list[str]
) -> None:
    batch.output.mkdir()
    for name in ("a.nii.gz", "a.npz", "c.nii.gz"):
        (batch.output / name).touch()
    source = without_broken(batch).source
    again = Batch(source, batch.output, overwrite=False, save_probabilities=save_probabilities)
    predict(Predictor(), again, PROCESSES)
    assert Notes.predicted == left


def test_predictions_may_lie_beside_the_images(batch: Batch) -> None:
    beside = Batch(without_broken(batch).source, batch.source, overwrite=False)
    (batch.source / "a.nii.gz").touch()
    predict(Predictor(), beside, PROCESSES)
    assert Notes.predicted == ["c"]


def test_parts_share_the_cases(batch: Batch) -> None:
    source = without_broken(batch).source
    shares = []
    for part_id in range(3):
        Notes.predicted = []
        predict(Predictor(), Batch(source, batch.output, num_parts=3, part_id=part_id), PROCESSES)
        shares.append(Notes.predicted)
    assert shares == [["a"], ["c"], []]


def test_nothing_is_made_where_no_case_can_be_predicted(batch: Batch) -> None:
    for file in batch.source.iterdir():
        file.write_bytes(b"no image")
    with pytest.raises(UserError) as told:
        predict(Predictor(), batch, PROCESSES)
    assert all(f"{name}_0000.nii.gz" in str(told.value) for name in ("a", "broken", "c"))
    assert not batch.output.exists()


def test_an_output_folder_that_cannot_be_made_is_named(batch: Batch) -> None:
    (batch.source.parent / "file").touch()
    inside_a_file = Batch(without_broken(batch).source, batch.source.parent / "file" / "out")
    with pytest.raises(UserError, match=r"out/.*\.json cannot be written"):
        predict(Predictor(), inside_a_file, PROCESSES)


def test_a_cascade_needs_its_previous_stage_and_only_a_cascade(batch: Batch, tmp_path: Path) -> None:
    with pytest.raises(UserError, match="3d_lowres"):
        predict(Predictor("3d_lowres"), batch, PROCESSES)
    with_previous = Batch(batch.source, batch.output, tmp_path)
    with pytest.raises(UserError, match="does not belong to a cascade"):
        predict(Predictor(), with_previous, PROCESSES)
    (tmp_path / "c.nii.gz").touch()
    with pytest.raises(UserError, match="a: no prediction of the previous stage"):
        predict(Predictor("3d_lowres"), with_previous, PROCESSES)
    assert Notes.predicted == ["c"]
    assert Notes.work.previous_stage == tmp_path


def test_a_promise_of_whole_scans_is_refused_for_the_lungs_alone(batch: Batch) -> None:
    asked = replace(without_broken(batch), lungs=True, promise=Promise(false_positives=1))
    with pytest.raises(UserError, match="calibrated on whole scans"):
        predict(Predictor(), asked, PROCESSES)
    assert not batch.output.exists()


IN_THIRDS = SimpleNamespace(encode=len, recur=len, decode=len)  # all that tells it from other networks


@pytest.mark.parametrize(
    ("asked", "network", "reader", "reason"),
    [
        ({"uncertainty": True}, object(), "SimpleITKIO", "--uncertainty is for RAEMD-Net"),
        ({"uncertainty": True}, IN_THIRDS, "NibabelIO", "--uncertainty is for volumes that SimpleITKIO"),
        ({"uncertainty": True, "lungs": True}, IN_THIRDS, "SimpleITKIO", "leave out --lungs"),
        ({"promise": Promise(sensitivity=0.9)}, IN_THIRDS, "NibabelIO", "--sensitivity are for volumes that"),
    ],
)
def test_what_a_model_cannot_show_is_refused_before_anything_is_written(
    batch: Batch, asked: dict[str, Any], network: object, reader: str, reason: str
) -> None:
    predictor: Any = Predictor()
    survey = survey_input(without_broken(batch), predictor.plans, predictor.dataset_json)
    predictor.network, predictor.plans = network, predictor.plans | {"image_reader_writer": reader}
    with pytest.raises(UserError, match=reason):
        predict_batch(predictor, replace(batch, **asked), PROCESSES, survey)
    assert not batch.output.exists()


def test_maps_of_uncertainty_are_made_of_networks_in_thirds(batch: Batch) -> None:
    predictor: Any = Predictor()
    predictor.network = IN_THIRDS
    predict(predictor, replace(without_broken(batch), uncertainty=True), PROCESSES)
    assert Notes.predicted == ["a", "c"] and Notes.work.uncertainty
