"""int8 graphs of all folds that lose no lesion and hardly any Dice, or none."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING

from nnunetv2_raemd.deployment.accuracy_loss import MAX_DICE_LOSS, Accuracy, Loss, loss_between, measure
from nnunetv2_raemd.deployment.export_choices import CaseCounts
from nnunetv2_raemd.deployment.exported_network import network_of, openvino_session
from nnunetv2_raemd.deployment.graph_sessions import CompiledSession
from nnunetv2_raemd.deployment.model_description import ModelDescription
from nnunetv2_raemd.deployment.model_graphs import ModelGraphs
from nnunetv2_raemd.deployment.quantization import (
    Inputs,
    calibration_inputs,
    quantize,
    quantize_with_care,
)
from nnunetv2_raemd.deployment.source_model import SourceModel
from nnunetv2_raemd.errors import UserError

if TYPE_CHECKING:
    import openvino

Models = dict[str, "openvino.Model"]


@dataclass(frozen=True)
class Quantized:
    """What came out for one fold.

    Attributes:
        how: which layers are int8.
        loss: against torch, on the fold's validation cases.
    """

    models: Models
    how: str
    loss: Loss


class FoldQuantizer:
    """Quantizes the network of one fold and measures it on the fold's validation cases."""

    def __init__(
        self,
        source: SourceModel,
        fold: str,
        graphs: ModelGraphs,
        description: ModelDescription,
        n: CaseCounts,
    ) -> None:
        self.source, self.fold, self.description = source, fold, description
        self.cases = source.cases[fold]
        self.case_ids = self.cases.validation[: n.validation]
        self.network = source.network_of(fold)
        self.models = graphs.openvino(source.weights_of(fold))
        training = source.blocks_of(fold, n.calibration, training=True)
        self.inputs: Mapping[str, list[Inputs]] = calibration_inputs(self.network, training, graphs.positions)
        self.before = measure(source.predictor_with(self.network), self.cases, self.case_ids)

    def quantized(self) -> Quantized:
        """The first attempt that is acceptable.

        Raises:
            UserError: with the figures of all attempts, if none is.
        """
        attempts = []
        for how, models in self._attempts():
            attempt = Quantized(models, how, loss_between(self.before, self._accuracy(models)))
            if attempt.loss.is_acceptable:
                return attempt
            attempts.append(f"  {how}: {attempt.loss}")
        tried = "\n".join(attempts)
        raise UserError(
            f"int8 was refused for fold {self.fold}, because mean Dice falls by more than {MAX_DICE_LOSS} or "
            f"lesions are lost on its {len(self.case_ids)} validation cases:\n{tried}\nExport without --int8"
        )

    def _attempts(self) -> Iterator[tuple[str, Models]]:
        """From all layers in int8 to few."""
        int8 = {part: quantize(model, self.inputs[part]) for part, model in self.models.items()}
        yield "all layers", int8
        careful = {part: self._with_care(part) for part in self.models}
        yield "without the layers that cost most", careful
        for part in self.models:
            yield f"without the layers that cost most, none in {part}", careful | {part: self.models[part]}

    def _with_care(self, part: str) -> openvino.Model:
        def validate(compiled: openvino.CompiledModel) -> float:
            loss = loss_between(self.before, self._accuracy(self.models, **{part: CompiledSession(compiled)}))
            return loss.mean_dice_after - len(loss.lesions_lost)

        max_loss = MAX_DICE_LOSS / len(self.models)
        return quantize_with_care(self.models[part], self.inputs[part], validate, max_loss)

    def _accuracy(self, models: Models, **sessions: CompiledSession) -> Accuracy:
        ready = {
            part: openvino_session(model, part, self.description)
            for part, model in models.items()
            if part not in sessions
        }
        network = network_of({**ready, **sessions}, self.description)
        return measure(self.source.predictor_with(network), self.cases, self.case_ids)


def quantize_folds(
    source: SourceModel, graphs: ModelGraphs, description: ModelDescription, counts: CaseCounts
) -> dict[str, Quantized]:
    """int8 graphs of every fold.

    Raises:
        UserError: if there are no cases to calibrate and validate with, or a fold's is not acceptable.
    """
    missing = [fold for fold in source.folds if fold not in source.cases]
    if missing:
        raise UserError(
            "--int8 needs training cases to calibrate with and validation cases: preprocess the dataset "
            f"and set nnUNet_preprocessed. There is no case for fold {', '.join(missing)}"
        )
    return {
        fold: FoldQuantizer(source, fold, graphs, description, counts).quantized() for fold in source.folds
    }
