"""The result as a picture: how the networks compare, and where RAEMD-Net's time goes."""

from __future__ import annotations

from pathlib import Path

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.ticker import NullLocator

from nnunetv2_raemd.bench.benchmark_result import PeerResult, Result, part_names
from nnunetv2_raemd.whole_files import whole_file

OURS, THEIRS = "tab:red", "tab:gray"


def draw(result: Result, file: Path) -> None:
    """Write a PNG, whole or not at all.

    Raises:
        UserError: if it cannot be written.
    """
    settings = list(dict.fromkeys(point.setting for point in result.scaling))
    n_panels = 3 + bool(result.parts_s) + len(settings)
    n_rows = -(-n_panels // 2)
    figure = Figure(figsize=(11, 3.2 * n_rows), layout="constrained")
    panels = iter(figure.subplots(n_rows, 2, squeeze=False).flat)
    _bars(next(panels), result, "training step, relative", [p.training.ratio.median for p in result.peers])
    _bars(
        next(panels),
        result,
        "scan with mirroring, relative",
        [peer.scans[1].ratio.median for peer in result.peers],
    )
    _bars(
        next(panels), result, "memory, MB per slice", [p.memory_bytes / p.slices / 1e6 for p in result.peers]
    )
    if result.parts_s:
        _stacked_parts(next(panels), result)
    for setting in settings:
        _lines(next(panels), result, setting)
    for unused in panels:
        unused.set_axis_off()
    machine, sizes = result.machine, result.sizes
    figure.suptitle(
        f"{machine.device_name}, {sizes.slices} slices of {sizes.size} x {sizes.size}, {result.date[:10]}"
    )
    _save(figure, file)


def _save(figure: Figure, file: Path) -> None:
    with whole_file(file) as making:
        figure.savefig(making, dpi=100, format="png")


def _bars(axes: Axes, result: Result, title: str, values: list[float]) -> None:
    colours = [_colour(peer) for peer in result.peers]
    bars = axes.barh([peer.label for peer in result.peers], values, color=colours)
    axes.bar_label(bars, fmt="%.2f", padding=2)
    axes.margins(x=0.15)
    axes.invert_yaxis()
    axes.set_title(title)


def _stacked_parts(axes: Axes, result: Result) -> None:
    labels = {peer.name: peer.label for peer in result.peers}
    rows = [labels[name] for name in result.parts_s]
    left = np.zeros(len(rows))
    for name in part_names(result):
        # "other" may be a little below zero: parts by themselves are slower than within the network
        widths = np.array([max(0.0, 1e3 * parts.get(name, 0.0)) for parts in result.parts_s.values()])
        axes.barh(rows, widths, left=left, label=name)
        left += widths
    axes.legend(fontsize="small", loc="upper center", bbox_to_anchor=(0.5, -0.08), ncols=4)
    axes.set_title("parts of a training step, ms")


def _lines(axes: Axes, result: Result, setting: str) -> None:
    of_setting = [point for point in result.scaling if point.setting == setting]
    for peer in result.peers:
        points = [point for point in of_setting if point.peer == peer.name]
        speeds = [point.training.slices_per_s for point in points]
        axes.plot([point.value for point in points], speeds, "o-", label=peer.label)
    axes.set(xscale="log", yscale="log", xlabel=setting, ylabel="slices/s", title=f"training by {setting}")
    values = sorted({point.value for point in of_setting})
    axes.set_xticks(values, list(map(str, values)))
    axes.xaxis.set_minor_locator(NullLocator())
    axes.yaxis.set_major_formatter("{x:g}")
    axes.yaxis.set_minor_formatter("{x:g}")
    axes.legend(fontsize="small")


def _colour(peer: PeerResult) -> str:
    return OURS if peer.name.startswith("raemd") else THEIRS
