"""Prediction by the workers of a cluster, each of which loads the model once."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from functools import lru_cache
from pathlib import Path
from typing import Any

import torch

from nnunetv2_raemd.execution.case_batch import Failed, failures, run_cases
from nnunetv2_raemd.execution.cluster_worker import ONE_AT_A_TIME, takes_one_at_a_time
from nnunetv2_raemd.execution.scheduler import Scheduler
from nnunetv2_raemd.prediction.batch_request import Batch
from nnunetv2_raemd.prediction.input_cases import InputCase
from nnunetv2_raemd.prediction.model_loading import load_model, torch_device
from nnunetv2_raemd.prediction.prediction_batch import case_work, result_of
from nnunetv2_raemd.prediction.predictor import WholeScanPredictor
from nnunetv2_raemd.prediction.trained_model import AnyModel, Model

CPU = torch.device("cpu")  # with as many threads as the worker was started for


@dataclass(frozen=True)
class ModelInUse:
    """A model, where its network runs, and how it predicts.

    Attributes:
        device: as nnU-Net calls it, such as "cuda".
        settings: those of nnU-Net's predictor, by name.
    """

    model: AnyModel
    device: str
    settings: tuple[tuple[str, Any], ...]
    trust_checkpoint: bool = False

    def load(self) -> WholeScanPredictor:
        """The predictor.

        Raises:
            UserError: if the model cannot be loaded, or there is no such device.
        """
        return load_model(
            self.model,
            trust_checkpoint=self.trust_checkpoint,
            device=CPU if self.device == CPU.type else torch_device(self.device),
            **dict(self.settings),
        )


@lru_cache(maxsize=1)
def _loaded(model: ModelInUse) -> WholeScanPredictor:
    """Of this process, which keeps it: to load a model takes as long as to predict a small scan."""
    return model.load()


@dataclass(frozen=True)
class PredictionJob:
    """Predicting a case as a job for many cases."""

    model: ModelInUse
    batch: Batch

    def __call__(self, case: InputCase, /) -> None:
        predictor = _loaded(self.model)
        work = case_work(predictor, self.batch)
        ending = str(predictor.dataset_json["file_ending"])
        if not self.batch.overwrite and self.batch.is_done(
            case.case_id, ending
        ):  # by a worker that died after it
            return
        image, properties = work.preprocess(case)
        work.export(result_of(predictor, work, image, properties), properties, case)

    def case_id(self, case: InputCase, /) -> str:
        return case.case_id

    def sees(self, case: InputCase, /) -> Mapping[str, object]:
        return {
            **{str(file): file.stat().st_size if file.is_file() else None for file in self._model_files()},
            **{str(file): file.is_file() for file in case.images},
            str(self.batch.output): self.batch.output.is_dir(),
            ONE_AT_A_TIME: takes_one_at_a_time(),
        }

    def _model_files(self) -> list[Path]:
        model = self.model.model
        if isinstance(model, Model):
            return [model.folder() / f"fold_{fold}" / model.checkpoint for fold in model.folds]
        return sorted(file for file in model.folder().iterdir() if file.is_file())


@dataclass(frozen=True)
class Cluster:
    """Where the network runs instead of this machine.

    Attributes:
        device: of the workers, as nnU-Net calls it.
    """

    scheduler: Scheduler
    device: str

    def prediction(self, model: AnyModel, batch: Batch, settings: Mapping[str, Any]) -> ClusterPrediction:
        """Predicts the cases of a batch there, with these settings of nnU-Net's predictor."""
        kept = {name: value for name, value in settings.items() if name not in ("device", "trust_checkpoint")}
        trusted = bool(settings.get("trust_checkpoint"))
        in_use = ModelInUse(model, self.device, tuple(kept.items()), trusted)
        batch = replace(batch, explainer=None)  # lesions are explained here, once all are predicted
        return ClusterPrediction(PredictionJob(in_use, batch), self.scheduler)


@dataclass(frozen=True)
class ClusterPrediction:
    """Predicts cases on the workers of a scheduler."""

    job: PredictionJob
    scheduler: Scheduler

    def __call__(self, cases: Sequence[InputCase]) -> list[Failed]:
        """The cases that failed.

        Raises:
            UserError: if the scheduler or its workers are at fault.
        """
        return failures(run_cases("Predicting", self.job, cases, backend=self.scheduler))
