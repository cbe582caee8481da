"""The folder that is handed on: what it holds, that it gives what torch gives, that damage is noticed."""

from __future__ import annotations

import json
import os
import pickle
import shutil
import stat
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from small_disc import files_of_at_most
from small_plans import N_SLICES

from nnunetv2_raemd.confidence.calibration_file import FILE_NAME as CALIBRATION
from nnunetv2_raemd.deployment import model_description, model_export
from nnunetv2_raemd.deployment.export_choices import ExportOptions
from nnunetv2_raemd.deployment.exported_model import ExportedModel
from nnunetv2_raemd.deployment.model_description import FILE_NAME, GraphFormat, Precision, read_description
from nnunetv2_raemd.deployment.model_export import export_model
from nnunetv2_raemd.deployment.network_backend import Backend
from nnunetv2_raemd.deployment.session_network import ReplacingSessionNetwork
from nnunetv2_raemd.deployment.source_model import SourceModel
from nnunetv2_raemd.errors import UserError

SETTINGS: dict[str, Any] = {"device": torch.device("cpu"), "allow_tqdm": False}


def test_it_holds_numbers_graphs_and_text_only(exported: Path) -> None:
    assert sorted(
        file.relative_to(exported).as_posix() for file in exported.rglob("*") if file.is_file()
    ) == [
        "README.md",
        "dataset.json",
        "model.json",
        "network/decode.onnx",
        "network/encode.onnx",
        "network/recur.onnx",
        "plans.json",
        "weights/fold_0.safetensors",
        "weights/fold_1.safetensors",
    ]


@pytest.mark.skipif(os.name != "posix", reason="permissions are those of POSIX")
def test_others_may_read_what_the_umask_lets_them(trained: SourceModel, tmp_path: Path) -> None:
    """A container, or a service, reads the folder as another user than the one who exported it."""
    before = os.umask(0o027)
    try:
        export_model(trained, tmp_path / "model", ExportOptions(GraphFormat.NONE))
    finally:
        os.umask(before)
    modes = {stat.S_IMODE(file.stat().st_mode) for file in tmp_path.rglob("*") if file.is_file()}
    assert modes == {0o640}


def test_the_description_says_what_prediction_needs(exported: Path) -> None:
    description = read_description(exported)
    assert description.folds == ("0", "1")
    assert description.n_slices == N_SLICES
    assert description.positions == (-1,)
    assert description.mirroring_axes == (1, 2)
    assert description.dataset["labels"] == {"background": 0, "nodule": 1}
    backends = description.verification["logits"]["backends"]
    assert all(
        fold["largest_difference"] < 1e-4 for by_fold in backends.values() for fold in by_fold.values()
    )


def test_no_path_of_this_machine_is_in_it(exported: Path) -> None:
    here = str(Path(__file__).resolve().parents[2]).encode()
    for file in exported.rglob("*"):
        assert file.is_dir() or here not in file.read_bytes()


def test_the_card_names_data_limits_and_license(exported: Path) -> None:
    card = (exported / "README.md").read_text(encoding="utf-8")
    for expected in ("CC BY 4.0", "nodule 1", "not a medical device", "nothing is known of its accuracy"):
        assert expected in card


@pytest.mark.parametrize("backend", list(Backend))
@pytest.mark.parametrize("mirroring", [False, True])
def test_the_folds_together_give_what_they_give_in_torch(
    exported: Path, trained: SourceModel, backend: Backend, mirroring: bool
) -> None:
    predictor = ExportedModel(exported, backend).load(use_mirroring=mirroring, **SETTINGS)
    reference = trained.predictor_with(*(trained.network_of(fold) for fold in trained.folds))
    reference.use_mirroring = mirroring
    image = trained.cases["0"].image("2")
    ours, torchs = (p.predict_logits_from_preprocessed_data(image).float() for p in (predictor, reference))
    torch.testing.assert_close(ours, torchs, rtol=5e-3, atol=5e-3)  # sums in half precision
    assert torch.mean((ours.argmax(0) != torchs.argmax(0)).double()) < 1e-3


