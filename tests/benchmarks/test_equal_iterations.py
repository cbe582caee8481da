"""The study at equal iterations: its steps against those of the package and of torch, and its windows."""

from __future__ import annotations

import json
import math
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager, nullcontext
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import numpy as np
import pandas as pd
import pytest
import torch
from dynamic_network_architectures.architectures.unet import PlainConvUNet
from nnunetv2.inference.predict_from_raw_data import nnUNetPredictor
from nnunetv2.training.dataloading.nnunet_dataset import nnUNetDatasetBlosc2
from nnunetv2.training.lr_scheduler.polylr import PolyLRScheduler
from small_plans import UNET, dataset_json, plan, raemd_arguments, unet_arguments
from torch import Tensor, nn
from torch.nn import functional as F

sys.path.insert(0, str(Path(__file__).parents[2] / "benchmarks" / "equal_iterations"))
sys.path.insert(0, str(Path(__file__).parents[2] / "benchmarks" / "equal_time"))

import study
from batch_ring import N_SLOTS, Batch, BatchRing
from boundary_term import boundary_term, signed_distances
from captured_training import CapturedTraining
from cubes_dataset import DATASET
from fold_trainings import FoldTrainings, IterationCount, WallTime, dice, train
from group_normalization import normalize_by_groups
from nodule_dataset import NoduleDataset, Nodules
from second_recurrence import DecoderRecurrence, TwoScales
from shared_batches import BatchStream
from step_optimizer import NesterovStep, RecipeStep, StepOptimizer
from study_plan import PLANS
from trained_systems import SYSTEMS
from window_probabilities import foreground_probabilities

from nnunetv2_raemd.architecture.raemd_net import RAEMDNet
from nnunetv2_raemd.training.averaged_adamw import AVERAGE
from nnunetv2_raemd.training.cosine_schedule import CosineSchedule
from nnunetv2_raemd.training.recipe import MEASURED_BEST
from nnunetv2_raemd.training.recipe_optimizer import recipe_optimizer

N_STEPS, LENGTH = 6, 20


def small_raemd_net(**arguments: Any) -> RAEMDNet:
    """Of two stages, wide enough for Muon."""
    parts = {"multi_scale": True, "dense": False, "attention": False, "features_per_stage": [16, 32]}
    return RAEMDNet(1, 2, **(raemd_arguments(**parts) | arguments))


def small_unet() -> PlainConvUNet:
    classes = {
        "conv_op": nn.Conv2d,
        "norm_op": nn.InstanceNorm2d,
        "nonlin": nn.LeakyReLU,
        "dropout_op": None,
    }
    return PlainConvUNet(1, num_classes=2, **(unet_arguments() | classes))


def losses(network: nn.Module, images: Tensor, step: Callable[[float], None]) -> list[float]:
    """Of some steps, each with the part of the training before it."""
    target = (images[:, 0] > 1).long()
    found = []
    for i in range(N_STEPS):
        for weight in network.parameters():
            weight.grad = None
        loss = 100 * F.cross_entropy(network(images), target)  # so that the gradients are clipped
        loss.backward()
        step(i / LENGTH)
        found.append(loss.item())
    return found


def device_step(optimizer: StepOptimizer) -> Callable[[float], None]:
    def step(done: float) -> None:
        optimizer.done.fill_(done)
        optimizer.step()

    return step


def test_the_step_of_the_recipe_is_that_of_the_package() -> None:
    """Without normalization, after which the gradients of biases before it would be rounding alone."""
    torch.manual_seed(0)
    network, same = small_raemd_net(norm_op=None), small_raemd_net(norm_op=None)
    same.load_state_dict(network.state_dict())
    images = torch.randn(2, 1, 3, 16, 16)
    ours = RecipeStep(network.parameters(), torch.zeros(()))
    reference = recipe_optimizer(same.parameters(), MEASURED_BEST)
    schedule = CosineSchedule(
        reference, initial_lr=MEASURED_BEST.initial_lr, num_epochs=LENGTH, warm_up=MEASURED_BEST.warm_up
    )

    def reference_step(done: float) -> None:
        schedule.step(done * LENGTH)
        assert torch.nn.utils.clip_grad_norm_(same.parameters(), 12) > 12
        reference.step()

    expected = losses(same, images, reference_step)
    assert losses(network, images, device_step(ours)) == pytest.approx(expected, rel=1e-4)
    assert expected[-1] < 0.95 * expected[0]
    for weight, average, theirs in zip(network.parameters(), ours.averages, same.parameters(), strict=True):
        torch.testing.assert_close(weight, theirs, rtol=1e-3, atol=1e-4)
        torch.testing.assert_close(average, reference.state[theirs][AVERAGE], rtol=1e-3, atol=1e-4)
    assert ours.weights_to_predict_with is ours.averages


