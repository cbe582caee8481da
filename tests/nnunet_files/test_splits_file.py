"""splits_final.json from anywhere."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from nnunetv2_raemd.errors import UserError
from nnunetv2_raemd.nnunet_files.splits_file import read_splits


def test_names_of_cases_may_be_any_that_a_file_may_have(tmp_path: Path) -> None:
    splits = [{"train": ["case 1", "ü.2"], "val": ["-3"]}]
    (tmp_path / "splits_final.json").write_text(json.dumps(splits), encoding="utf-8")
    assert read_splits(tmp_path / "splits_final.json") == splits
    assert read_splits(tmp_path / "absent.json") == []


@pytest.mark.parametrize("name", ["../../x", "/etc/x", "a\\x", "", "..", "a\0"])
def test_names_that_lead_elsewhere_are_refused(tmp_path: Path, name: str) -> None:
    """Files are written under the names of cases, as maps of post-processing are."""
    file = tmp_path / "splits_final.json"
    file.write_text(json.dumps([{"train": [], "val": [name]}]), encoding="utf-8")
    with pytest.raises(UserError, match=r"splits_final\.json: .* is not the name of a case"):
        read_splits(file)


@pytest.mark.parametrize("text", ["{}", "3", "[" * 100_000, '[{"train": [1], "val": []}]', '[{"train": []}]'])
def test_what_holds_no_splits_is_named(tmp_path: Path, text: str) -> None:
    (tmp_path / "splits_final.json").write_text(text, encoding="utf-8")
    with pytest.raises(UserError, match=r"splits_final\.json"):
        read_splits(tmp_path / "splits_final.json")
