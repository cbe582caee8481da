"""The lesion cards of a scan as one HTML file that opens offline."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from importlib import resources

from nnunetv2_raemd.explanation.lesion_views import SIDE, View
from nnunetv2_raemd.explanation.slice_reliance import SliceReliance
from nnunetv2_raemd.extras import needs_extra
from nnunetv2_raemd.lesions.measured_lesion import MeasuredLesion, ScanLesions

with needs_extra("explain", "a page of lesion cards"):  # rarely missing, as torch brings them
    import jinja2
    from markupsafe import Markup

_ASSETS = resources.files("nnunetv2_raemd.explanation") / "assets"
_CHART = (220, 70)  # pixels
_MOST_CHANNELS = 5


@dataclass(frozen=True)
class LesionCard:
    """One lesion of the page.

    Attributes:
        facts: measures as a reader wants them, by name.
        channels: the highest channel attention, as sentences.
        remark: why there are no maps, or "".
    """

    lesion: MeasuredLesion
    facts: Mapping[str, str]
    views: Sequence[View]
    reliance: SliceReliance | None
    channels: str
    remark: str = ""


@dataclass(frozen=True)
class CardPage:
    """All of one scan.

    Attributes:
        overlays: names of the maps that can be shown.
        about: what the maps are and what is known of their worth, a sentence each.
    """

    scan: ScanLesions
    cards: Sequence[LesionCard]
    overlays: Sequence[str]
    about: Sequence[str]
    n_without_card: int


def facts_of(lesion: MeasuredLesion) -> dict[str, str]:
    """The measures of a lesion for its card."""
    x, y, z = lesion.centre_mm
    confidence = "not calibrated" if lesion.confidence is None else f"{lesion.confidence:.2f}"
    facts = {
        "Confidence": confidence + ("" if lesion.listed else " (below the operating point)"),
        "Axes": f"{lesion.long_axis_mm:.1f} × {lesion.short_axis_mm:.1f} mm",
        "Volume": f"{_volume(lesion.volume_mm3)} (diameter {lesion.equivalent_diameter_mm:.1f} mm)",
        "Slices": f"{_slices(lesion)} (from 0)",
        "Center": f"{x:.0f}, {y:.0f}, {z:.0f} mm (left, back, head)",
    }
    if lesion.mean_hu is not None and lesion.sd_hu is not None:
        facts["HU"] = f"{lesion.mean_hu:.0f} ± {lesion.sd_hu:.0f}"
    if lesion.max_probability is not None and lesion.mean_probability is not None:
        facts["Probability"] = f"at most {lesion.max_probability:.2f}, mean {lesion.mean_probability:.2f}"
    return facts


def _volume(volume_mm3: float) -> str:
    """In ml, or in mm³ where two decimals would say little."""
    return f"{volume_mm3:.0f} mm³" if volume_mm3 < 100 else f"{volume_mm3 / 1000:.2f} ml"


def _slices(lesion: MeasuredLesion) -> str:
    one = lesion.first_slice == lesion.last_slice
    return f"{lesion.first_slice}" if one else f"{lesion.first_slice} to {lesion.last_slice}"


def channels_sentence(channels: Sequence[float]) -> str:
    """The range of the channel attention and its highest channels."""
    highest = sorted(range(len(channels)), key=lambda i: -channels[i])[:_MOST_CHANNELS]
    named = ", ".join(f"{i} ({channels[i]:.2f})" for i in highest)
    return f"between {min(channels):.2f} and {max(channels):.2f}; highest in the channels {named}"


def reliance_sentence(reliance: SliceReliance) -> str:
    """What the neighboring slices add, in words."""
    alone, all_slices = reliance.by_reach[0], reliance.by_reach[-1]
    if not reliance.reach:
        return f"Neighboring slices add nothing: probability {all_slices:.2f} with and without them."
    neighbors = "one neighbor" if reliance.reach == 1 else f"{reliance.reach} neighbors"
    return (
        f"Probability {alone:.2f} from the middle slice alone, {all_slices:.2f} with all of them; nine "
        f"tenths of the change come with {neighbors} on either side."
    )


def chart_points(reliance: SliceReliance) -> str:
    """The curve of a `SliceReliance` as points of an SVG polyline."""
    width, height = _CHART
    last = max(len(reliance.by_reach) - 1, 1)
    return " ".join(
        f"{width * i / last:.1f},{height * (1 - value):.1f}" for i, value in enumerate(reliance.by_reach)
    )


def svg_path(outlines: str) -> str:
    """The text of `report.outlines` as an SVG path, in pixels of the picture."""
    path = []
    for line in filter(None, outlines.split(";")):
        x, y, *steps = (int(number) / 2 for number in line.split(" "))
        moves = " ".join(f"l{dx:g} {dy:g}" for dx, dy in zip(steps[::2], steps[1::2], strict=True))
        path.append(f"M{x + 0.5:g} {y + 0.5:g} {moves}z")
    return " ".join(path)


def render(page: CardPage) -> str:
    """The HTML of the page; all texts are escaped."""
    environment = jinja2.Environment(
        autoescape=True, undefined=jinja2.StrictUndefined, trim_blocks=True, lstrip_blocks=True
    )
    environment.filters["svg_path"] = svg_path
    environment.filters["points"] = chart_points
    environment.filters["sentence"] = reliance_sentence
    template = environment.from_string(_asset("cards.html"))
    return template.render(
        page=page,
        side=SIDE,
        chart=_CHART,
        style=Markup(_asset("cards.css")),
        script=Markup(_asset("cards.js")),
    )


def _asset(name: str) -> str:
    return (_ASSETS / name).read_text(encoding="utf-8")
