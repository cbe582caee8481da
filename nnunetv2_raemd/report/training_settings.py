"""How each model was trained, from the plans beside it and nnU-Net's debug.json, as a table."""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping, Sequence
from importlib import metadata
from pathlib import Path
from platform import python_version
from statistics import median
from typing import Any

from pydantic import ConfigDict, with_config
from typing_extensions import TypedDict

from nnunetv2_raemd.errors import UserError
from nnunetv2_raemd.evaluation.result_tables import Table
from nnunetv2_raemd.nnunet_files.json_file import read_json
from nnunetv2_raemd.nnunet_files.trained_models import TrainedModel
from nnunetv2_raemd.report.prediction_time import seconds_per_scan
from nnunetv2_raemd.report.training_log import TrainingLog

_UNKNOWN = "–"
_LOSSES = {
    "DC_and_CE_loss": "Dice + cross-entropy",
    "DC_and_BCE_loss": "Dice + binary cross-entropy",
    "DC_and_topk_loss": "Dice + top-k cross-entropy",
    "RobustCrossEntropyLoss": "cross-entropy",
    "MemoryEfficientSoftDiceLoss": "Dice",
}
_PACKAGES = ("nnunetv2-raemd", "nnunetv2", "torch", "numpy", "scipy", "SimpleITK", "monai", "plotly")


def settings_table(
    models: Sequence[TrainedModel], logs: Mapping[str, Sequence[TrainingLog]], configuration: str
) -> Table:
    """A column a model; what is not recorded anywhere is a dash."""
    columns = [_settings(model, logs.get(model.name, ()), configuration) for model in models]
    headings = ("Setting", *(model.name for model in models))
    rows = tuple((key, *(column[key] for column in columns)) for key in columns[0])
    note = (
        "From plans.json of each model, and debug.json, checkpoints and logs of its folds; debug.json is "
        "that of the first fold that has one. Prediction: median over the validation cases, with mirroring, "
        "without reading and writing files; compare it only between trainings on the same machine."
    )
    return Table("Training settings", headings, rows, note)


def versions_table() -> Table:
    """The versions of what made the report, which need not be what trained the models."""
    rows = [("Python", python_version())]
    for package in _PACKAGES:
        try:
            rows.append((package, metadata.version(package)))
        except metadata.PackageNotFoundError:
            rows.append((package, "not installed"))
    return Table("Versions that made this page", ("Package", "Version"), tuple(rows))


def _settings(model: TrainedModel, logs: Sequence[TrainingLog], configuration: str) -> dict[str, str]:
    parts = model.folder.name.split("__")
    plans = _read(model.folder / "plans.json", _Plans)
    plan = _configuration(plans, parts[-1] if len(parts) == 3 else configuration)
    recorded = [_read(model.fold_folder(fold) / "debug.json", dict[str, Any]) for fold in model.folds]
    debug: Mapping[str, Any] = next(filter(None, recorded), {})
    network = _mapping(plan.get("architecture"))
    arguments = _mapping(network.get("arch_kwargs"))
    return {
        "Plans and configuration": " ".join(parts[1:]) or _UNKNOWN,
        "Network": _text(network.get("network_class_name"), lambda name: str(name).rsplit(".", 1)[-1]),
        "Features by stage": _text(arguments.get("features_per_stage"), _listed),
        "Parameters (millions)": _by_fold(logs, lambda log: _text(log.n_parameters, _millions)),
        "Patch (voxels)": _text(plan.get("patch_size"), lambda size: " × ".join(map(str, size))),
        "Batch size": _text(debug.get("batch_size", plan.get("batch_size"))),
        "Spacing (mm)": _text(plan.get("spacing"), lambda s: " × ".join(f"{mm:.3g}" for mm in s)),
        "Normalization": _text(plan.get("normalization_schemes"), _listed),
        "Loss": _text(debug.get("loss"), loss_in_words),
        "Optimizer": _text(debug.get("optimizer"), lambda text: str(text).split("(")[0].strip()),
        "Initial learning rate": _text(debug.get("initial_lr")),
        "Schedule": schedule_in_words(debug),
        "Epochs planned": _text(debug.get("num_epochs")),
        "Iterations per epoch": _text(debug.get("num_iterations_per_epoch")),
        "Epochs trained": _by_fold(
            logs, lambda log: f"{log.n_epochs}{'' if log.finished else ' (unfinished)'}"
        ),
        "Hours of training": _by_fold(logs, lambda log: _text(log.hours, lambda hours: f"{hours:.2f}")),
        "Prediction, seconds per scan": _seconds_per_scan(model),
        "Device": _text(debug.get("gpu_name", debug.get("device"))),
        "torch": _text(debug.get("torch_version")),
        "nnunetv2-raemd": _text(plans.get("raemd", {}).get("version")),
    }


