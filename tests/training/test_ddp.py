"""Training on several devices: two processes on the CPU, joined by gloo as GPUs are by NCCL."""

from __future__ import annotations

import json
import os
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
import torch.distributed as dist
from nnunet_workspace import Workspace
from torch import Tensor, nn
from torch.multiprocessing.spawn import start_processes
from torch.nn.parallel import DistributedDataParallel

from nnunetv2_raemd.architecture import RAEMDNet
from nnunetv2_raemd.training.plateau_schedule import PlateauSchedule
from nnunetv2_raemd.training.recipe import Recipe
from nnunetv2_raemd.training.trainer import nnUNetTrainerRAEMD

N_RANKS = 2
# Forked, they need not import torch again; where there are other devices than the CPU, autograd forbids it.
START = "fork" if hasattr(os, "fork") and not torch.accelerator.is_available() else "spawn"
# validation losses of two ranks: rank 0 alone sees a plateau from the start, rank 1 an improvement until
# epoch 4, their mean both
LOSSES = ((1.0,) + 11 * (0.9,), (1.0, 0.8, 0.6, 0.4, 0.2) + 7 * (0.3,))


class Patience(nnUNetTrainerRAEMD):
    recipe = Recipe(smoothing=0.25, schedule_patience=1, stop_patience=3)


@dataclass(frozen=True)
class Rank:
    """What one of the processes brings back."""

    decisions: list[tuple[Any, ...]]
    leaves_the_checkpoint: bool
    weights: dict[str, Tensor]


@pytest.fixture(scope="module")
def ranks(workspace: Workspace, tmp_path_factory: pytest.TempPathFactory) -> list[Rank]:
    """All that is tried in two processes, in one go."""
    folder = tmp_path_factory.mktemp("ddp")
    elsewhere = replace(workspace, results=folder / "results")
    start_processes(run_rank, (folder, elsewhere), nprocs=N_RANKS, start_method=START)
    return [torch.load(folder / f"rank_{rank}.pt", weights_only=False) for rank in range(N_RANKS)]


def run_rank(rank: int, folder: Path, workspace: Workspace) -> None:
    torch.set_num_threads(1)
    meet = (folder / "meet").as_uri()
    dist.init_process_group("gloo", init_method=meet, rank=rank, world_size=N_RANKS)
    found = Rank(
        decide_on_rank(rank, workspace),
        save_on_rank(rank, workspace, folder / "checkpoint_latest.pth"),
        step_on_rank(rank),
    )
    torch.save(found, folder / f"rank_{rank}.pt")
    dist.destroy_process_group()


# --- the schedule ------------------------------------------------------------------------------------------


def make_trainer(workspace: Workspace) -> nnUNetTrainerRAEMD:
    """A trainer with an optimizer, but without a network: nnU-Net puts that on GPUs."""
    for name, value in workspace.variables().items():
        os.environ[name] = value
    folder = workspace.preprocessed / "Dataset501_Spheres"
    plan, dataset = (json.loads((folder / name).read_text()) for name in ("nnUNetPlans.json", "dataset.json"))
    trainer = Patience(plan | {"continue_training": False}, "2d", 0, dataset, torch.device("cpu"))
    trainer.network = nn.Linear(1, 1)
    trainer.optimizer, trainer.lr_scheduler = trainer.configure_optimizers()
    return trainer


def decide(trainer: nnUNetTrainerRAEMD, losses: tuple[tuple[float, ...], ...]) -> list[tuple[Any, ...]]:
    """The decisions after each epoch, given the losses of this rank's batches."""
    schedule = trainer.lr_scheduler
    assert isinstance(schedule, PlateauSchedule)
    decisions = []
    for trainer.current_epoch, batches in enumerate(zip(*losses, strict=True)):
        trainer.on_validation_epoch_end([validation_output(loss) for loss in batches])
        decisions.append(
            (
                schedule.lr,
                schedule.epochs_without_improvement,
                trainer.early_stopping.best,
                trainer.early_stopping.stopped,
            )
        )
    return decisions


