"""`raemd bench`."""

from __future__ import annotations

import sys
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import TYPE_CHECKING

import typer
from rich.console import Console

from nnunetv2_raemd.commands.bench_options import BenchFiles, NetworkSizes, TimedBackends, TimedNetworks
from nnunetv2_raemd.commands.shared_options import with_options_of
from nnunetv2_raemd.execution.progress import stages

if TYPE_CHECKING:
    from nnunetv2_raemd.bench.benchmark_result import Result
    from nnunetv2_raemd.bench.session import Session
    from nnunetv2_raemd.bench.sizes import Sizes


@with_options_of(TimedNetworks, NetworkSizes, TimedBackends, BenchFiles)
def bench(networks: TimedNetworks, sizes: NetworkSizes, backends: TimedBackends, files: BenchFiles) -> None:
    """Compare RAEMD-Net with nnU-Net's networks on this machine: speed, memory, arithmetic, bytes.

    All train and predict in turns in one process on equally many slices, as nnU-Net does on that device (AMP
    and compiled on CUDA), RAEMD-Net in bfloat16 on CPUs that have it. Ratios are taken round by round.
    nnU-Net needs no folders for this.
    """
    backends.check(networks, files)
    files.check()
    checked, names, sweeps = sizes.checked(), networks.names(), networks.sweeps()
    with stages("Loading torch and nnU-Net (a few seconds)") as say:
        from nnunetv2_raemd.bench.machine import use_device
        from nnunetv2_raemd.bench.session import Session

        session = Session(use_device(networks.device, networks.threads), networks.rounds, say)
        if backends.backends:
            _compare_backends(checked, session, backends.scan, files.figures)
            return
        from nnunetv2_raemd.bench.benchmark import Task, run_benchmark

        task = Task(names, checked, networks.whole_scan, sweeps, " ".join(["raemd", *sys.argv[1:]]))
        result = run_benchmark(task, session)
    _hand_over(result, files)


def _hand_over(result: Result, files: BenchFiles) -> None:
    """Show and write it; ends the command."""
    from nnunetv2_raemd.bench import benchmark_result as results
    from nnunetv2_raemd.bench.benchmark_picture import draw
    from nnunetv2_raemd.bench.benchmark_terminal import show

    show(result, Console())
    if files.figures is not None:
        results.write_json(result, files.figures)
    if files.plot is not None:
        draw(result, files.plot)
    raise typer.Exit(1 if result.skipped else 0)


def _compare_backends(sizes: Sizes, session: Session, scan: Path | None, output: Path | None) -> None:
    from nnunetv2_raemd.bench.backend_times import time_backends, time_file, write_timings
    from nnunetv2_raemd.bench.benchmark_terminal import show_backends

    if scan is None:
        times = time_backends(sizes, session)
    else:
        with TemporaryDirectory(prefix="raemd_bench_") as folder:
            times = time_file(scan, Path(folder), sizes, session)
    show_backends(times, Console())
    if output is not None:
        write_timings(times, output)
