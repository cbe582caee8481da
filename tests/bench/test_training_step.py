"""The benchmark's training step against those of the trainers themselves."""

from __future__ import annotations

import copy
import json
from pathlib import Path

import pytest
import torch
from nnunetv2.training.nnUNetTrainer.nnUNetTrainer import nnUNetTrainer

from nnunetv2_raemd.bench.peer_names import PEER_NAMES
from nnunetv2_raemd.bench.peers import make_peers
from nnunetv2_raemd.bench.sized_plans import DATASET_JSON
from nnunetv2_raemd.bench.sizes import Sizes
from nnunetv2_raemd.bench.training_step import TrainingStep, nnunet_compiles
from nnunetv2_raemd.plans.preset import PRESET_FOLDER
from nnunetv2_raemd.training.cosine_schedule import CosineSchedule
from nnunetv2_raemd.training.trainer import nnUNetTrainerRAEMD

SIZES = Sizes(32, slices=8, sequence=4, features=8)
CPU = torch.device("cpu")


@pytest.fixture
def folders(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    for variable in ("nnUNet_raw", "nnUNet_preprocessed", "nnUNet_results"):
        monkeypatch.setenv(variable, str(tmp_path))
    return tmp_path


@pytest.mark.parametrize(
    ("name", "trainer_class"),
    [
        ("nnunet-2d", nnUNetTrainer),
        ("nnunet-3d", nnUNetTrainer),
        ("resenc-3d", nnUNetTrainer),
        ("raemd", nnUNetTrainerRAEMD),
        ("raemd-off", nnUNetTrainerRAEMD),
    ],
)
def test_it_changes_the_weights_as_the_trainer_does(
    folders: Path, name: str, trainer_class: type[nnUNetTrainer]
) -> None:
    torch.manual_seed(0)
    peer = make_peers([name], SIZES)[0]
    step = TrainingStep(peer, CPU)
    data = folders / "Dataset000_Benchmark" / peer.configuration["data_identifier"]
    data.mkdir(parents=True)
    (data / "case.b2nd").touch()  # tells the trainer which kind of files there are
    plan = {**copy.deepcopy(peer.plan), "continue_training": False}
    trainer = trainer_class(plan, peer.configuration_name, 0, DATASET_JSON, CPU)
    trainer.initialize()
    if isinstance(trainer, nnUNetTrainerRAEMD):
        assert isinstance(trainer.lr_scheduler, CosineSchedule)
        trainer.lr_scheduler.warm_up = 0.0  # after the warm-up
    trainer.network.load_state_dict(step.network.state_dict())
    before = copy.deepcopy(trainer.network.state_dict())
    for _ in range(2):  # the second shows momentum
        step()
        trainer.train_step({"data": step.images, "target": step.targets})
    after = step.network.state_dict()
    torch.set_flush_denormal(False)  # our trainers set it
    changed = [name for name in after if not torch.equal(after[name], before[name])]
    assert len(changed) > 0.6 * len(after)  # the coarsest head has no weight in the loss
    torch.testing.assert_close(after, trainer.network.state_dict(), rtol=1e-4, atol=1e-5)


@pytest.mark.parametrize("name", PEER_NAMES)
def test_targets_are_of_the_shapes_of_the_outputs(name: str) -> None:
    step = TrainingStep(make_peers([name], SIZES)[0], CPU)
    outputs = step.network(step.images)
    assert [output.shape[2:] for output in outputs] == [target.shape[2:] for target in step.targets]
    assert {output.shape[1] for output in outputs} == {2}
    assert {target.shape[1] for target in step.targets} == {1}


def test_parts_are_added_one_after_the_other() -> None:
    keys = ("multi_scale", "dense", "attention")
    names = ("raemd-off", "raemd-m", "raemd-md", "raemd-mda", "raemd-dense")
    arguments = [peer.configuration["architecture"]["arch_kwargs"] for peer in make_peers(names, SIZES)]
    assert [sum(a[key] for key in keys) for a in arguments] == [0, 1, 2, 3, 3]
    assert [a["n_recurrent_stages"] > 0 for a in arguments] == [False] * 4 + [True]


def test_a_preset_of_ones_own(tmp_path: Path) -> None:
    content = json.loads((PRESET_FOLDER / "raemd.json").read_text())
    file = tmp_path / "narrow.json"
    file.write_text(json.dumps({**content, "dense": False}))
    peer = make_peers([str(file)], SIZES)[0]
    assert peer.label == "narrow"
    assert peer.configuration["architecture"]["arch_kwargs"]["dense"] is False
    assert peer.configuration["patch_size"] == [4, 32, 32]


def test_compiled_where_nnunet_would(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("nnUNet_compile", raising=False)
    cuda = torch.device("cuda")
    assert nnunet_compiles(cuda) and not nnunet_compiles(CPU)
    monkeypatch.setenv("nnUNet_compile", "f")
    assert not nnunet_compiles(cuda)
