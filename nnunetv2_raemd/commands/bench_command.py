"""`raemd bench`."""

from __future__ import annotations

import sys
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import TYPE_CHECKING, Annotated

import typer
from rich.console import Console

if TYPE_CHECKING:
    from nnunetv2_raemd.bench.session import Session
    from nnunetv2_raemd.bench.sizes import Sizes


def bench(
    device: Annotated[str, typer.Option("-device", "--device", help="cpu or cuda.")] = "cpu",
    threads: Annotated[
        int | None, typer.Option(min=1, help="CPU threads; by default torch's choice.")
    ] = None,
    peers: Annotated[
        list[str] | None,
        typer.Option(
            help="Networks to compare, one or more: nnunet-2d, nnunet-3d, resenc-2d, resenc-3d (nnU-Net's), "
            "raemd, raemd-off (no parts), raemd-m (+ multi-scale), raemd-md (+ dense), raemd-mda (+ "
            "attention), or the JSON file of a preset. Default: all but the last three."
        ),
    ] = None,
    size: Annotated[int, typer.Option(help="Rows and columns of a slice.")] = 96,
    slices: Annotated[int, typer.Option(help="Slices of a training step, in all.")] = 16,
    sequence: Annotated[int, typer.Option(help="Slices of a sequence of RAEMD-Net (T).")] = 8,
    features: Annotated[int, typer.Option(help="Features of the first stage; nnU-Net uses 32.")] = 16,
    patch_3d: Annotated[
        list[int] | None,
        typer.Option(
            "--patch-3d",
            metavar="SLICES ROWS COLUMNS",
            help="The patch of the 3D networks; by default half of the slices. nnU-Net plans 96 160 160 for "
            "scans of 300 x 512 x 512.",
        ),
    ] = None,
    rounds: Annotated[
        int, typer.Option(min=1, help="How often everything is timed; scans are timed half as often.")
    ] = 5,
    whole_scan: Annotated[
        bool,
        typer.Option(
            "--whole-scan",
            help="Predict a scan of 300 x 512 x 512 with the patches planned for it, instead of scaling the "
            "time of a small one: minutes on a GPU, hours on a CPU.",
        ),
    ] = False,
    scaling: Annotated[
        list[str] | None,
        typer.Option(
            metavar="SETTING:VALUES",
            help="Also time training steps with other values of sequence, slices, size or threads, as in "
            "size:64,128,256; one or more.",
        ),
    ] = None,
    backends: Annotated[
        bool,
        typer.Option(
            "--backends",
            help="Only predict scans: RAEMD-Net by every backend that is installed, beside nnU-Net's 2d.",
        ),
    ] = False,
    scan: Annotated[
        Path | None,
        typer.Option(
            exists=True,
            dir_okay=False,
            help="With --backends, predict this chest CT instead of noise, from its file to that of its "
            "segmentation, and once more within the lungs. Give the --size of its slices.",
        ),
    ] = None,
    output: Annotated[
        Path | None,
        typer.Option("--output", "-o", metavar="FILE", help="JSON file for all figures."),
    ] = None,
    plot: Annotated[
        Path | None, typer.Option(metavar="FILE", help="Write a picture (PNG) to this file.")
    ] = None,
    json_file: Annotated[Path | None, typer.Option("--json", hidden=True)] = None,  # its name in 0.1.0
) -> None:
    """Compare RAEMD-Net with nnU-Net's networks on this machine: speed, memory, arithmetic, bytes.

    All train and predict in turns in one process on equally many slices, as nnU-Net does on that device (AMP
    and compiled on CUDA). Ratios are taken round by round. nnU-Net needs no folders for this.
    """
    if scan is not None and not backends:
        raise typer.BadParameter("--scan is predicted by every backend: give --backends")
    with Console(stderr=True).status("Loading torch and nnU-Net (a few seconds)") as status:
        from nnunetv2_raemd.bench import benchmark_result as results
        from nnunetv2_raemd.bench.benchmark import Task, run_benchmark
        from nnunetv2_raemd.bench.benchmark_picture import draw
        from nnunetv2_raemd.bench.benchmark_terminal import show
        from nnunetv2_raemd.bench.machine import use_device
        from nnunetv2_raemd.bench.peers import DEFAULT_PEERS
        from nnunetv2_raemd.bench.scaling import parse_sweep
        from nnunetv2_raemd.bench.session import Session
        from nnunetv2_raemd.bench.sizes import Sizes

        output = output or json_file
        for file in (output, plot):
            if file is not None:
                results.check_writable(file)
        sizes = Sizes(size, slices, sequence, features, tuple(patch_3d or ()))
        session = Session(use_device(device, threads), rounds, status.update)
        if backends:
            _compare_backends(sizes, session, scan, output)
            return
        task = Task(
            names=tuple(peers or DEFAULT_PEERS),
            sizes=sizes,
            predict_whole_scan=whole_scan,
            sweeps=tuple(map(parse_sweep, scaling or ())),
            command=" ".join(["raemd", *sys.argv[1:]]),
        )
        result = run_benchmark(task, session)
    show(result, Console())
    if output is not None:
        results.write_json(result, output)
    if plot is not None:
        draw(result, plot)
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
