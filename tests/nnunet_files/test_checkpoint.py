"""Checkpoints: what nnU-Net writes is read to the bit, what is damaged or would run code is refused."""

from __future__ import annotations

import os
import pickle
import zipfile
from collections import OrderedDict
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch

from nnunetv2_raemd.errors import UserError
from nnunetv2_raemd.nnunet_files.checkpoint import (
    only_weights,
    read_checkpoint,
    read_trusted_checkpoint,
    trained_network,
)


def content() -> dict[str, Any]:
    """As `nnUNetTrainer.save_checkpoint` writes it, with an optimizer that has made a step."""
    network = torch.nn.Conv2d(1, 2, 3)
    optimizer = torch.optim.Adam(network.parameters())
    network(torch.ones(1, 1, 3, 3)).sum().backward()
    optimizer.step()
    return {
        "network_weights": network.state_dict(),
        "optimizer_state": optimizer.state_dict(),
        "grad_scaler_state": None,
        "logging": {"train_losses": [np.float32(0.5)], "mean_fg_dice": [np.float64(0.25)], "lrs": [0.01]},
        "_best_ema": np.float64(0.25),
        "current_epoch": 1,
        "init_args": {"configuration": "2d", "fold": 0, "device": torch.device("cuda")},
        "trainer_name": "nnUNetTrainerRAEMD",
        "inference_allowed_mirroring_axes": (1, 2),
    }


@pytest.fixture
def checkpoint(tmp_path: Path) -> Path:
    file = tmp_path / "checkpoint_final.pth"
    torch.save(content(), file)
    return file


def test_what_nnunet_saves_is_read_as_it_was(checkpoint: Path) -> None:
    wanted, found = torch.load(checkpoint, weights_only=False), read_checkpoint(checkpoint)
    torch.testing.assert_close(found["network_weights"], wanted["network_weights"], rtol=0, atol=0)
    torch.testing.assert_close(found["optimizer_state"], wanted["optimizer_state"], rtol=0, atol=0)
    others = found.keys() - {"network_weights", "optimizer_state"}
    assert {key: found[key] for key in others} == {key: wanted[key] for key in others}
    assert type(found["logging"]["train_losses"][0]) is np.float32


def test_names_of_numpy_before_2_are_known(checkpoint: Path) -> None:
    rewrite(checkpoint, lambda pickled: pickled.replace(b"numpy._core.multiarray", b"numpy.core.multiarray"))
    assert read_checkpoint(checkpoint)["_best_ema"] == 0.25


@pytest.mark.parametrize("member", ["data.pkl", "data/0", "byteorder"])
def test_one_flipped_byte_is_found(checkpoint: Path, member: str) -> None:
    damaged = bytearray(checkpoint.read_bytes())
    with zipfile.ZipFile(checkpoint) as archive:
        (info,) = (i for i in archive.infolist() if i.filename.partition("/")[2] == member)
        held = archive.read(info)
    place = damaged.index(held, info.header_offset) + len(held) // 2
    damaged[place] ^= 1
    checkpoint.write_bytes(damaged)
    for read in (read_checkpoint, read_trusted_checkpoint):
        with pytest.raises(UserError, match=rf"{checkpoint.name} is damaged.*CRC"):
            read(checkpoint)


@pytest.mark.parametrize("left", [0, 1, 100, 0.5, 0.99])
def test_a_file_that_is_cut_off_is_refused(checkpoint: Path, left: float) -> None:
    whole = checkpoint.read_bytes()
    checkpoint.write_bytes(whole[: int(left if left >= 1 else left * len(whole))])
    with pytest.raises(UserError, match=rf"{checkpoint.name} is not a checkpoint, or is cut off"):
        read_checkpoint(checkpoint)


class Touch:
    """Makes a file when it is unpickled, which is the least that an attacker can do."""

    def __init__(self, file: Path) -> None:
        self.file = file

    def __reduce__(self) -> tuple[Callable[..., Any], tuple[Any, ...]]:
        return os.mkdir, (str(self.file),)


def test_code_in_a_checkpoint_is_not_run(tmp_path: Path) -> None:
    file, mark = tmp_path / "checkpoint_final.pth", tmp_path / "code_was_run"
    torch.save(content() | {"network_weights": Touch(mark)}, file)
    with pytest.raises(UserError, match=r"may run code.*posix\.mkdir.*--trust-checkpoint"):
        read_checkpoint(file)
    assert not mark.exists()
    read_trusted_checkpoint(file)  # the user has said so
    assert mark.exists()