def test_other_software_runs_the_graph_with_the_weights_beside_it(
    exported: Path, trained: SourceModel
) -> None:
    onnxruntime = pytest.importorskip("onnxruntime", reason="the extra onnx is not installed")
    # ONNX Runtime reads external data below the folder of the graph only: there, everything lies in one
    session = onnxruntime.InferenceSession(_flattened(exported, exported.parent / "flat") / "encode.onnx")
    torchs_network: Any = trained.network_of("0")
    slices = torch.randn(3, 1, 16, 16)
    found = session.run(None, {"input_0": slices.numpy()})
    with torch.inference_mode():
        for ours, torchs in zip(found, torchs_network.encode(slices), strict=True):
            np.testing.assert_allclose(ours, torchs.numpy(), rtol=1e-4, atol=1e-4)


def _flattened(folder: Path, target: Path) -> Path:
    shutil.copytree(folder, target)
    for graph in (target / "network").iterdir():
        graph.rename(target / graph.name)
    return target


def test_an_existing_folder_is_left_alone(exported: Path, trained: SourceModel) -> None:
    with pytest.raises(UserError, match="exists already"):
        export_model(trained, exported, ExportOptions())


def test_a_refused_export_leaves_nothing_behind(
    trained: SourceModel, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def refuse(*_: object) -> None:
        raise UserError("refused")

    monkeypatch.setattr("nnunetv2_raemd.deployment.model_export.write_description", refuse)
    with pytest.raises(UserError, match="refused"):
        export_model(trained, tmp_path / "model", ExportOptions(GraphFormat.NONE))
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize(
    ("graph_format", "n_bytes"),
    [(GraphFormat.NONE, 2000), (GraphFormat.ONNX, 15_000), (GraphFormat.OPENVINO, 15_000)],
)
def test_a_full_disc_is_named_and_leaves_nothing_behind(
    trained: SourceModel,
    tmp_path: Path,
    graph_format: GraphFormat,
    n_bytes: int,
    request: pytest.FixtureRequest,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """The weights have about 11 kB, and graphs, which another library writes in each format, more."""
    if graph_format is not GraphFormat.NONE:
        monkeypatch.setattr(model_export, "export_graphs", request.getfixturevalue("traced"))
    if graph_format is GraphFormat.OPENVINO:
        pytest.importorskip("openvino", reason="the extra openvino is not installed")
    output = tmp_path / "model"
    with (
        files_of_at_most(n_bytes),
        pytest.raises(UserError, match=r"model.* cannot .*written|cannot write .*model"),
    ):
        export_model(trained, output, ExportOptions(graph_format=graph_format))
    assert list(tmp_path.iterdir()) == []


def test_weights_alone_are_enough_for_torch(trained: SourceModel, tmp_path: Path) -> None:
    export_model(trained, tmp_path / "model", ExportOptions(GraphFormat.NONE))
    predictor = ExportedModel(tmp_path / "model").load(**SETTINGS)
    for fold, network in zip(trained.folds, predictor.fold_networks, strict=True):
        for name, value in network.state_dict().items():
            assert torch.equal(value, trained.weights_of(fold)[name])
    with pytest.raises(UserError, match="onnxruntime does not run"):
        ExportedModel(tmp_path / "model", Backend.ONNXRUNTIME).load(**SETTINGS)


@pytest.mark.parametrize(
    "options",
    [
        ExportOptions(GraphFormat.ONNX, Precision.INT8),
        ExportOptions(GraphFormat.NONE, Precision.BFLOAT16),
    ],
)
def test_options_that_do_not_fit_together_are_refused(
    trained: SourceModel, tmp_path: Path, options: ExportOptions
) -> None:
    with pytest.raises(UserError, match="--format openvino"):
        export_model(trained, tmp_path / "model", options)


def flip_a_bit(file: Path) -> None:
    content = bytearray(file.read_bytes())
    content[-10] ^= 1
    file.write_bytes(content)


def cut_off(file: Path) -> None:
    file.write_bytes(file.read_bytes()[:-7])


@pytest.mark.parametrize("damage", [flip_a_bit, cut_off, Path.unlink])
@pytest.mark.parametrize("name", ["weights/fold_1.safetensors", "network/recur.onnx", FILE_NAME])
def test_damage_is_named(copied: Path, name: str, damage: Callable[[Path], None]) -> None:
    damage(copied / name)
    with pytest.raises(UserError, match=name.rsplit("/", 1)[-1]):
        ExportedModel(copied, Backend.OPENVINO).load(**SETTINGS)


def test_the_check_sum_is_named(copied: Path) -> None:
    file = copied / "weights" / "fold_0.safetensors"
    flip_a_bit(file)
    expected = read_description(copied).files["weights/fold_0.safetensors"].sha256
    with pytest.raises(UserError, match=rf"fold_0\.safetensors .* SHA-256 is [0-9a-f]{{64}}, not {expected}"):
        ExportedModel(copied, Backend.TORCH).load(**SETTINGS)


def change(folder: Path, **entries: Any) -> None:
    """Change the description and make its check sum fit, as somebody would who means to."""
    file = folder / FILE_NAME
    content = json.loads(file.read_text(encoding="utf-8")) | entries
    content["checksum"] = model_description._checksum(content)
    file.write_text(json.dumps(content), encoding="utf-8")


def test_a_calibration_that_was_not_exported_with_it_is_refused(copied: Path) -> None:
    """Of another model with the same labels, nothing else would show."""
    (copied / CALIBRATION).write_text("{}")
    with pytest.raises(UserError, match=rf"{CALIBRATION} was not exported with this model"):
        ExportedModel(copied).load(**SETTINGS)


def test_graphs_of_the_former_format_replace_features(exported: Path, copied: Path) -> None:
    assert not read_description(exported).recurrence_replaces
    change(copied, format_version=1)
    assert read_description(copied).recurrence_replaces
    network: Any = ExportedModel(copied, Backend.ONNXRUNTIME).load(**SETTINGS).network
    assert isinstance(network, ReplacingSessionNetwork)


def test_a_model_of_a_newer_version_says_so(copied: Path) -> None:
    change(copied, format_version=3, written_by="nnunetv2-raemd 9.9")
    with pytest.raises(UserError, match=r"newer version \(nnunetv2-raemd 9\.9, format 3\).* Update"):
        ExportedModel(copied).load(**SETTINGS)


@pytest.mark.parametrize(
    "entries",
    [
        {"folds": ["../../0"]},
        {"folds": []},
        {"folds": 3},
        {"plans": []},
        {"plans": {}},
        {"mirroring_axes": [7]},
        {"n_slices": "many"},
        {"files": {"weights/fold_0.safetensors": {"path": "/etc/passwd"}}},
        {"graph_format": "pickle"},
        {"configuration": "3d_fullres"},
        {"n_slices": N_SLICES - 1},
        {"positions": []},
        {"format_version": True},
        {"format_version": 0},
        {"dataset": {"labels": {"background": 0, "nodule": "1"}, "file_ending": ".nii.gz"}},
        {"dataset": {"labels": {"background": 0, "nodule": 1}, "file_ending": "/../a.nii.gz"}},
    ],
)
def test_entries_that_make_no_sense_are_refused(copied: Path, entries: dict[str, Any]) -> None:
    change(copied, **entries)
    with pytest.raises(UserError, match=r"model\.json"):
        ExportedModel(copied).load(**SETTINGS)


def replace_with_its_sum(folder: Path, name: str, content: bytes) -> None:
    (folder / name).write_bytes(content)
    entry = model_description.entry_of(folder / name)
    files = json.loads((folder / FILE_NAME).read_text(encoding="utf-8"))["files"]
    change(folder, files=files | {name: {"sha256": entry.sha256, "n_bytes": entry.n_bytes}})


@pytest.mark.parametrize(("name", "key"), [("plans.json", "plans_name"), ("dataset.json", "labels")])
def test_plan_and_labels_of_another_model_are_refused(copied: Path, name: str, key: str) -> None:
    """Tools of nnU-Net go by these files, and raemd predict by model.json."""
    content = json.loads((copied / name).read_text(encoding="utf-8"))
    replace_with_its_sum(copied, name, json.dumps(content, indent=4).encode())
    ExportedModel(copied, Backend.TORCH).load(**SETTINGS)
    replace_with_its_sum(copied, name, json.dumps(content | {key: {"another": 1}}).encode())
    with pytest.raises(UserError, match=rf"{name} and {FILE_NAME} .* different models: {key} differ"):
        ExportedModel(copied, Backend.TORCH).load(**SETTINGS)


@pytest.mark.parametrize("backend", [Backend.ONNXRUNTIME, Backend.OPENVINO])
def test_a_graph_that_cannot_run_is_named(copied: Path, backend: Backend) -> None:
    import onnx  # noqa: PLC0415 - an extra

    graph = onnx.load(str(copied / "network" / "encode.onnx"), load_external_data=False)
    graph.graph.node[0].op_type = "Unheard"
    for content in (b"", graph.SerializeToString()):
        replace_with_its_sum(copied, "network/encode.onnx", content)
        with pytest.raises(UserError, match=rf"{backend.value} cannot run the graphs in .*network: "):
            ExportedModel(copied, backend).load(**SETTINGS)


def test_files_that_lead_out_of_the_folder_are_not_followed(copied: Path, tmp_path: Path) -> None:
    file = copied / "weights" / "fold_0.safetensors"
    outside = tmp_path / "outside.safetensors"
    file.rename(outside)
    file.symlink_to(outside)
    with pytest.raises(UserError, match=r"fold_0\.safetensors is a link"):
        ExportedModel(copied, Backend.TORCH).load(**SETTINGS)


class Malicious:
    """Leaves a file where it is unpickled."""

    def __init__(self, trace: Path) -> None:
        self.trace = trace

    def __reduce__(self) -> tuple[Callable[..., Any], tuple[Any, ...]]:
        return Path.touch, (self.trace,)


@pytest.mark.parametrize(
    "name", ["weights/fold_0.safetensors", "network/encode.onnx", FILE_NAME, "extra.pkl"]
)
def test_a_pickle_in_the_place_of_a_file_does_nothing(copied: Path, tmp_path: Path, name: str) -> None:
    trace = tmp_path / "was run"
    content = pickle.dumps(Malicious(trace))
    (copied / name).write_bytes(content)
    if name not in (FILE_NAME, "extra.pkl"):  # with check sums that fit
        entry = model_description.entry_of(copied / name)
        files = json.loads((copied / FILE_NAME).read_text(encoding="utf-8"))["files"]
        change(copied, files=files | {name: {"sha256": entry.sha256, "n_bytes": entry.n_bytes}})
    if name == "extra.pkl":
        ExportedModel(copied, Backend.OPENVINO).load(**SETTINGS)
    else:
        with pytest.raises(UserError):
            ExportedModel(copied, Backend.OPENVINO).load(**SETTINGS)
    assert not trace.exists()
    pickle.loads(content)  # it would have done something
    assert trace.exists()


def test_another_device_than_the_cpu_is_torchs(exported: Path) -> None:
    with pytest.raises(UserError, match="-device cpu"):
        ExportedModel(exported, Backend.OPENVINO).load(device=torch.device("cuda"), allow_tqdm=False)
