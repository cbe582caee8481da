"""`raemd bench` as it is typed: tables, files, and what is refused."""

from __future__ import annotations

import json
import statistics
import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
import torch
from typer.testing import CliRunner

from nnunetv2_raemd.bench import roofline
from nnunetv2_raemd.bench.training_step import TrainingStep
from nnunetv2_raemd.cli import app, main

TINY = ("--size", "16", "--slices", "4", "--sequence", "2", "--features", "8", "--rounds", "3")
PEERS = ("nnunet-2d", "nnunet-3d", "raemd")


@pytest.fixture(scope="module", autouse=True)
def small_limits() -> Iterator[None]:
    with pytest.MonkeyPatch.context() as patch:
        patch.setitem(roofline.MATRIX_SIZE, "cpu", 64)
        patch.setitem(roofline.COPY_BYTES, "cpu", 2**16)
        yield


@pytest.fixture(scope="module")
def finished(tmp_path_factory: pytest.TempPathFactory) -> tuple[dict[str, Any], str, Path]:
    """What a benchmark wrote and printed, and its picture."""
    folder = tmp_path_factory.mktemp("bench")
    threads = torch.get_num_threads()
    files = ("--json", str(folder / "r.json"), "--plot", str(folder / "r.png"))
    sweeps = ("--scaling", "sequence:2,4", "threads:1")
    arguments = ["bench", *TINY, "--threads", "1", "--peers", *PEERS, *sweeps, *files]
    result = CliRunner().invoke(app, arguments, env={"COLUMNS": "40"})  # a log, not a terminal
    torch.set_num_threads(threads)
    assert result.exit_code == 0, result.output
    assert sorted(file.name for file in folder.iterdir()) == ["r.json", "r.png"]
    return json.loads((folder / "r.json").read_text()), result.stdout, folder / "r.png"


