"""Fails the build for a public name on the Python page that has no docstring."""

from __future__ import annotations

import logging
import re
from functools import cache
from typing import Any

import griffe

_log = logging.getLogger("mkdocs.plugins.documented_names")
_SHOWN = re.compile(r"^::: ([\w.]+)$", re.MULTILINE)


def on_page_markdown(markdown: str, **_: Any) -> str:
    """MkDocs' event: a warning, which strict builds take for an error, for every name without docstring."""
    for name in _SHOWN.findall(markdown):
        for found in undocumented(name):
            _log.warning("%s has no docstring", found)
    return markdown


def undocumented(name: str) -> list[str]:
    """The public names at and below `name` in the package that say nothing about themselves."""
    return [found.path for found in _public(_package()[name.partition(".")[2]]) if not found.has_docstring]


@cache
def _package() -> Any:
    return griffe.load(
        "nnunetv2_raemd", search_paths=["build/installed"], resolve_aliases=False, try_relative_path=False
    )


def _public(found: Any) -> list[Any]:
    names = [found]
    if found.is_class or found.is_module:
        for member in found.members.values():
            if (
                not member.is_alias
                and (member.is_function or member.is_class)
                and not member.name.startswith("_")
                and member.name != "forward"  # of torch modules: the class says what comes in and out
            ):
                names += _public(member)
    return names
