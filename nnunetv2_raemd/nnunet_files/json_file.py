"""JSON files, read and checked in one place; errors name file, key, what is there and what should be."""

from __future__ import annotations

import json
from collections.abc import Hashable, Sequence
from functools import cache
from pathlib import Path
from typing import Any, TypeVar, cast

from pydantic import TypeAdapter, ValidationError
from pydantic_core import ErrorDetails, from_json

from nnunetv2_raemd.errors import UserError
from nnunetv2_raemd.regular_file import check_is_regular

T = TypeVar("T")

MAX_BYTES = 1 << 30  # the results of 100,000 cases are a fifth of it
_SHOWN = 60
_PLAINER = {
    "a valid array": "a list",
    "an object": "a mapping",
    "a valid integer": "an integer",
    "a valid ": "a ",
}


def read_json(file: Path, shape: type[T], advice: str) -> T:
    """The content of a JSON file.

    Args:
        shape: what it must be: a dataclass, a `TypedDict`, or a type such as `list[str]`. Nothing is
            converted: "1" is not a number.
        advice: how the user comes by a right one; ends each message.

    Raises:
        UserError: if the file is absent, no JSON, or of another shape.
    """
    try:
        check_is_regular(file)
        if file.stat().st_size > MAX_BYTES:
            raise UserError(f"{file} is larger than {MAX_BYTES >> 20} MiB")
        raw = file.read_bytes()
    except (UserError, OSError) as error:
        raise UserError(f"{error}. {advice}") from error
    return parse_json(raw, shape, file, advice)


def parse_json(raw: bytes, shape: type[T], file: Path, advice: str) -> T:
    """As `read_json`, of bytes that are read already."""
    try:
        content = cast("T", _adapter(cast("Hashable", shape)).validate_json(raw, strict=True))
        json.loads(raw, object_pairs_hook=_each_once, parse_int=str)  # of a key, parsers take the last value
    except ValidationError as error:
        raise UserError(f"{file}{_told(error.errors(include_url=False), raw)}. {advice}") from error
    except _RepeatedKeyError as error:
        raise UserError(f"{file} says twice what {error} is, and differently. {advice}") from error
    return content


class _RepeatedKeyError(Exception):
    """A mapping has two values of one key, which is the message."""


def _each_once(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    known: dict[str, Any] = {}
    for key, value in pairs:
        before = known.setdefault(key, value)
        if before is not value and before != value:  # NaN is not equal to itself
            raise _RepeatedKeyError(key)
    return known


@cache
def _adapter(shape: Any) -> TypeAdapter[Any]:
    return TypeAdapter(shape)


def _told(errors: Sequence[ErrorDetails], raw: bytes) -> str:
    """The first error; of several alternatives at one place, the one that fits farthest."""
    if errors[0]["type"] == "json_invalid":
        return f" is not valid JSON: {errors[0]['ctx']['error']}"
    content = from_json(raw)
    start = _path(errors[0], content)
    alternatives = [error for error in errors if _path(error, content)[: len(start)] == start]
    chosen = max(alternatives, key=lambda error: len(_path(error, content)))
    path = _path(chosen, content)
    if chosen["type"] == "missing":
        return f": {'.'.join(map(str, [*path, chosen['loc'][-1]]))} is missing"
    key = ".".join(map(str, path)) or "its content"
    if chosen["type"] == "value_error":  # what a dataclass says of its own values
        return f": {_wanted(chosen)}"
    if chosen["type"] in ("extra_forbidden", "unexpected_keyword_argument"):
        return f": {key} is not a key that is known here"
    wanted = dict.fromkeys(_wanted(error) for error in alternatives if _path(error, content) == path)
    return f": {key} is {_shown(chosen['input'])}, but should be {' or '.join(wanted)}"


def _path(error: ErrorDetails, content: Any) -> list[int | str]:
    """The keys that lead to the value; pydantic's location has the names of alternatives in between."""
    path: list[int | str] = []
    for part in error["loc"]:
        try:
            content = content[part]
        except (LookupError, TypeError):
            continue
        path.append(part)
    return path


def _wanted(error: ErrorDetails) -> str:
    """What pydantic expected, in plainer words: "Input should be a valid array" is "a list"."""
    for limit, words in (("min_length", "at least"), ("max_length", "at most")):
        if limit in error.get("ctx", {}):
            return f"of {words} {error['ctx'][limit]} entries"
    message = error["msg"].removeprefix("Value error, ").removeprefix("Input should be ")
    for theirs, ours in _PLAINER.items():
        message = message.replace(theirs, ours)
    return message


def _shown(value: Any) -> str:
    text = json.dumps(value, default=repr, ensure_ascii=False)
    return text if len(text) <= _SHOWN else f"{text[:_SHOWN]}..."
