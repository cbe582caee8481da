"""README.md of an exported model: what it is, how good it was measured to be, what it is not for."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any

from nnunetv2_raemd.confidence.calibration import Calibration
from nnunetv2_raemd.deployment.model_description import SOUP, GraphFormat, ModelDescription, Precision
from nnunetv2_raemd.deployment.model_postprocessing import postprocessor_of

FILE_NAME = "README.md"
NO_LICENSE = "not stated by who exported it: ask before you use it"
_LIMITS = """## Limits

- Research software. It is not a medical device and must not be used for diagnosis or treatment.
- It knows what its training data showed. Scans of other scanners, kernels, slice thicknesses, patients or
  diseases can be segmented worse than the figures above say, without a warning.
- Figures of a cross-validation come from cases of the same source as the training data.
"""


def model_card(
    description: ModelDescription, summaries: Mapping[str, Any], calibration: Calibration | None = None
) -> str:
    """The text, in Markdown.

    Args:
        summaries: content of nnU-Net's summary.json of the validation of each fold that has been validated.
        calibration: of its confidences, if the folder holds it.
    """
    return "\n".join(
        [
            f"# {description.plans['dataset_name']}, {description.configuration}, {description.trainer}",
            "",
            "\n".join(_use(description)),
            "\n".join(_data(description)),
            "\n".join(_metrics(description, summaries)),
            "\n".join(_confidence(calibration, description)),
            "\n".join(_export(description)),
            _LIMITS,
            f"## License\n\n{description.license or NO_LICENSE}\n",
        ]
    )


def _use(description: ModelDescription) -> Iterable[str]:
    yield "    pip install nnunetv2-raemd[openvino]"
    yield "    raemd predict --model THIS_FOLDER -i IMAGES -o SEGMENTATIONS"
    yield ""
    yield (
        "Nothing in this folder is executed when it is loaded: it holds numbers, graphs and text. "
        "`model.json` has the check sums of all files."
    )
    yield ""


def _data(description: ModelDescription) -> Iterable[str]:
    dataset, configuration = (
        description.dataset,
        description.plans["configurations"][description.configuration],
    )
    channels = dataset.get("channel_names") or dataset.get("modality") or {}
    yield "## Data"
    yield ""
    n_cases = dataset.get("numTraining", "an unknown number of")
    yield f"- Trained on {description.plans['dataset_name']}, {n_cases} cases"
    yield f"- Input: {', '.join(f'channel {number}: {name}' for number, name in channels.items())}"
    yield f"- Labels: {', '.join(f'{name} {value}' for name, value in dataset['labels'].items())}"
    yield f"- Spacing in mm (of a 2d configuration in-plane): {configuration.get('spacing')}"
    yield f"- Patch: {list(description.patch_size)}"
    yield f"- Normalization: {', '.join(configuration.get('normalization_schemes', []))}"
    for key in ("reference", "licence", "license", "description"):
        if dataset.get(key):
            yield f"- {key.capitalize()} (from dataset.json): {dataset[key]}"
    yield ""


def _metrics(description: ModelDescription, summaries: Mapping[str, Any]) -> Iterable[str]:
    yield "## Cross-validation"
    yield ""
    if not summaries:
        yield "No fold was validated where the model was exported: nothing is known of its accuracy."
    else:
        yield "| fold | cases | mean Dice of the foreground |"
        yield "|---|---|---|"
    for fold, summary in summaries.items():
        dice = summary.get("foreground_mean", {}).get("Dice")
        yield f"| {fold} | {len(summary.get('metric_per_case', []))} | {_number(dice)} |"
    yield ""


def _confidence(calibration: Calibration | None, description: ModelDescription) -> Iterable[str]:
    yield "## Confidence"
    yield ""
    if calibration is None:
        yield "The model is not calibrated: lesions are listed without a confidence."
        yield ""
        return
    n_cases, folds = len(calibration.case_ids), ", ".join(calibration.folds)
    yield f"Lesions are listed with a confidence, calibrated on {n_cases} cases (folds {folds})."
    if description.precision is not Precision.FLOAT32 or SOUP in description.folds:
        yield "Calibrated were the folds' networks as trained, not with the changed numbers of this export."
    for label in calibration.labels:
        if label.quality is not None:
            figures = f"ECE {label.quality.lesions.ece:.3f}, Brier score {label.quality.lesions.brier:.3f}"
            n_lesions = f"{label.model.n_real} real and {label.model.n_false} false lesions"
            yield f"- {label.target.name}: {figures} on {n_lesions}, each rated without its fold"
    yield ""


def _number(value: object) -> str:
    return f"{value:.3f}" if isinstance(value, float) else "not defined"


def _export(description: ModelDescription) -> Iterable[str]:
    yield "## Export"
    yield ""
    kind = f"{description.graph_format.value}, {description.precision.value}"
    yield f"- Folds: {', '.join(description.folds)}; {kind}"
    postprocessor = postprocessor_of(description, "postprocessing_raemd.json")
    steps = "none" if postprocessor is None else postprocessor.steps()
    yield f"- Post-processing, which raemd predict applies: {steps}"
    yield f"- Written by {', '.join(f'{name} {version}' for name, version in description.versions.items())}"
    yield from (f"- {line}" for line in description.summary())
    if (
        description.graph_format is not GraphFormat.NONE
        and not description.verification["logits"]["backends"]
    ):
        yield "- Logits were not compared with torch's: no backend was installed"
    yield ""
