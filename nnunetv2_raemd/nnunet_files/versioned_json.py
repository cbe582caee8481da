"""JSON files of our own, whose first key says what they hold and in which version of the layout."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from nnunetv2_raemd.errors import UserError
from nnunetv2_raemd.nnunet_files.json_file import read_json
from nnunetv2_raemd.whole_files import write_text


def write_versioned(file: Path, form: str, content: Mapping[str, Any]) -> None:
    """Write such a file whole or not at all; `form` is as "nnunetv2-raemd lesions, version 1".

    Raises:
        UserError: if it cannot be written.
    """
    text = json.dumps({"format": form, **content}, indent=1, allow_nan=False, ensure_ascii=False)
    write_text(file, f"{text}\n")


@contextmanager
def versioned(file: Path, form: str, *, holding: str, advice: str) -> Iterator[dict[str, Any]]:
    """The content of such a file, for a block that makes its values into objects.

    Args:
        holding: what the file should hold, for the message: "a list of lesions".
        advice: how the user comes by a right one.

    Raises:
        UserError: if the file cannot be read or is of another form, or if a value is missing or of a wrong
            kind: what the block raises of that.
    """
    content = read_json(file, dict[str, Any], advice)
    try:
        if content["format"] != form:
            raise ValueError(f"its format is {content['format']!r}, not {form!r}")
        yield content
    except (ValueError, KeyError, TypeError, AttributeError) as error:
        raise UserError(f"{file} does not hold {holding} ({error!r}). {advice}") from error
