"""The options of `raemd bench` by what they are about; the fields of each class are options."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from nnunetv2_raemd.commands.unused_options import refuse_unused
from nnunetv2_raemd.errors import UserError

if TYPE_CHECKING:
    from nnunetv2_raemd.bench.sizes import Sizes
    from nnunetv2_raemd.bench.sweep import Sweep

DEVICES = ("cpu", "cuda")


@dataclass(frozen=True)
class TimedNetworks:
    """What is timed, where, and how often."""

    device: Annotated[str, typer.Option("-device", "--device", help="cpu or cuda.")] = "cpu"
    threads: Annotated[int | None, typer.Option(min=1, help="CPU threads; by default torch's choice.")] = None
    peers: Annotated[
        list[str] | None,
        typer.Option(
            help="Networks to compare, one or more: nnunet-2d, nnunet-3d, resenc-2d, resenc-3d (nnU-Net's), "
            "raemd, raemd-dense (with dense blocks), raemd-off (no parts), raemd-m (+ multi-scale), raemd-md "
            "(+ dense), raemd-mda (+ attention), or the JSON file of a preset. Default: nnU-Net's, raemd and "
            "raemd-off."
        ),
    ] = None
    rounds: Annotated[
        int, typer.Option(min=1, help="How often everything is timed; scans are timed half as often.")
    ] = 5
    whole_scan: Annotated[
        bool,
        typer.Option(
            "--whole-scan",
            help="Predict a scan of 300 x 512 x 512 with the patches planned for it, instead of scaling the "
            "time of a small one: minutes on a GPU, hours on a CPU.",
        ),
    ] = False
    scaling: Annotated[
        list[str] | None,
        typer.Option(
            metavar="SETTING:VALUES",
            help="Also time training steps with other values of sequence, slices, size or threads, as in "
            "size:64,128,256; one or more.",
        ),
    ] = None

    def names(self) -> tuple[str, ...]:
        """The networks to compare.

        Raises:
            UserError: if there is none of such a name, or no such device.
        """
        from nnunetv2_raemd.bench.peer_names import DEFAULT_PEERS, check_names

        if self.device not in DEVICES:
            raise UserError(f"--device {self.device} is unknown: choose {' or '.join(DEVICES)}")
        names = tuple(self.peers or DEFAULT_PEERS)
        check_names(names)
        return names

    def sweeps(self) -> tuple[Sweep, ...]:
        """What `--scaling` asks for.

        Raises:
            UserError: if it is not of its form.
        """
        from nnunetv2_raemd.bench.sweep import parse_sweep

        return tuple(map(parse_sweep, self.scaling or ()))


@dataclass(frozen=True)
class NetworkSizes:
    """Of the networks and of what they are given."""

    size: Annotated[int, typer.Option(help="Rows and columns of a slice.")] = 96
    slices: Annotated[int, typer.Option(help="Slices of a training step, in all.")] = 16
    sequence: Annotated[int, typer.Option(help="Slices of a sequence of RAEMD-Net (T).")] = 8
    features: Annotated[int, typer.Option(help="Features of the first stage; nnU-Net uses 32.")] = 16
    patch_3d: Annotated[
        list[int] | None,
        typer.Option(
            "--patch-3d",
            metavar="SLICES ROWS COLUMNS",
            help="The patch of the 3D networks; by default half of the slices. nnU-Net plans 96 160 160 for "
            "scans of 300 x 512 x 512.",
        ),
    ] = None

    def checked(self) -> Sizes:
        """As the benchmark takes them.

        Raises:
            UserError: if a network cannot have them.
        """
        from nnunetv2_raemd.bench.sizes import Sizes

        return Sizes(self.size, self.slices, self.sequence, self.features, tuple(self.patch_3d or ()))


@dataclass(frozen=True)
class TimedBackends:
    """Whether the backends of an exported model are timed instead."""

    backends: Annotated[
        bool,
        typer.Option(
            "--backends",
            help="Only predict scans: RAEMD-Net by every backend that is installed, beside nnU-Net's 2d.",
        ),
    ] = False
    scan: Annotated[
        Path | None,
        typer.Option(
            exists=True,
            dir_okay=False,
            help="With --backends, predict this chest CT instead of noise, from its file to that of its "
            "segmentation, and once more within the lungs. Give the --size of its slices.",
        ),
    ] = None

    def check(self, networks: TimedNetworks, files: BenchFiles) -> None:
        """Raise an error where an option of the one comparison is given for the other."""
        if not self.backends:
            if self.scan is not None:
                raise typer.BadParameter("--scan is predicted by every backend: give --backends")
            return
        reason = "is for the comparison of networks, not for --backends"
        refuse_unused(networks, reason, "peers", "whole_scan", "scaling")
        refuse_unused(files, reason, "plot")


@dataclass(frozen=True)
class BenchFiles:
    """What is written."""

    output: Annotated[
        Path | None, typer.Option("--output", "-o", metavar="FILE", help="JSON file for all figures.")
    ] = None
    plot: Annotated[Path | None, typer.Option(metavar="FILE", help="Write a picture (PNG) to this file.")] = (
        None
    )
    json_file: Annotated[Path | None, typer.Option("--json", hidden=True)] = None  # its name in 0.1.0

    @property
    def figures(self) -> Path | None:
        """The JSON file, by either name."""
        return self.output or self.json_file

    def check(self) -> None:
        """Raise a `UserError` where a file cannot be written, before hours are spent on it."""
        for file in filter(None, (self.figures, self.plot)):
            if not file.parent.is_dir():
                raise UserError(f"{file} cannot be written: the folder {file.parent} does not exist")
            if file.is_dir():
                raise UserError(f"{file} cannot be written: it is a folder")
