"""Presets: those that come along, a user's own, and what is wrong with bad ones."""

from __future__ import annotations

import json
import re
from dataclasses import fields, replace
from pathlib import Path
from typing import Any

import pytest

from nnunetv2_raemd.errors import UserError
from nnunetv2_raemd.plans import Preset, load_preset
from nnunetv2_raemd.plans.preset import PRESET_FOLDER


def preset_file(folder: Path, *, without: str = "", **changes: Any) -> Path:
    content = {**json.loads((PRESET_FOLDER / "raemd.json").read_text()), **changes}
    content.pop(without, None)
    file = folder / "own.json"
    file.write_text(json.dumps(content))
    return file


def test_dense_has_all_parts_the_default_multi_scale_and_recurrence_and_unet_none() -> None:
    default, dense, unet = load_preset(), load_preset("dense"), load_preset("unet")
    assert dense.multi_scale and dense.dense and dense.attention and dense.recurrence_min_pixel_mm
    with_all = replace(default, dense=True, attention=True, decoder_convolutions=None)
    assert replace(with_all, description=dense.description) == dense
    assert not (unet.multi_scale or unet.dense or unet.attention or unet.recurrence_min_pixel_mm)
    assert default.gpu_memory_gb == 8  # nnU-Net's default target
    sequences = ("context_mm", "min_slices", "max_slices", "gpu_memory_gb")
    assert all(getattr(default, name) == getattr(unet, name) for name in sequences)


def test_the_readme_documents_every_key() -> None:
    documented = set()
    for line in (PRESET_FOLDER / "README.md").read_text().splitlines():
        if line.startswith("| `"):
            documented |= set(re.findall(r"`(\w+)`", line.split("|")[1]))
    assert documented == {field.name for field in fields(Preset)}


def test_a_preset_of_the_users_own(tmp_path: Path) -> None:
    preset = load_preset(preset_file(tmp_path, context_mm=35, recurrence_min_pixel_mm=None, dense=False))
    assert (preset.context_mm, preset.recurrence_min_pixel_mm, preset.dense) == (35, None, False)
    assert load_preset(str(tmp_path / "own.json")) == preset


@pytest.mark.parametrize(
    ("changes", "complaint"),
    [
        ({"contxt_mm": 20}, "contxt_mm is not a key that is known"),
        ({"without": "dense"}, "dense is missing"),
        ({"dense": "yes"}, 'dense is "yes", but should be a boolean'),
        ({"dense": 1}, "dense is 1, but should be a boolean"),
        ({"max_slices": True}, "max_slices is true, but should be an integer"),
        ({"max_slices": 16.0}, "max_slices is 16.0, but should be an integer"),
        ({"context_mm": "20"}, 'context_mm is "20", but should be a number'),
        ({"context_mm": None}, "context_mm is null, but should be a number"),
        ({"description": 3}, "description is 3, but should be a string"),
        ({"context_mm": 0}, "context_mm must be a number above 0"),
        ({"context_mm": float("nan")}, "context_mm must be a number above 0"),
        ({"gpu_memory_gb": float("inf")}, "gpu_memory_gb must be a number above 0"),
        ({"gpu_memory_gb": -8.0}, "gpu_memory_gb must be a number above 0"),
        ({"min_slices": 0}, "min_slices must be at least 1"),
        ({"growth_divisor": 0}, "growth_divisor must be at least 1"),
        ({"hidden_divisor": -1}, "hidden_divisor must be at least 1"),
        ({"recurrence_min_pixel_mm": 0}, "recurrence_min_pixel_mm must be a number above 0"),
        ({"min_slices": 9, "max_slices": 8}, r"max_slices \(8\) is below min_slices \(9\)"),
    ],
)
def test_a_bad_preset_is_named_with_what_is_wrong(
    tmp_path: Path, changes: dict[str, Any], complaint: str
) -> None:
    file = preset_file(tmp_path, **changes)
    with pytest.raises(UserError, match=rf"own\.json: .*{complaint}"):
        load_preset(file)


@pytest.mark.parametrize("content", [b"{", b"", b"\xff\xfe\x00", b"{'dense': true}"])
def test_a_file_that_is_no_json(tmp_path: Path, content: bytes) -> None:
    (tmp_path / "own.json").write_bytes(content)
    with pytest.raises(UserError, match=r"own\.json is not valid JSON"):
        load_preset(tmp_path / "own.json")


def test_json_that_is_no_object(tmp_path: Path) -> None:
    (tmp_path / "own.json").write_text("[1, 2]")
    with pytest.raises(UserError, match=r"own\.json: its content is .*, but should be a mapping"):
        load_preset(tmp_path / "own.json")


@pytest.mark.parametrize("name", ["raemdd", "absent/raemd.json", "."])
def test_an_unknown_name_lists_the_known_ones(name: str) -> None:
    with pytest.raises(
        UserError, match=rf"{re.escape(repr(name))}: give one of dense, raemd, unet, or the path"
    ):
        load_preset(name)
