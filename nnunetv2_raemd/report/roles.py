"""Which system is the baseline, which the proposed one, and what each looks like in plots and overlays.

Plots use the colours of Okabe and Ito ("Color Universal Design", 2008), which colour-blind readers can tell
apart, with dashes and symbols beside them. Overlays offer these and the paper's (figure 5): reference green,
baseline yellow, proposed red.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

_PLOT_COLOURS = ("#009E73", "#CC79A7", "#E69F00", "#56B4E9", "#000000")
_PAPER_COLOURS = ("#40C8FF", "#FF9F0A", "#DA70FF", "#FFFFFF", "#7D7AFF")
_SAFE_COLOURS = ("#CC79A7", "#009E73", "#E69F00", "#FFFFFF", "#3B82F6")
_SYMBOLS = ("square", "diamond", "triangle-up", "cross", "star")
_DASHES = ("dash", "dot", "dashdot", "longdash", "longdashdot")


@dataclass(frozen=True)
class Look:
    """How one system (or the reference) is drawn.

    Attributes:
        colour, dash, symbol: in plots, as Plotly calls them.
        paper, safe: colours of its outlines, as the paper's and safe for colour-blind readers.
        pattern: pixels on and off along an outline; empty for a solid line.
        shown: whether its outlines are shown at first.
    """

    name: str
    role: str
    colour: str
    dash: str
    symbol: str
    paper: str
    safe: str
    pattern: tuple[int, ...] = ()
    shown: bool = False


REFERENCE = Look("Reference", "ground truth", "#000000", "solid", "circle", "#30D158", "#56B4E9", (), True)


def looks_of(names: Sequence[str], baseline: str | None) -> dict[str, Look]:
    """How to draw each system; the proposed one is the last that is not the baseline."""
    proposed = proposed_of(names, baseline)
    looks = {}
    for name in names:
        if name == proposed:
            looks[name] = _proposed(name)
        elif name == baseline:
            looks[name] = _baseline(name)
        else:
            looks[name] = _other(name, sum(look.role == "other" for look in looks.values()))
    return looks


def proposed_of(names: Sequence[str], baseline: str | None) -> str:
    """The last system that is not the baseline, or the only one there is."""
    return [name for name in names if name != baseline or len(names) == 1][-1]


def _proposed(name: str) -> Look:
    return Look(name, "proposed", "#D55E00", "solid", "circle", "#FF453A", "#D55E00", (), True)


def _baseline(name: str) -> Look:
    return Look(name, "baseline", "#0072B2", "dash", "square", "#FFD60A", "#F0E442", (6, 3), True)


def _other(name: str, i: int) -> Look:
    j = i % len(_PLOT_COLOURS)
    return Look(
        name,
        "other",
        _PLOT_COLOURS[j],
        _DASHES[(i + i // len(_PLOT_COLOURS)) % len(_DASHES)],
        _SYMBOLS[(i + i // len(_PLOT_COLOURS) + 1) % len(_SYMBOLS)],
        _PAPER_COLOURS[j],
        _SAFE_COLOURS[j],
        (2, 2),
    )