@pytest.fixture
def failing(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> Callable[..., str]:
    """Runs `raemd bench`, which must fail as users see it; returns the message as one line."""

    def run(*arguments: str) -> str:
        monkeypatch.setattr(sys, "argv", ["raemd", "bench", *arguments])
        with pytest.raises(SystemExit) as exit_:
            main()
        message = capsys.readouterr().err
        assert exit_.value.code == 1
        assert "Error: " in message and "Traceback" not in message
        return " ".join(message.split())

    return run


def test_a_log_holds_every_figure_however_narrow(finished: tuple[dict[str, Any], str, Path]) -> None:
    content, printed, _ = finished
    assert "…" not in printed
    for peer in content["peers"]:
        assert f"{peer['training']['ratio']['median']:.2f} (" in printed


def test_json_says_what_was_measured_on_what(finished: tuple[dict[str, Any], str, Path]) -> None:
    content, _, _ = finished
    assert content["schema"] == 1
    assert content["sizes"] == {
        "size": 16, "slices": 4, "sequence": 2, "features": 8, "patch_3d": [2, 16, 16],
    }  # fmt: skip
    assert content["machine"]["device"] == "cpu" and content["machine"]["threads"] == 1
    assert content["machine"]["versions"]["torch"] == torch.__version__
    assert content["machine"]["device_name"]
    assert content["limits"]["flops_per_s"] > 0 and content["limits"]["bytes_per_s"] > 0
    assert [peer["name"] for peer in content["peers"]] == list(PEERS)
    assert (content["reference"], content["skipped"]) == ("nnunet-2d", {})
    assert set(content["parts_s"]) == {"raemd"}


def test_figures_follow_from_the_timings(finished: tuple[dict[str, Any], str, Path]) -> None:
    content, _, _ = finished
    reference = content["peers"][0]
    for peer in content["peers"]:
        assert peer["slices"] == 4
        for kind in ("training", "forward"):
            seconds = peer[kind]["seconds"]
            assert len(seconds) == content["rounds"] == 3
            assert peer[kind]["spread"]["median"] == statistics.median(seconds)
            assert peer[kind]["slices_per_s"] == pytest.approx(4 / statistics.median(seconds))
            pairs = zip(seconds, reference[kind]["seconds"], strict=True)
            assert peer[kind]["ratio"]["median"] == pytest.approx(statistics.median(a / b for a, b in pairs))
        limits, roof, cost = content["limits"], peer["training_roofline"], peer["training_cost"]
        least = max(cost["flops"] / limits["flops_per_s"], cost["bytes"] / limits["bytes_per_s"])
        assert roof["fraction"] == pytest.approx(least / statistics.median(peer["training"]["seconds"]))
        assert peer["training_cost"]["flops"] > 2 * peer["forward_cost"]["flops"] > 0
        assert peer["memory_bytes"] > 3 * 4 * peer["parameters"]
        ours = ["raemd predict"] * 2 if peer["name"].startswith("raemd") else []
        assert [scan["command"] for scan in peer["scans"]] == ["nnUNetv2_predict"] * 2 + ours
        assert [scan["mirroring"] for scan in peer["scans"]] == [False, True] * (len(peer["scans"]) // 2)
        assert all(scan["scaled"] and scan["measured_shape"] == [4, 16, 16] for scan in peer["scans"])


def test_a_patch_of_its_own_for_3d(tmp_path: Path) -> None:
    arguments = ["bench", *TINY, "--rounds", "1", "--peers", "nnunet-2d", "nnunet-3d"]
    arguments += ["--patch-3d", "8", "32", "16", "--json", str(tmp_path / "r.json")]
    result = CliRunner().invoke(app, arguments)
    assert result.exit_code == 0, result.output
    plain, volume = json.loads((tmp_path / "r.json").read_text())["peers"]
    assert volume["slices"] == 2 * 8 * 32 * 16 / 16**2
    assert volume["training"]["slices_per_s"] == pytest.approx(32 / volume["training"]["seconds"][0])
    assert plain["scans"][0]["measured_shape"] == [4, 16, 16]
    measured = volume["scans"][0]
    assert measured["measured_shape"] == [16, 32, 16] and measured["n_windows"] == 3
    # as many voxels as pass through the network in 216 windows of 96 x 160 x 160
    factor = 216 * 96 * 160 * 160 / (3 * 8 * 32 * 16)
    assert measured["whole_scan_s"]["median"] == pytest.approx(factor * measured["seconds"][0])


def test_scaling_changes_one_setting(finished: tuple[dict[str, Any], str, Path]) -> None:
    content, _, _ = finished
    points = {(p["setting"], p["value"], p["peer"]): p["slices"] for p in content["scaling"]}
    expected = {("sequence", 2): 4, ("sequence", 4): 8, ("threads", 1): 4}
    assert points == {(*key, peer): slices for key, slices in expected.items() for peer in PEERS}


def test_tables_and_picture_hold_every_network(finished: tuple[dict[str, Any], str, Path]) -> None:
    _, printed, picture = finished
    for words in (
        "nnU-Net 2d",
        "nnU-Net 3d",
        "RAEMD-Net",
        "--whole-scan measures",
        "recurrence",
        "GB/s (copy)",
    ):
        assert words in printed
    assert "…" not in printed
    assert picture.read_bytes().startswith(b"\x89PNG")


@pytest.mark.parametrize(
    ("arguments", "complaint"),
    [
        (("--device", "tpu"), "--device tpu is unknown: choose cpu or cuda"),
        (("--peers", "unet"), "there is no network called unet: choose among nnunet-2d, nnunet-3d"),
        (("--peers", "absent.json"), "no preset 'absent.json'"),
        (("--slices", "12"), "--slices 12 do not make whole sequences"),
        (("--size", "100"), "nnU-Net would make patches of 112 x 112"),
        (("--scaling", "depth:1"), "--scaling depth:1: give one of sequence, slices, size, threads"),
        (("--scaling", "size:64,x"), "--scaling size:64,x: give one of"),
        (("--scaling", "slices:4"), "--slices 4 do not make whole sequences"),
        (("--patch-3d", "96", "160"), "--patch-3d takes slices, rows and columns"),
        (("--patch-3d", "90", "160", "160"), "nnU-Net would make patches of 96 x 160 x 160 from 90"),
        (("-o", "absent/r.json"), "absent/r.json cannot be written: the folder absent does not exist"),
        (("--plot", "."), "cannot be written: it is a folder"),
    ],
)
def test_what_is_refused_before_anything_is_measured(
    failing: Callable[..., str], arguments: tuple[str, ...], complaint: str
) -> None:
    assert complaint in failing(*arguments)


def test_cuda_where_there_is_none(failing: Callable[..., str], monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(torch.cuda, "is_available", lambda: False)
    assert "--device cuda: torch finds no CUDA device. Take --device cpu" in failing("--device", "cuda")


def test_a_network_that_does_not_fit_is_left_out_and_named(monkeypatch: pytest.MonkeyPatch) -> None:
    from nnunetv2_raemd.bench import competition  # noqa: PLC0415 - patched

    def too_large(peer: Any, device: torch.device) -> Any:
        if peer.name == "nnunet-3d":
            raise torch.cuda.OutOfMemoryError("CUDA out of memory. Tried to allocate 1 GiB.")
        return TrainingStep(peer, device)

    monkeypatch.setattr(competition, "TrainingStep", too_large)
    result = CliRunner().invoke(app, ["bench", *TINY, "--rounds", "1", "--peers", "nnunet-2d", "nnunet-3d"])
    assert result.exit_code == 1
    assert "nnunet-3d was left out: it does not fit the memory: CUDA out of memory" in result.stdout


def test_a_full_disk_leaves_no_half_a_file(
    failing: Callable[..., str], monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    def disk_full(self: Path, target: Path) -> None:
        raise OSError(28, "No space left on device")

    file = tmp_path / "r.json"
    file.write_text("before")
    monkeypatch.setattr(Path, "replace", disk_full)
    arguments = (*TINY, "--rounds", "1", "--peers", "nnunet-2d", "--json", str(file))
    assert "r.json cannot be written: [Errno 28]" in failing(*arguments)
    assert file.read_text() == "before"