def test_the_step_of_nnunet_is_that_of_torch() -> None:
    torch.manual_seed(0)
    network, same = (nn.Sequential(nn.Conv2d(1, 4, 3, padding=1), nn.Conv2d(4, 2, 1)) for _ in range(2))
    same.load_state_dict(network.state_dict())
    images = torch.randn(2, 1, 16, 16)
    ours = NesterovStep(network.parameters(), torch.zeros(()))
    reference = torch.optim.SGD(same.parameters(), lr=1e-2, momentum=0.99, weight_decay=3e-5, nesterov=True)
    schedule = PolyLRScheduler(reference, 1e-2, LENGTH)

    def reference_step(done: float) -> None:
        schedule.step(round(done * LENGTH))
        torch.nn.utils.clip_grad_norm_(same.parameters(), 12)
        reference.step()

    expected = losses(same, images, reference_step)
    assert losses(network, images, device_step(ours)) == pytest.approx(expected, rel=1e-5)
    for weight, theirs in zip(network.parameters(), same.parameters(), strict=True):
        torch.testing.assert_close(weight, theirs)
    assert ours.weights_to_predict_with is ours.weights


@pytest.mark.parametrize("kind", [NesterovStep, RecipeStep])
def test_weights_without_a_gradient_stay_and_a_kept_state_comes_back(kind: type[StepOptimizer]) -> None:
    torch.manual_seed(0)
    network = small_raemd_net()
    optimizer = kind(network.parameters(), torch.tensor(0.5))
    before = [tensor.clone() for tensor in optimizer.state()]
    recurrence = network.encoder.recurrence
    assert recurrence is not None
    untrained = [weight.clone() for weight in recurrence.parameters()]
    losses(network, torch.randn(4, 1, 1, 16, 16), device_step(optimizer))  # of one slice each
    for weight, same in zip(recurrence.parameters(), untrained, strict=True):
        assert torch.equal(weight, same)
    changed = [not torch.equal(tensor, same) for tensor, same in zip(optimizer.state(), before, strict=True)]
    assert sum(changed) > len(changed) / 2
    with torch.no_grad():
        for tensor, same in zip(optimizer.state(), before, strict=True):
            tensor.copy_(same)
    again = kind(network.parameters(), torch.tensor(0.5))
    assert all(torch.equal(a, b) for a, b in zip(optimizer.state(), again.state(), strict=True))


@pytest.mark.parametrize(
    ("window", "layers"),
    [((4, 16, 16), (nn.Conv3d, nn.InstanceNorm3d)), ((16, 16), (nn.Conv2d, nn.InstanceNorm2d))],
)
def test_probabilities_are_those_of_nnunet(window: tuple[int, ...], layers: tuple[Any, Any]) -> None:
    """Of a network to which it matters what else is in a window.

    Except in the corners, where nnU-Net's half precision rounds.
    """
    torch.manual_seed(0)
    convolution, normalization = layers
    network = nn.Sequential(convolution(1, 2, 3, padding=1), normalization(2))
    images = torch.randn(2, 9, 33, 41) * torch.linspace(0.2, 3, 41)
    predictor = nnUNetPredictor(
        use_mirroring=False,
        perform_everything_on_device=False,
        device=torch.device("cpu"),
        allow_tqdm=False,
    )
    predictor.network = network
    predictor.configuration_manager = SimpleNamespace(patch_size=window)
    predictor.label_manager = SimpleNamespace(num_segmentation_heads=2)
    theirs = [predictor.predict_sliding_window_return_logits(image[None]).float() for image in images]
    expected = torch.stack(theirs).softmax(1)[:, 1]
    if len(window) == 3:
        found = foreground_probabilities(network, images, window)
    else:
        found = foreground_probabilities(
            lambda slices: network(slices.squeeze(2)).unsqueeze(2),
            images.reshape(-1, 1, 33, 41),
            (1, *window),
        ).reshape(images.shape)
    difference = (found - expected).abs()
    inside = difference[:, 1:-1, 4:-4, 4:-4] if len(window) == 3 else difference[..., 4:-4, 4:-4]
    assert inside.max() < 0.005
    assert difference.mean() < 0.005


