"""The result as tables."""

from __future__ import annotations

import math
from collections.abc import Sequence

from rich.console import Console
from rich.table import Table

from nnunetv2_raemd.bench.backend_times import BackendTiming
from nnunetv2_raemd.bench.benchmark_result import PeerResult, Result, ScanTiming, part_names
from nnunetv2_raemd.bench.clock import Spread, spread
from nnunetv2_raemd.bench.roofline import Roofline
from nnunetv2_raemd.bench.scan_times import STOCK
from nnunetv2_raemd.log_width import unlimited_in_a_log

FEWEST_VALUES_FOR_ONEDNN = 20480
"""channels x slices x rows of a single input up to which torch convolves in 3D without oneDNN"""
SMALL_3D_WINDOWS = (
    "Too high for 3d: torch convolves single windows this small several times slower on the CPU."
)


def show(result: Result, console: Console) -> None:
    """Print everything; what is too wide for the terminal is cut, but never in a log."""
    console.print(_heading(result), highlight=False, markup=False)
    for table in (_speed(result), _scans(result), _means(result), *_parts(result), *_scaling(result)):
        _print(table, console)
    for name, reason in result.skipped.items():
        console.print(f"{name} was left out: it {reason}", markup=False, highlight=False)


def show_backends(times: Sequence[BackendTiming], console: Console) -> None:
    """Print scans by every backend, beside the first of them."""
    first = times[0].name
    caption = f"Medians; ratios to {first} round by round, with their quartiles. The weights are random."
    table = _table("Scans by RAEMD-Net on each backend", "s", "relative", "processor time", caption=caption)
    for timing in times:
        table.add_row(
            timing.name.removeprefix("RAEMD-Net, "),
            f"{spread(timing.wall_s).median:.2f}",
            ratio_text(timing.wall_ratio),
            ratio_text(timing.processor_ratio),
        )
    _print(table, console)


def _heading(result: Result) -> str:
    machine, sizes, limits = result.machine, result.sizes, result.limits
    return (
        f"{machine.device_name} ({machine.device}, {machine.threads} threads), torch "
        f"{machine.versions['torch']}\n"
        f"Limits: {limits.flops_per_s / 1e9:.0f} GFLOP/s ({limits.number_format} matrix product), "
        f"{limits.bytes_per_s / 1e9:.0f} GB/s (copy)\n"
        f"{sizes.slices} slices of {sizes.size} x {sizes.size}, sequences of {sizes.sequence}, "
        f"{sizes.features} features; {result.rounds} rounds\n"
        f"Medians; ratios to {result.reference} round by round, with their quartiles"
    )


def _table(title: str, *headings: str, caption: str = "") -> Table:
    table = Table(title=title, caption=caption, box=None, pad_edge=False)
    table.add_column("network", no_wrap=True)
    for heading in headings:
        table.add_column(heading, justify="right", no_wrap=True)
    return table


def _print(table: Table, console: Console) -> None:
    """Title and caption outside the table, since rich wraps them to its width."""
    unlimited_in_a_log(console)
    title, caption = table.title, table.caption
    table.title = table.caption = None
    console.print(f"\n[bold]{title}[/]", highlight=False)
    console.print(table, highlight=False)
    if caption:
        console.print(caption, highlight=False, markup=False)


def _speed(result: Result) -> Table:
    title = f"Training step{' (compiled)' if result.peers[0].compiled else ''} and inference"
    headings = ("slices/s", "ratio", "first\nstep, s", "inference,\nslices/s", "ratio")
    table = _table(title, *headings)
    for peer in result.peers:
        table.add_row(
            peer.label,
            f"{peer.training.slices_per_s:.1f}",
            ratio_text(peer.training.ratio),
            f"{peer.first_step_s:.2f}",
            f"{peer.forward.slices_per_s:.1f}",
            ratio_text(peer.forward.ratio),
        )
    return table