def validation_output(loss: float) -> dict[str, Any]:
    one = np.ones(1, np.float32)
    return {"loss": np.float32(loss), "tp_hard": one, "fp_hard": one, "fn_hard": one}


def decide_on_rank(rank: int, workspace: Workspace) -> list[tuple[Any, ...]]:
    trainer = make_trainer(workspace)
    assert trainer.is_ddp
    return decide(trainer, LOSSES[rank : rank + 1])


def test_all_ranks_decide_alike(
    ranks: list[Rank], workspace: Workspace, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """And as one process would that sees the batches of both."""
    elsewhere = replace(workspace, results=tmp_path / "results")
    first, second = (rank.decisions for rank in ranks)
    assert first == second
    for name in elsewhere.variables():
        monkeypatch.setenv(name, "")  # to be restored after `make_trainer`
    alone = decide(make_trainer(elsewhere), LOSSES)
    for together, by_one in zip(first, alone, strict=True):
        assert together == pytest.approx(by_one)
    rates = {lr for lr, *_ in first}
    assert len(rates) >= 2  # the losses are worth the test
    assert first[-1][-1]
    assert not first[4][-1]
    assert decide(make_trainer(elsewhere), LOSSES[:1]) != alone  # one rank alone decides otherwise


def save_on_rank(rank: int, workspace: Workspace, file: Path) -> bool:
    """Only rank 1 comes to save: is nothing written?"""
    trainer = make_trainer(workspace)
    if rank == 1:
        trainer.save_checkpoint(str(file))
    dist.barrier()
    return not list(file.parent.glob(f"*{file.stem}*")) and not list(file.parent.glob(".unfinished*"))


def test_other_ranks_leave_the_checkpoint_to_rank_0(ranks: list[Rank]) -> None:
    assert [rank.leaves_the_checkpoint for rank in ranks] == [True, True]


# --- the network -------------------------------------------------------------------------------------------


def make_network(seed: int) -> RAEMDNet:
    torch.manual_seed(seed)
    return RAEMDNet(
        1,
        2,
        n_stages=3,
        features_per_stage=[4, 8, 8],
        kernel_sizes=[[1, 3, 3]] * 3,
        strides=[[1, 1, 1], [1, 2, 2], [1, 2, 2]],
        n_conv_per_stage=2,
        n_conv_per_stage_decoder=2,
        norm_op_kwargs={"eps": 1e-5, "affine": True},
        deep_supervision=True,
    )


def sequences() -> Tensor:
    return torch.randn(N_RANKS, 1, 4, 16, 16, generator=torch.Generator().manual_seed(5))


def step(network: nn.Module, batch: Tensor) -> dict[str, Tensor]:
    """Weights after a step on a loss over all heads."""
    optimizer = torch.optim.SGD(network.parameters(), lr=0.1)
    sum(logits.square().mean() for logits in network(batch)).backward()
    optimizer.step()
    return {name.removeprefix("module."): weight for name, weight in network.state_dict().items()}


def step_on_rank(rank: int) -> dict[str, Tensor]:
    network = DistributedDataParallel(make_network(seed=rank))
    return step(network, sequences()[rank : rank + 1])


def test_a_step_of_two_processes_is_that_of_one(ranks: list[Rank]) -> None:
    """Every head and every part takes part in the gradient, or DDP would fail or the ranks drift apart."""
    first, second = (rank.weights for rank in ranks)
    alone = step(make_network(seed=0), sequences())
    before = make_network(seed=0).state_dict()
    assert first.keys() == second.keys() == alone.keys()
    for name, weight in first.items():
        assert torch.equal(weight, second[name]), name
        torch.testing.assert_close(weight, alone[name], msg=name)
    kernels = {name for name, weight in first.items() if weight.ndim == 4}
    assert kernels
    assert not [name for name in kernels if torch.equal(first[name], before[name])]