def test_the_boundary_term_by_hand() -> None:
    row = torch.tensor([0, 0, 1, 1, 1, 0, 0])
    long = F.pad(torch.ones(1), (0, 29))  # up to 29 voxels away, of which 10 count
    distances = signed_distances(row.reshape(1, 1, 1, 1, 7))
    assert distances.flatten().tolist() == pytest.approx([0.2, 0.1, 0.0, -0.1, 0.0, 0.1, 0.2])
    assert signed_distances(long.reshape(1, 1, 1, 1, 30)).flatten().tolist() == pytest.approx(
        [min(i, 10) / 10 for i in range(30)]
    )
    assert not signed_distances(torch.zeros(2, 1, 1, 4, 4)).any()
    logits = torch.zeros(1, 2, 1, 1, 7)  # foreground with probability 1/2
    assert boundary_term(logits, distances).item() == pytest.approx(0.5 * 0.5 / 7)
    logits[:, 1, ..., 0] = math.log(3)  # 3/4 at a distance of 0.2
    assert boundary_term(logits, distances).item() == pytest.approx((0.5 * 0.3 + 0.75 * 0.2) / 7)


@pytest.mark.parametrize("make", [small_raemd_net, small_unet])
def test_groups_normalize_as_instances_do(make: Callable[[], nn.Module]) -> None:
    torch.manual_seed(0)
    network = make()
    for module in network.modules():
        if isinstance(module, nn.InstanceNorm2d):
            nn.init.normal_(module.weight)
    images = torch.randn(2, 1, 3, 16, 16) if isinstance(network, RAEMDNet) else torch.randn(2, 1, 16, 16)
    expected, names = network(images), list(network.state_dict())
    normalize_by_groups(network)
    assert not any(isinstance(module, nn.InstanceNorm2d) for module in network.modules())
    assert list(network.state_dict()) == names
    torch.testing.assert_close(network(images), expected, rtol=1e-4, atol=1e-5)


@pytest.mark.parametrize("kind", [DecoderRecurrence, TwoScales])
def test_a_second_recurrence_begins_at_nothing_and_lets_slices_see_each_other(kind: Any) -> None:
    torch.manual_seed(0)
    network = RAEMDNet(
        1,
        2,
        n_stages=3,
        features_per_stage=[4, 8, 16],
        kernel_sizes=3,
        strides=[1, 2, 2],
        n_conv_per_stage=1,
        n_conv_per_stage_decoder=1,
        n_recurrent_stages=3,
        deep_supervision=True,
    )
    assert network.encoder.recurrence is not None
    projection = network.encoder.recurrence.projection
    assert projection.bias is not None
    nn.init.zeros_(projection.weight)
    nn.init.zeros_(projection.bias)
    images = torch.randn(2, 1, 3, 16, 16)
    expected = network(images)
    changed = kind(network)
    assert all(torch.equal(a, b) for a, b in zip(changed(images), expected, strict=True))
    nn.init.normal_(changed.fusion.projection.weight)
    other = images.clone()
    other[:, :, 2] += torch.randn(16, 16)
    seen = (changed(other)[0] - changed(images)[0]).abs().amax((1, 3, 4))
    assert (seen > 1e-6).all()  # also in the slices that are the same
    assert torch.equal(network(other)[0][:, :, :2], expected[0][:, :, :2])