def _scans(result: Result) -> Table:
    shapes = {scan.measured_shape: scan.scaled for peer in result.peers for scan in peer.scans}
    by = " x ".join(map(str, result.scan_shape))
    title = f"Seconds per scan of {by} with {STOCK}"
    caption = ""
    if all(shapes.values()):
        of = " and ".join(" x ".join(map(str, shape)) for shape in shapes)
        caption = f"Scaled up from {of} by the voxels in all windows; --whole-scan measures."
        if result.machine.device == "cpu" and _has_small_3d_windows(result):
            caption += f"\n{SMALL_3D_WINDOWS}"
    headings = ("windows", "no\nmirroring", "ratio", "mirroring", "ratio")
    table = _table(title, *headings, caption=caption)
    pairs = [
        (peer, pair) for peer in result.peers for pair in zip(peer.scans[::2], peer.scans[1::2], strict=True)
    ]
    for peer, (without, with_) in pairs:
        table.add_row(
            peer.label if without.command == STOCK else f"{peer.label}, {without.command}",
            f"{without.n_windows_whole_scan}",
            _seconds(without),
            ratio_text(without.ratio),
            _seconds(with_),
            ratio_text(with_.ratio),
        )
    return table


def _has_small_3d_windows(result: Result) -> bool:
    """Whether the first stage, with the most values, is among the slow ones."""
    values = result.sizes.features * math.prod(result.sizes.patch_3d[:-1])
    return values <= FEWEST_VALUES_FOR_ONEDNN and any(peer.name.endswith("-3d") for peer in result.peers)


def _means(result: Result) -> Table:
    caption = (
        f"Memory: {result.peers[0].memory_kind}. Of the limit: the longer of arithmetic and memory traffic "
        "at the rates above (A, M), over the time taken."
    )
    headings = (
        "weights,\nmillion",
        "memory,\nMB",
        "training,\nGFLOP",
        "training,\nGB",
        "training,\nof limit",
        "inference,\nof limit",
    )
    table = _table("What a slice takes", *headings, caption=caption)
    for peer in result.peers:
        table.add_row(
            peer.label,
            f"{peer.parameters / 1e6:.1f}",
            f"{peer.memory_bytes / peer.slices / 1e6:.1f}",
            f"{peer.training_cost.flops / peer.slices / 1e9:.2f}",
            f"{peer.training_cost.bytes / peer.slices / 1e9:.3f}",
            _fraction(peer.training_roofline),
            _fraction(peer.forward_roofline),
        )
    return table


def _parts(result: Result) -> list[Table]:
    """One table, if there is a RAEMD-Net."""
    if not result.parts_s:
        return []
    names = part_names(result)
    table = _table("Parts of a training step, ms (each run by itself)", *names)
    labels = {peer.name: peer.label for peer in result.peers}
    for name, parts in result.parts_s.items():
        table.add_row(labels[name], *(f"{1e3 * parts[part]:.1f}" if part in parts else "" for part in names))
    return [table]


def _scaling(result: Result) -> list[Table]:
    """One table per setting: slices per second."""
    tables = []
    labels: dict[str, PeerResult] = {peer.name: peer for peer in result.peers}
    for setting in dict.fromkeys(point.setting for point in result.scaling):
        points = [point for point in result.scaling if point.setting == setting]
        values = list(dict.fromkeys(point.value for point in points))
        table = _table(f"Training, slices/s by {setting}", *map(str, values))
        for name, peer in labels.items():
            of_peer = {p.value: f"{p.training.slices_per_s:.1f}" for p in points if p.peer == name}
            table.add_row(peer.label, *(of_peer.get(value, "") for value in values))
        tables.append(table)
    return tables


def ratio_text(ratio: Spread) -> str:
    """The median with its quartiles."""
    digits = 2 if ratio.median < 10 else 1
    return f"{ratio.median:.{digits}f} ({ratio.lower:.{digits}f}-{ratio.upper:.{digits}f})"


def _seconds(scan: ScanTiming) -> str:
    return f"{scan.whole_scan_s.median:.{0 if scan.whole_scan_s.median >= 100 else 1}f}"


def _fraction(roofline: Roofline) -> str:
    return f"{100 * roofline.fraction:.0f} % {roofline.bound[0].upper()}"
