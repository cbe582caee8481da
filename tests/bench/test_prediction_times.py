"""Windows as nnU-Net's predictor counts them, and the scale to a whole scan."""

from __future__ import annotations

import math

import pytest
import torch
from nnunetv2.inference.predict_from_raw_data import nnUNetPredictor
from torch import Tensor, nn

from nnunetv2_raemd.bench import scan_times
from nnunetv2_raemd.bench.competition import prepare
from nnunetv2_raemd.bench.peers import Peer, make_peers
from nnunetv2_raemd.bench.prediction_times import ScanPrediction, n_windows
from nnunetv2_raemd.bench.scan_times import scale_to_whole_scan
from nnunetv2_raemd.bench.session import Session
from nnunetv2_raemd.bench.sized_plans import PATCHES_OF_SCAN, SCAN_SHAPE
from nnunetv2_raemd.bench.sizes import Sizes

CPU = torch.device("cpu")


class Configuration:
    def __init__(self, patch_size: tuple[int, ...]) -> None:
        self.patch_size = patch_size


@pytest.mark.parametrize(
    "patch_size", [(512, 512), (96, 160, 160), (8, 512, 512), (200, 200), (16, 256, 384)]
)
@pytest.mark.parametrize("shape", [SCAN_SHAPE, (97, 512, 512), (133, 600, 530)])
def test_as_many_windows_as_the_predictor(shape: tuple[int, ...], patch_size: tuple[int, ...]) -> None:
    predictor = nnUNetPredictor(device=CPU)
    predictor.configuration_manager = Configuration(patch_size)
    assert n_windows(shape, patch_size) == len(predictor._internal_get_sliding_window_slicers(shape))


def test_a_scan_smaller_than_the_patch_is_padded() -> None:
    assert n_windows((5, 100, 100), (8, 128, 128)) == 1
    assert n_windows((5, 100, 100), (128, 128)) == 5


class CountingNetwork(nn.Module):
    """Remembers the shapes that it is given."""

    def __init__(self) -> None:
        super().__init__()
        self.seen: list[tuple[int, ...]] = []

    def forward(self, images: Tensor) -> Tensor:
        self.seen.append(tuple(images.shape))
        return images.expand(-1, 2, *images.shape[2:]).clone()


@pytest.mark.parametrize(
    ("name", "window", "n_expected", "n_mirrored"),
    [
        ("nnunet-2d", (1, 1, 32, 32), 8, 4),
        ("nnunet-3d", (1, 1, 8, 32, 32), 1, 8),
        ("raemd", (1, 1, 4, 32, 32), 3, 4),
    ],
)
def test_passes_of_the_network_for_a_scan(
    name: str, window: tuple[int, ...], n_expected: int, n_mirrored: int
) -> None:
    """RAEMD-Net is mirrored in-plane only; windows of 4 slices move by 2."""
    peer = make_peers([name], Sizes(32, slices=16, sequence=4))[0]
    for mirroring, factor in ((False, 1), (True, n_mirrored)):
        network = CountingNetwork()
        ScanPrediction(peer, network, (8, 32, 32), CPU, mirroring=mirroring)()
        assert network.seen == [window] * n_expected * factor


def scale(peer: Peer, shape: tuple[int, ...], command: str = scan_times.STOCK) -> float:
    return scale_to_whole_scan(*scan_times._windows(peer, command), shape)


def test_the_scale_to_a_whole_scan() -> None:
    sizes = Sizes(32, slices=16, sequence=4)
    flat, deep, ours = make_peers(["nnunet-2d", "nnunet-3d", "raemd"], sizes)
    assert scale(flat, (8, 32, 32)) == 300 / 8 * (512 / 32) ** 2
    # windows of 96 x 160 x 160 move by at most half of that: 6 by 6 by 6 cover 300 x 512 x 512
    assert scale(deep, (8, 32, 32)) == 216 * 96 * 160 * 160 / (8 * 32 * 32)
    # 149 steps of at most 2 from slice 0 to 296 for windows of 4; 3 windows of 4 in 8 slices
    assert scale(ours, (8, 32, 32)) == pytest.approx(149 / 3 * (512 / 32) ** 2)
    # raemd predict computes each slice once, as nnU-Net's 2d does
    assert scale(ours, (8, 32, 32), "raemd predict") == scale(flat, (8, 32, 32))


def test_the_scale_of_the_whole_scan_itself_is_1() -> None:
    whole = Sizes(512, slices=16, sequence=8, features=8, patch_3d=(96, 160, 160))
    scales = [scale(p, SCAN_SHAPE) for p in make_peers(["nnunet-2d", "nnunet-3d", "raemd"], whole)]
    assert scales == [1.0, 1.0, 1.0]
    assert math.prod(SCAN_SHAPE) == 78_643_200


def test_a_whole_scan_is_measured_with_the_patches_planned_for_it(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(scan_times, "SCAN_SHAPE", (8, 32, 64))
    for n_axes, patch in ((2, (64, 64)), (3, (8, 16, 16))):
        monkeypatch.setitem(PATCHES_OF_SCAN, n_axes, patch)
    sizes = Sizes(32, slices=4, sequence=2, features=8)
    session = Session(CPU, 1, lambda _: None)
    competitors, _ = prepare(make_peers(["nnunet-2d", "nnunet-3d", "raemd"], sizes), sizes, session)
    timings = scan_times.time_scans(scan_times.whole_scan(competitors, sizes), session)
    assert [timing.n_windows for some in timings.values() for timing in some[::2]] == [8, 1 * 3 * 7, 7, 8]
    assert [timing.command for timing in timings["raemd"]] == ["nnUNetv2_predict"] * 2 + ["raemd predict"] * 2
    for some in timings.values():
        assert [timing.mirroring for timing in some] == [False, True] * (len(some) // 2)
        for timing in some:
            assert not timing.scaled
            assert timing.whole_scan_s.median == timing.seconds[0]
