"""Words that users read: natural English, one spelling, one rule for capitals and full stops."""

from __future__ import annotations

import ast
import re
from collections.abc import Iterator
from functools import cache
from pathlib import Path

import pytest

REPOSITORY = Path(__file__).resolve().parents[1]
PACKAGES = ("nnunetv2_raemd", "dataset_conversion", "plans")
RULES = REPOSITORY / "CONTRIBUTING.md"  # quotes what not to write
PAGES = sorted(
    {*REPOSITORY.glob("*.md"), *(REPOSITORY / "docs").glob("*.md"), REPOSITORY / "plans" / "README.md"}
    - {RULES}
)
CODE = sorted(
    file
    for package in PACKAGES
    for file in (REPOSITORY / package).rglob("*.py")
    if not file.is_relative_to(REPOSITORY / "nnunetv2_raemd" / "dataset_conversion")
    and not file.is_relative_to(REPOSITORY / "nnunetv2_raemd" / "plans")
)
UNNATURAL = {
    r"(?<!there )\bis no (folder|segmentation|dataset|name|number|preset|file)\b": "is not a folder",
    r"\bfor want of\b": "usually out of memory",
    r"\bto be had\b": "choose 3 or 4",
    r"\bmend(ed)?\b": "correct, solve",
    r"\bbut for\b": "except for",
    r"\b(is|are|was|were) told\b|\btold of\b": "is reported",
    r"\bcosts? no other\b": "other scans are unaffected",
    r"\bas a ball\b": "equivalent diameter",
    r"\banew\b": "again",
    r"\bnot predicted were\b": "not predicted:",
    r"\bnothing noticed\b": "no findings",
    r"\bwhat is to grow\b": "what to maximize",
    r"\bgiven were\b": "got",
    r"\bmake do with\b": "use instead",
    r"\bcomes? to harm\b": "fails",
    r"\bfor the eye\b": "easy to find",
}
BRITISH = (
    r"\b\w*(normalis|standardis|anonymis|initialis|optimis|rasteris|summaris|recognis)(e|ed|es|ing|ation)\b"
)


@cache
def parsed(file: Path) -> ast.Module:
    return ast.parse(file.read_text(encoding="utf-8"))


@cache
def lines_read() -> tuple[tuple[str, str], ...]:
    """All that users may read, each with its place: texts of the code and lines of the pages."""
    code = [(f"{f.relative_to(REPOSITORY)}:{n}", text) for f in CODE for n, text in strings(f) if " " in text]
    pages = [
        (f"{f.relative_to(REPOSITORY)}:{n}", line)
        for f in PAGES
        for n, line in enumerate(f.read_text(encoding="utf-8").splitlines(), start=1)
    ]
    return (*code, *pages)


def strings(file: Path) -> Iterator[tuple[int, str]]:
    """The texts of a module, without its docstrings."""
    tree = parsed(file)
    documentation = {
        id(node.value)
        for node in ast.walk(tree)
        if isinstance(node, ast.Expr) and isinstance(node.value, ast.Constant)
    }
    for node in ast.walk(tree):
        if isinstance(node, ast.Constant) and isinstance(node.value, str) and id(node) not in documentation:
            yield node.lineno, node.value


def errors(file: Path) -> Iterator[tuple[int, str]]:
    """The messages of `UserError`, with "{}" where a value is filled in."""
    for node in ast.walk(parsed(file)):
        if isinstance(node, ast.Call) and ast.unparse(node.func) == "UserError" and node.args:
            yield node.lineno, _text(node.args[0])


def _text(node: ast.expr) -> str:
    if isinstance(node, ast.Constant):
        return str(node.value)
    if isinstance(node, ast.JoinedStr):
        return "".join(_text(part) for part in node.values)
    if isinstance(node, ast.BinOp):
        return _text(node.left) + _text(node.right)
    return "{}"


@pytest.mark.parametrize("pattern", [*UNNATURAL, BRITISH], ids=[*UNNATURAL.values(), "American spelling"])
def test_what_users_read_is_natural_english(pattern: str) -> None:
    wording = re.compile(pattern, re.IGNORECASE)
    found = [f"{place}: {text.strip()}" for place, text in lines_read() if wording.search(text)]
    assert not found, "\n".join(found)


def test_errors_begin_small_and_end_without_a_full_stop() -> None:
    """Several sentences are separated by full stops; names and paths keep their own letters."""
    found = [
        f"{file.relative_to(REPOSITORY)}:{line}: {text}"
        for file in CODE
        for line, text in errors(file)
        if re.search(r"[^.]\.$", text) or re.match(r"(A|An|The|There|This|It|No|Give|Another) ", text)
    ]
    assert not found, "\n".join(found)


def test_the_patterns_find_what_they_are_for() -> None:
    bad = "x is no folder, for want of memory; when mended it is told anew, but for 3, as a ball of 8 mm"
    assert sum(bool(re.search(pattern, bad)) for pattern in UNNATURAL) == 7
    assert re.search(BRITISH, "nnU-Net normalises") and not re.search(
        BRITISH, "a nodule is raised, comprising"
    )