def test_batches_go_through_a_ring() -> None:
    def batch(number: int) -> Batch:
        masks = (torch.full((1, 1, 2), number, dtype=torch.int16),)
        return Batch(torch.full((1, 1, 2), float(number)), masks, torch.full((1, 1, 2), -float(number)))

    ring = BatchRing(batch(0))
    room = ring.room(torch.device("cpu"))
    for number in range(N_SLOTS):
        assert not ring.is_full()
        ring.put(batch(number))
    assert ring.is_full() and ring.n_written == N_SLOTS
    ring.release(1)
    assert ring.is_full()  # the copy of the second may be under way, and that of the first be the last done
    ring.release(2)
    assert not ring.is_full()
    ring.put(batch(N_SLOTS))
    assert ring.is_full()
    for number in (1, N_SLOTS):
        ring.copy_to(room, number)
        assert all(torch.equal(a, b) for a, b in zip(room.tensors(), batch(number).tensors(), strict=True))


def test_a_process_that_has_ended_is_not_waited_for() -> None:
    process: Any = SimpleNamespace(
        is_alive=lambda: False, exitcode=1, name="the process for slices of fold 0"
    )
    stream = BatchStream(BatchRing(Batch(torch.zeros(1), (torch.zeros(1),), None)), process)
    with pytest.raises(SystemExit, match="slices of fold 0 ended with exit status 1"):
        stream.wait_for_first()


def mixed_training() -> CapturedTraining:
    """Of a small network on random batches of both kinds."""
    torch.manual_seed(0)
    inputs = {}
    for kind, shape in (("slices", (4, 1, 16, 16)), ("sequences", (2, 1, 2, 16, 16))):
        images = torch.randn(shape)
        inputs[kind] = Batch(images, ((images > 1).short(),), None)
    network = small_raemd_net(deep_supervision=True)
    return CapturedTraining(
        SYSTEMS["mixed batches"], network, FinestCrossEntropy(), inputs, torch.tensor(0.5)
    )


class FinestCrossEntropy(nn.Module):
    def forward(self, logits: list[Tensor], masks: list[Tensor]) -> Tensor:
        return F.cross_entropy(logits[0], masks[0][:, 0].long())