def _configuration(plans: Mapping[str, Any], name: str) -> dict[str, Any]:
    """A configuration with what it inherits from others, as nnU-Net reads it."""
    configurations = plans.get("configurations", {})
    found: dict[str, Any] = {}
    seen = set()
    while isinstance(name, str) and name in configurations and name not in seen:
        seen.add(name)
        found = {**configurations[name], **found}
        name = configurations[name].get("inherits_from", "")
    return found


def _mapping(value: Any) -> Mapping[str, Any]:
    return value if isinstance(value, Mapping) else {}


@with_config(ConfigDict(extra="allow"))
class _Plans(TypedDict, total=False):
    configurations: dict[str, dict[str, Any]]
    raemd: dict[str, Any]


def _read(file: Path, shape: Any) -> Any:
    """What a file records; nothing where it is absent or something else, as the dashes of the table say."""
    try:
        return read_json(file, shape, "")
    except UserError:
        return {}


def _text(value: Any, shown: Callable[[Any], str] = str) -> str:
    try:
        return _UNKNOWN if value is None else shown(value)
    except (TypeError, ValueError):  # of another kind than nnU-Net records
        return _UNKNOWN


def _listed(values: Sequence[Any]) -> str:
    return ", ".join(map(str, values))


def _millions(number: int) -> str:
    return f"{number / 1e6:.3g}"


def loss_in_words(text: str) -> str:
    """The loss within nnU-Net's wrapper for deep supervision, in words where its class is known."""
    wrapped = re.search(r"\(loss\): (\w+)", text)
    name = wrapped.group(1) if wrapped else text.split("(", maxsplit=1)[0].strip()
    if re.search(r"\((ce|bce)\): Focal", text):
        return "Dice + focal loss"
    return _LOSSES.get(name, name)


def schedule_in_words(debug: Mapping[str, Any]) -> str:
    """From what this package's trainers write into debug.json, as `Recipe(num_epochs=100, ...)`."""
    text = str(debug.get("recipe", ""))
    recipe = dict(re.findall(r"(\w+)=([^,)]+)", text))
    if recipe.get("schedule") == "'cosine'":
        warm_up = float(recipe.get("warm_up", 0))
        return f"cosine, after a warm-up over {warm_up:.0%} of the training" if warm_up else "cosine"
    if (
        not {"lr_factor", "schedule_patience"} <= recipe.keys()
    ):  # another trainer, or another version's recipe
        return _UNKNOWN
    stop = recipe.get("stop_patience", "inf")
    early = "" if stop == "inf" else f", stop after {stop}"
    return (
        f"learning rate × {recipe['lr_factor']} after {recipe['schedule_patience']} epochs without "
        f"improvement{early}"
    )


def _seconds_per_scan(model: TrainedModel) -> str:
    seconds = [s for fold in model.folds if (s := seconds_per_scan(model.fold_folder(fold))) is not None]
    return f"{median(seconds):.3g}" if seconds else _UNKNOWN


def _by_fold(logs: Sequence[TrainingLog], shown: Callable[[TrainingLog], str]) -> str:
    texts = [shown(log) for log in logs]
    if not texts:
        return _UNKNOWN
    return (
        texts[0]
        if len(set(texts)) == 1
        else "; ".join(f"fold {log.fold}: {text}" for log, text in zip(logs, texts, strict=True))
    )
