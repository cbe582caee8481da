"""Values of DICOM tags, checked on the way out: a damaged header may hold anything anywhere."""

from __future__ import annotations

import re
from collections.abc import Iterable
from typing import Any

import numpy as np
from pydicom.dataset import Dataset
from pydicom.multival import MultiValue

from nnunetv2_raemd.errors import UserError


def sequence(dataset: Dataset, keyword: str) -> list[Dataset]:
    """Items of a sequence; none where it is absent or empty."""
    return list(dataset.get(keyword) or ())


def numbers(dataset: Dataset, keyword: str, count: int) -> tuple[float, ...] | None:
    """The values of a tag as floats; None where they are absent, not `count` or not finite."""
    values = dataset.get(keyword)
    if not isinstance(values, MultiValue) or len(values) != count:
        return None
    floats = tuple(float(value) for value in values)
    return floats if np.isfinite(floats).all() else None


def number(dataset: Dataset, keyword: str) -> float | None:
    """The value of a tag as a float; None where it is absent, not one number or not finite."""
    value = dataset.get(keyword)
    if value is None or value == "" or isinstance(value, MultiValue):
        return None
    return float(value) if np.isfinite(float(value)) else None


def texts(dataset: Dataset, keyword: str) -> tuple[str, ...]:
    """The values of a tag as texts; none where it is absent."""
    values = dataset.get(keyword)
    if values is None or values == "":
        return ()
    return tuple(map(text_of, values if isinstance(values, MultiValue) else (values,)))


def uid_of(value: Any) -> str:
    """A UID, "" where it is absent.

    Raises:
        UserError: for what cannot be one.
    """
    if re.fullmatch(r"[0-9.]*", str(value or "")) is None:
        raise UserError("a UID in its header is invalid: the file is damaged")
    return str(value or "")


def text_of(value: Any) -> str:
    """On one line.

    Raises:
        UserError: if it runs on into other elements of the header.
    """
    text = " ".join(str(value or "").split())
    if not text.isprintable():
        raise UserError("a text in its header is not text: the file is damaged")
    return text


def unique_texts(values: Iterable[Any]) -> tuple[str, ...]:
    """Texts in their order, each once, empty ones left out."""
    return tuple(dict.fromkeys(text for text in map(text_of, values) if text))