@pytest.fixture
def called_of_cuda(monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """What is called of torch.cuda, none of which does anything."""
    calls: list[str] = []

    class Stream:
        def wait_stream(self, other: Any) -> None:
            calls.append("wait")

        def synchronize(self) -> None:
            calls.append("synchronize")

    class CUDAGraph:
        def replay(self) -> None:
            calls.append("replay")

    class Event:
        def record(self) -> None:
            calls.append("record")

        def query(self) -> bool:
            return False

    @contextmanager
    def graph(_: CUDAGraph, stream: Stream) -> Iterator[None]:
        calls.append("capture")
        yield

    fakes = {"Stream": Stream, "CUDAGraph": CUDAGraph, "Event": Event, "graph": graph}
    for name, fake in (fakes | {"stream": nullcontext, "current_stream": Stream}).items():
        monkeypatch.setattr(torch.cuda, name, fake)
    return calls


def test_graphs_are_captured_after_a_warm_up_and_leave_no_trace(
    called_of_cuda: list[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    training = mixed_training()
    before = [tensor.detach().clone() for tensor in training.optimizer.state()]
    step = training.step

    def noted_step(kind: str) -> None:
        called_of_cuda.append(kind)
        step(kind)

    monkeypatch.setattr(training, "step", noted_step)
    training.capture()
    expected = [["wait", kind, kind, "synchronize", "capture", kind] for kind in ("slices", "sequences")]
    assert called_of_cuda == [*expected[0], *expected[1]]
    assert training.last_loss > 0
    assert all(torch.equal(a, b) for a, b in zip(training.optimizer.state(), before, strict=True))


def test_a_fold_starts_steps_on_a_gpu_and_is_ready_when_they_are_over(called_of_cuda: list[str]) -> None:
    training = mixed_training()
    training.capture()
    not_needed: Any = None
    streams = {}
    for kind, batch in training.inputs.items():
        ring = BatchRing(batch)
        for _ in range(2):
            ring.put(batch._replace(images=batch.images + 1))
        streams[kind] = BatchStream(ring, not_needed)
    inputs = {kind: batch.zeros() for kind, batch in training.inputs.items()}
    nodules = Nodules([], torch.zeros(0), torch.zeros(0))
    fold = FoldTrainings(0, nodules, streams, inputs, torch.zeros(()))
    fold.trainings["mixed batches"] = training
    fold.copying = torch.cuda.Stream()
    called_of_cuda.clear()
    assert fold.is_ready()
    fold.advance(0.25)
    assert called_of_cuda == ["wait", "replay", "record"]
    assert fold.done == 0.25 and fold.iterations == 1
    assert all(torch.equal(inputs[kind].images, training.inputs[kind].images + 1) for kind in inputs)
    assert not fold.is_ready()  # the event has not come
    fold.events = []
    assert fold.is_ready()
    fold.iterations = 2
    assert not fold.is_ready()  # the batch has not come


def test_averages_predict_and_weights_come_back() -> None:
    training = mixed_training()
    weights = [weight.detach().clone() for weight in training.optimizer.weights]
    images = torch.randn(2, 3, 16, 16)
    assert training.probabilities(images).shape == images.shape
    for average in training.optimizer.weights_to_predict_with:
        average.zero_()
    assert (training.probabilities(images) == 0.5).all()
    assert all(torch.equal(a, b) for a, b in zip(training.optimizer.weights, weights, strict=True))


def test_kinds_of_batches_in_turn() -> None:
    def kinds(name: str) -> list[str]:
        return [SYSTEMS[name].kind_of(i, i / 5) for i in range(5)]

    assert kinds("RAEMD-Net") == ["sequences"] * 5
    assert kinds("mixed batches") == ["slices", "sequences", "slices", "sequences", "slices"]
    assert kinds("single slices first") == ["slices"] * 3 + ["sequences"] * 2


def test_the_default_are_the_fourteen_of_the_run() -> None:
    options = study.parse(["--data", ".", "--steps", "1", "--device", "cpu"])
    assert len(options.systems) == 14 and options.folds == [0, 1, 2, 3, 4]


@pytest.mark.parametrize(
    "wrong",
    [
        "",
        "--steps 1 --seconds 1",
        "--steps 0",
        "--steps 1 --also-at 1.5",
        "--steps 1 --folds 5",
        "--device tpu",
    ],
)
def test_a_wrong_command_line_is_refused(wrong: str, capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit):
        study.parse(["--data", ".", "--device", "cpu", *wrong.split()])
    assert "error: " in capsys.readouterr().err


def test_trainings_end_after_their_length_and_are_evaluated(monkeypatch: pytest.MonkeyPatch) -> None:
    """Of two folds, of which one is ready every other time."""

    class Fold:
        def __init__(self, every: int) -> None:
            self.iterations, self.asked, self.every = 0, 0, every
            self.done: list[float] = []

        def is_ready(self) -> bool:
            self.asked += 1
            return self.asked % self.every == 0

        def advance(self, done: float) -> None:
            self.done.append(done)
            self.iterations += 1

    folds: Any = [Fold(1), Fold(2)]
    evaluated = []
    train(folds, IterationCount(4), lambda at: evaluated.append((at, folds[1].iterations)), {1.0, 0.5})
    assert folds[0].done == folds[1].done == [0, 0.25, 0.5, 0.75]
    assert evaluated == [(0.5, 2), (1.0, 4)]
    clock = iter([10.0, 15.0, 20.0])
    monkeypatch.setattr("time.monotonic", lambda: next(clock))
    time = WallTime(10)
    assert [time.done(1), time.done(1)] == [0.5, 1.0]


def test_dice_and_its_table_by_hand() -> None:
    masks = torch.tensor([[1, 1, 0, 0], [0, 0, 0, 0]], dtype=torch.bool).reshape(2, 1, 2, 2)
    predicted = torch.tensor([[1, 0, 1, 1], [0, 0, 0, 0]], dtype=torch.bool).reshape(2, 1, 2, 2)
    assert dice(predicted, masks) == pytest.approx([2 * 1 / 5, 0])
    rows = [
        {
            "system": system,
            "fold": fold,
            "case": f"n{fold}",
            "iterations": 10 + fold,
            "dice": value + fold / 10,
        }
        for system, value in (("A", 0.5), ("B", 0.6))
        for fold in (0, 1)
    ]
    lines = study.mean_dice(pd.DataFrame(rows)).splitlines()
    assert lines[2:] == [
        "| B | 2 | 10 to 11 | 0.6500 | 0.600 | 0.700 |",
        "| A | 2 | 10 to 11 | 0.5500 | 0.500 | 0.600 |",
    ]


def write_nodules(preprocessed: Path) -> NoduleDataset:
    """Four preprocessed cubes of 16 voxels with a ball each, in two folds."""
    folder = preprocessed / DATASET
    configurations = {}
    for axes, name in ((2, "2d"), (3, "3d_fullres")):
        network = three_stages(unet_arguments(axes))
        whole = plan(network, network=UNET, patch_size=(4, 16, 16)[-axes:])
        own = {"data_identifier": f"cubes_{name}", "spacing": [1.0] * axes}
        configurations[name] = whole["configurations"]["2d"] | own
    names = {"dataset_name": DATASET, "plans_name": PLANS}
    contents = {
        PLANS: whole | names | {"configurations": configurations},
        "dataset": dataset_json(),
        "splits_final": [{"train": ["a", "b"], "val": ["c", "d"]}, {"train": ["c", "d"], "val": ["a", "b"]}],
    }
    for name in configurations:
        cases = folder / f"cubes_{name}"
        cases.mkdir(parents=True)
        write_cubes(cases)
    for name, content in contents.items():
        (folder / f"{name}.json").write_text(json.dumps(content), encoding="utf-8")
    return NoduleDataset(folder)


def three_stages(arguments: dict[str, Any]) -> dict[str, Any]:
    """Deep supervision leaves out the logits of the coarsest decoder stage, so that there must be another."""
    axes = len(arguments["strides"][0])
    return arguments | {
        "n_stages": 3,
        "features_per_stage": [8, 16, 16],
        "kernel_sizes": [[3] * axes] * 3,
        "strides": [[1] * axes, [1, 2, 2][-axes:], [1, 2, 2][-axes:]],
        "n_conv_per_stage": [1, 1, 1],
        "n_conv_per_stage_decoder": [1, 1],
    }


def write_cubes(folder: Path) -> None:
    random = np.random.default_rng(0)
    for i, case in enumerate("abcd"):
        distance = np.linalg.norm(np.indices((16, 16, 16)) - 7 - i / 2, axis=0)
        mask = (distance < 4)[None].astype(np.int16)
        image = (random.normal(size=mask.shape) + 3 * mask).astype(np.float32)
        properties = {"class_locations": {1: np.argwhere(mask)}, "spacing": [1.0] * 3}
        whole = dict.fromkeys(("chunks", "blocks", "chunks_seg", "blocks_seg"), mask.shape)
        nnUNetDatasetBlosc2.save_case(image, mask, properties, str(folder / case), **whole)


@pytest.fixture
def as_before() -> Iterator[None]:
    """What trainers on the CPU set for the whole process."""
    threads = torch.get_num_threads()
    yield
    torch.set_num_threads(threads)
    torch.set_flush_denormal(False)


@pytest.mark.usefixtures("as_before")
def test_a_whole_study(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    systems = ["nnU-Net 2d", "mixed batches, boundary term", "U-Net 3D, our recipe"]
    monkeypatch.setenv("nnUNet_preprocessed", str(tmp_path))
    monkeypatch.setenv("nnUNet_results", str(tmp_path))
    monkeypatch.setenv("nnUNet_n_proc_DA", "0")
    dataset = write_nodules(tmp_path)
    words = f"--data . --output {tmp_path} --steps 4 --also-at 0.5 --folds 0 --device cpu --systems".split()
    options = study.parse([*words, *systems])
    table = pd.read_csv(study.run(options, dataset))
    assert sorted(set(table["system"])) == sorted(systems)
    assert set(table["case"]) == {"c", "d"} and set(table["fold"]) == {0}
    assert table.groupby("iterations").size().to_dict() == {2: 6, 4: 6}
    assert table["dice"].between(0, 1).all()
    assert "after 100% of the training:" in capsys.readouterr().out
