"""Singular and plural."""

from __future__ import annotations

import pytest

from nnunetv2_raemd.counted import counted


@pytest.mark.parametrize(
    ("number", "words"), [(0, "0 cases"), (1, "1 case"), (2, "2 cases"), (21, "21 cases")]
)
def test_only_one_is_singular(number: int, words: str) -> None:
    assert counted(number, "case") == words