def test_nnunets_own_loading_runs_no_code_either(tmp_path: Path) -> None:
    file, mark = tmp_path / "checkpoint_final.pth", tmp_path / "code_was_run"
    torch.save(Touch(mark), file)
    with only_weights(), pytest.raises(pickle.UnpicklingError):
        torch.load(file, weights_only=False)  # as nnUNetPredictor calls it
    assert not mark.exists()
    assert "TORCH_FORCE_WEIGHTS_ONLY_LOAD" not in os.environ


@pytest.mark.parametrize(
    "bomb", [bytearray(8), np.zeros(3), np.array([None]), {1, 2}, 1j, np.void(b"8"), torch.float32]
)
def test_types_that_no_checkpoint_needs_are_refused(tmp_path: Path, bomb: Any) -> None:
    file = tmp_path / "checkpoint_final.pth"
    torch.save({"network_weights": bomb}, file)
    with pytest.raises(UserError, match=file.name):
        read_checkpoint(file)


def test_a_tensor_larger_than_its_numbers_is_refused(tmp_path: Path) -> None:
    file = tmp_path / "checkpoint_final.pth"
    torch.save({"network_weights": {"a": torch.arange(6.0)}}, file)
    larger = (b"K\x06tq", b"M\xff\x7ftq"), (b"K\x06\x85", b"M\xff\x7f\x85")  # 6 becomes 32767

    def change(pickled: bytes) -> bytes:
        for six, many in larger:
            assert six in pickled
            pickled = pickled.replace(six, many)
        return pickled

    rewrite(file, change)
    with pytest.raises(UserError, match="cannot be read as a checkpoint"):
        read_checkpoint(file)


def test_a_compressed_archive_is_refused_before_it_is_inflated(checkpoint: Path) -> None:
    rewrite(checkpoint, bytes, compression=zipfile.ZIP_DEFLATED)
    with pytest.raises(UserError, match=r"data\.pkl is compressed"):
        read_checkpoint(checkpoint)


def test_older_formats_without_check_sums_are_for_trusted_files(checkpoint: Path) -> None:
    torch.save(content(), checkpoint, _use_new_zipfile_serialization=False)
    with pytest.raises(UserError, match=r"before torch 1\.6"):
        read_checkpoint(checkpoint)
    assert read_trusted_checkpoint(checkpoint)["trainer_name"] == "nnUNetTrainerRAEMD"


def test_a_named_pipe_is_not_waited_for(tmp_path: Path) -> None:
    os.mkfifo(tmp_path / "checkpoint_final.pth")
    with pytest.raises(UserError, match="named pipe"):
        read_checkpoint(tmp_path / "checkpoint_final.pth")


def test_what_predictions_need() -> None:
    found = trained_network(content(), Path("c.pth"))
    assert (found.trainer_name, found.configuration) == ("nnUNetTrainerRAEMD", "2d")
    assert found.mirroring_axes == (1, 2) and set(found.weights) == {"weight", "bias"}


@pytest.mark.parametrize(
    ("changed", "named"),
    [
        ({"network_weights": [1, 2]}, "network_weights is of the type list, where Mapping is expected"),
        ({"network_weights": OrderedDict(a=1)}, "network_weights holds 'a': int, not a tensor"),
        ({"trainer_name": 3}, "trainer_name is of the type int, where str is expected"),
        ({"init_args": {}}, "has no 'configuration'"),
        ({"inference_allowed_mirroring_axes": [7]}, r"inference_allowed_mirroring_axes is \[7\]"),
        ({"inference_allowed_mirroring_axes": 1}, "inference_allowed_mirroring_axes is 1"),
    ],
)
def test_entries_of_another_kind_are_named(changed: dict[str, Any], named: str) -> None:
    with pytest.raises(UserError, match=rf"c\.pth.*{named}"):
        trained_network(content() | changed, Path("c.pth"))


def rewrite(file: Path, change: Callable[[bytes], bytes], compression: int = zipfile.ZIP_STORED) -> None:
    """Change the pickle of a checkpoint; all check sums are right again."""
    with zipfile.ZipFile(file) as archive:
        members = {name: archive.read(name) for name in archive.namelist()}
    with zipfile.ZipFile(file, "w", compression) as archive:
        for name, held in members.items():
            archive.writestr(name, change(held) if name.endswith("data.pkl") else held)
