"""A folder of scans, with a predictor that takes notes in the place of the real one."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
import SimpleITK as sitk

from nnunetv2_raemd.errors import UserError
from nnunetv2_raemd.prediction.batch import Batch, Processes, predict_batch

IN_PARALLEL, ONE_BY_ONE = Processes(2, 2), Processes(0, 0)


class SimpleITKIO:
    """Stands for nnU-Net's reader of that name."""


class Notes:
    """A predictor that cannot predict the case "broken"."""

    def __init__(self, previous_stage_name: str | None = None) -> None:
        self.dataset_json = {"file_ending": ".nii.gz", "channel_names": {"0": "CT"}}
        self.plans_manager = self.configuration_manager = self
        self.image_reader_writer_class = SimpleITKIO
        self.previous_stage_name = previous_stage_name
        self.left_out: list[str] = []
        self.predicted: list[str] = []
        self.settings: dict[str, Any] = {}

    def predict_from_files(self, images: list[list[str]], outputs: list[str], **settings: Any) -> None:
        self.settings = settings
        for (image,), output in zip(images, outputs, strict=True):
            assert Path(image).name == f"{Path(output).name}_0000.nii.gz"
            if "broken" in image:
                raise RuntimeError("broken voxels")
            self.predicted.append(Path(output).name)

    predict_from_files_sequential = predict_from_files


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


def test_settings_reach_nnu_net(batch: Batch) -> None:
    predictor = Notes()
    changed = Batch(without_broken(batch).source, batch.output, save_probabilities=True, overwrite=False)
    predict_batch(predictor, changed, Processes(3, 0))
    assert predictor.predicted == ["a", "c"]
    assert predictor.settings == {
        "save_probabilities": True,
        "overwrite": False,
        "folder_with_segs_from_prev_stage": None,
        "num_processes_preprocessing": 3,
        "num_processes_segmentation_export": 1,
    }


def test_one_by_one_a_failing_case_does_not_end_the_others(batch: Batch) -> None:
    predictor = Notes()
    with pytest.raises(UserError, match="broken: broken voxels"):
        predict_batch(predictor, batch, ONE_BY_ONE)
    assert predictor.predicted == ["a", "c"]


@pytest.mark.parametrize("processes", [IN_PARALLEL, ONE_BY_ONE])
def test_parts_share_the_cases(batch: Batch, processes: Processes) -> None:
    source = without_broken(batch).source
    shares = []
    for part_id in range(3):
        predictor = Notes()
        predict_batch(predictor, Batch(source, batch.output, num_parts=3, part_id=part_id), processes)
        shares.append(predictor.predicted)
    assert shares == [["a"], ["c"], []]


def test_nothing_is_made_where_no_case_can_be_predicted(batch: Batch) -> None:
    for file in batch.source.iterdir():
        file.write_bytes(b"no image")
    with pytest.raises(UserError) as told:
        predict_batch(Notes(), batch, IN_PARALLEL)
    assert all(f"{name}_0000.nii.gz" in str(told.value) for name in ("a", "broken", "c"))
    assert not batch.output.exists()


def test_a_cascade_needs_its_previous_stage_and_only_a_cascade(batch: Batch, tmp_path: Path) -> None:
    with pytest.raises(UserError, match="3d_lowres"):
        predict_batch(Notes("3d_lowres"), batch, IN_PARALLEL)
    with_previous = Batch(batch.source, batch.output, tmp_path)
    with pytest.raises(UserError, match="no cascade"):
        predict_batch(Notes(), with_previous, IN_PARALLEL)
    (tmp_path / "c.nii.gz").touch()
    predictor = Notes("3d_lowres")
    with pytest.raises(UserError, match="a: no prediction of the previous stage"):
        predict_batch(predictor, with_previous, IN_PARALLEL)
    assert predictor.predicted == ["c"]
    assert predictor.settings["folder_with_segs_from_prev_stage"] == str(tmp_path)
