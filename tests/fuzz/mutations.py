"""Damaged copies of a file: each follows from a seed, so that what fails can be made again."""

from __future__ import annotations

import os
import random
import re
import signal
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

# As many damaged files for each kind of file; `RAEMD_FUZZ_INPUTS=20000` asks for more, spread over the kinds.
DEFAULT_INPUTS = 24
LONGEST_S = 20.0
_NUMBER = re.compile(rb"-?\d+(?:\.\d+)?")
_EXTREMES = (
    b"0",
    b"-1",
    b"nan",
    b"inf",
    b"-inf",
    b"1e300",
    b"60000",
    b"4294967296",
    b"9" * 40,
    b"",
    b"x",
    b"1.5",
)


def inputs_for(kinds: int) -> range:
    """The seeds of one of so many kinds of file."""
    asked = os.environ.get("RAEMD_FUZZ_INPUTS")
    return range(DEFAULT_INPUTS if asked is None else -(-int(asked) // kinds))


def damaged(content: bytes, seed: int) -> bytes:
    """`content` with one to three changes."""
    rng = random.Random(seed)
    for _ in range(rng.randint(1, 3)):
        content = rng.choice(_CHANGES)(content, rng)
    return content


def cut(content: bytes, seed: int) -> bytes:
    """`content` without its end; the places lie closer towards both ends."""
    rng = random.Random(seed)
    part = rng.choice([rng.random(), rng.random() ** 3, 1 - rng.random() ** 3])
    return content[: min(int(part * len(content)), len(content) - 1)]


def _flipped_bit(content: bytes, rng: random.Random) -> bytes:
    at = _place(content, rng)
    return (
        content[:at] + bytes([content[at] ^ (1 << rng.randrange(8))]) + content[at + 1 :] if content else b""
    )


def _overwritten(content: bytes, rng: random.Random) -> bytes:
    at, length = _place(content, rng), rng.choice([1, 2, 4, 16, 200])
    filling = rng.choice([b"\0", b"\xff", b" ", rng.randbytes(1)]) * length
    return content[:at] + filling[: len(content) - at] + content[at + length :]


def _left_out(content: bytes, rng: random.Random) -> bytes:
    at = _place(content, rng)
    return content[:at] + content[at + rng.choice([1, 2, 8, 100]) :]


def _repeated(content: bytes, rng: random.Random) -> bytes:
    at, length = _place(content, rng), rng.choice([1, 8, 64, 500])
    return (
        content[: at + length] + content[at : at + length] * rng.choice([1, 2, 30]) + content[at + length :]
    )


def _moved(content: bytes, rng: random.Random) -> bytes:
    at, to, length = _place(content, rng), _place(content, rng), rng.choice([2, 8, 64])
    rest = content[:at] + content[at + length :]
    return rest[:to] + content[at : at + length] + rest[to:]


def _other_number(content: bytes, rng: random.Random) -> bytes:
    """One of the numbers that are written as text becomes an extreme one."""
    numbers = list(_NUMBER.finditer(content))
    if not numbers:
        return content
    number = rng.choice(numbers)
    return content[: number.start()] + rng.choice(_EXTREMES) + content[number.end() :]


def _line_changed(content: bytes, rng: random.Random) -> bytes:
    """A line is left out, repeated, or trades places with another."""
    lines = content.split(b"\n")
    at, other = rng.randrange(len(lines)), rng.randrange(len(lines))
    kind = rng.randrange(3)
    if kind == 0:
        del lines[at]
    elif kind == 1:
        lines.insert(other, lines[at])
    else:
        lines[at], lines[other] = lines[other], lines[at]
    return b"\n".join(lines)


def _place(content: bytes, rng: random.Random) -> int:
    """Anywhere; half of the time in the first thousand bytes, where headers are."""
    return rng.randrange(min(len(content), 1000) if rng.random() < 0.5 else len(content)) if content else 0


_Change = Callable[[bytes, random.Random], bytes]
_CHANGES: list[_Change] = [
    _flipped_bit,
    _overwritten,
    _left_out,
    _repeated,
    _moved,
    _other_number,
    _other_number,
    _line_changed,
]


@contextmanager
def no_hang(seconds: float = LONGEST_S) -> Iterator[None]:
    """Fails what takes more processor time than that, and ends what does not end at all."""

    def stop(*_: Any) -> None:
        raise TimeoutError(f"took more than {seconds:g} s of processor time")

    before = signal.signal(signal.SIGVTALRM, stop)
    signal.setitimer(signal.ITIMER_VIRTUAL, seconds)
    begin = time.process_time()
    try:
        yield
    finally:
        signal.setitimer(signal.ITIMER_VIRTUAL, 0)
        signal.signal(signal.SIGVTALRM, before)
    assert time.process_time() - begin < seconds
