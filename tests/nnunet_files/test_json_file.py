"""JSON files: errors name the file, the key, what is there and what should be."""

from __future__ import annotations

import math
import os
from pathlib import Path
from typing import Annotated, Any

import pytest
from pydantic import ConfigDict, Field, with_config
from typing_extensions import TypedDict

from nnunetv2_raemd.errors import UserError
from nnunetv2_raemd.nnunet_files.json_file import read_json


@with_config(ConfigDict(extra="allow"))
class Shape(TypedDict):
    """Something like a dataset.json."""

    labels: dict[str, int | list[int]]
    spacing: Annotated[float, Field(gt=0, allow_inf_nan=False)]
    axes: tuple[int, int]


RIGHT = '{"labels": {"a": 1, "b": [1, 2]}, "spacing": 2, "axes": [0, 1], "more": [{}]}'


def test_what_is_right_is_read_with_keys_that_are_not_known(tmp_path: Path) -> None:
    (tmp_path / "a.json").write_text(RIGHT, encoding="utf-8")
    assert read_json(tmp_path / "a.json", Shape, "") == {
        "labels": {"a": 1, "b": [1, 2]},
        "spacing": 2.0,
        "axes": (0, 1),
        "more": [{}],
    }


@pytest.mark.parametrize(
    ("changed", "to", "told"),
    [
        (RIGHT, "", "is not valid JSON: EOF"),
        (RIGHT, "[" * 100_000, "is not valid JSON: recursion limit exceeded"),
        (RIGHT, RIGHT[:-5], "is not valid JSON"),
        (RIGHT, "[]", ": its content is [], but should be a mapping"),
        ('{"a": 1, "b": [1, 2]}', "3", ": labels is 3, but should be a mapping"),
        ('"a": 1', '"a": "1"', ': labels.a is "1", but should be an integer or a list'),
        ('"a": 1', '"a": true', ": labels.a is true, but should be an integer or a list"),
        ("[1, 2]", "[1, null]", ": labels.b.1 is null, but should be an integer"),
        ('"spacing": 2', '"spacing": NaN', ": spacing is NaN, but should be a finite number"),
        ('"spacing": 2', '"spacing": 1e999', ": spacing is Infinity, but should be a finite number"),
        ('"spacing": 2', '"spacing": 0', ": spacing is 0, but should be greater than 0"),
        ('"spacing": 2', f'"spacing": {"9" * 5000}', "is not valid JSON: number out of range"),
        ('"spacing": 2, ', "", ": spacing is missing"),
        ("[0, 1]", "[0]", ": axes.1 is missing"),
    ],
)
def test_what_is_wrong_is_told(tmp_path: Path, changed: str, to: str, told: str) -> None:
    assert changed in RIGHT
    (tmp_path / "a.json").write_text(RIGHT.replace(changed, to), encoding="utf-8")
    with pytest.raises(UserError) as raised:
        read_json(tmp_path / "a.json", Shape, "Do this")
    message = str(raised.value)
    assert message.startswith(f"{tmp_path / 'a.json'}{told}") or f"a.json {told}" in message
    assert message.endswith(". Do this") and "pydantic" not in message


def test_bytes_that_are_no_text(tmp_path: Path) -> None:
    (tmp_path / "a.json").write_bytes(b"\xff\xfe{}")
    with pytest.raises(UserError, match=r"a\.json is not valid JSON"):
        read_json(tmp_path / "a.json", dict[str, Any], "")


def test_what_is_no_regular_file_is_not_opened(tmp_path: Path) -> None:
    os.mkfifo(tmp_path / "pipe.json")
    for file, told in {
        tmp_path / "pipe.json": "named pipe",
        Path("/dev/zero"): "device",
        tmp_path: "folder",
        tmp_path / "none.json": "does not exist",
        tmp_path / "a\0.json": "null byte",
    }.items():
        with pytest.raises(UserError, match=told):
            read_json(file, dict[str, Any], "")


@pytest.mark.parametrize("text", ['{"a": {"nodule": 1, "nodule": 2}}', '{"a": {}, "b": [], "a": {"c": 1}}'])
def test_a_key_with_two_values_is_refused(tmp_path: Path, text: str) -> None:
    """Of which parsers, nnU-Net's too, take the last."""
    file = tmp_path / "dataset.json"
    file.write_text(text, encoding="utf-8")
    with pytest.raises(UserError, match=r"dataset\.json says twice what (nodule|a) is, .*\. Copy it"):
        read_json(file, dict[str, Any], "Copy it")
    file.write_text('{"a": {"nodule": 1, "nodule": 1}, "n": 12345678901234567890}', encoding="utf-8")
    assert read_json(file, dict[str, Any], "Copy it")["a"] == {"nodule": 1}


def test_a_number_that_is_none_is_not_told_twice(tmp_path: Path) -> None:
    file = tmp_path / "a.json"
    file.write_text('{"mean": NaN}', encoding="utf-8")
    assert math.isnan(read_json(file, dict[str, Any], "Write it again")["mean"])
