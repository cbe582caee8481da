"""Names of others that become names of files."""

from __future__ import annotations

import pytest

from nnunetv2_raemd.errors import UserError
from nnunetv2_raemd.file_names import check_file_name, leads_elsewhere


@pytest.mark.parametrize("name", ["LUNG1-001", "1.3.6.1", "console", "nul_1", "A_b-c.9", "_x", "x" * 200])
def test_plain_name(name: str) -> None:
    assert check_file_name(name) == name


@pytest.mark.parametrize(
    "name",
    [
        "",
        ".",
        "..",
        "../x",
        "a/b",
        "/etc/passwd",
        "a\\b",
        ".hidden",
        "-r",
        "a b",
        "a\0",
        "a\n",
        "ü",
        "C:x",
        "x" * 201,
        "NUL",
        "com1.nii.gz",
        "Aux.x.csv",
        "a.",
    ],
)
def test_name_that_may_lead_elsewhere_is_refused(name: str) -> None:
    with pytest.raises(UserError, match="cannot name a file"):
        check_file_name(name)


@pytest.mark.parametrize("name", ["", ".", "..", "../a", "a/b", "/a", "a/", "a\\b", "a\0"])
def test_name_of_anything_but_a_file_beside_leads_elsewhere(name: str) -> None:
    assert leads_elsewhere(name)


@pytest.mark.parametrize("name", ["a", "a b", ".hidden", "ü.raw", "a..b", "-r", "x" * 201])
def test_name_of_a_file_beside_does_not(name: str) -> None:
    assert not leads_elsewhere(name)
