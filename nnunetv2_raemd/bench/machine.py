"""On what a benchmark ran."""

from __future__ import annotations

import platform
from dataclasses import dataclass
from importlib import metadata
from pathlib import Path

import torch

from nnunetv2_raemd.errors import UserError
from nnunetv2_raemd.version import __version__


@dataclass(frozen=True)
class Machine:
    """Device and versions."""

    device: str
    device_name: str
    threads: int
    system: str
    python: str
    versions: dict[str, str]


def describe_machine(device: torch.device) -> Machine:
    """Of this process, after the number of threads was set."""
    return Machine(
        device=device.type,
        device_name=torch.cuda.get_device_name(device) if device.type == "cuda" else _processor(),
        threads=torch.get_num_threads(),
        system=f"{platform.system()} {platform.machine()}",
        python=platform.python_version(),
        versions={
            "nnunetv2-raemd": __version__,
            "nnunetv2": metadata.version("nnunetv2"),
            "torch": str(torch.__version__),
        },
    )


def _processor() -> str:
    """The processor's name; on Linux `platform` knows only its architecture."""
    try:
        lines = Path("/proc/cpuinfo").read_text(encoding="utf-8").splitlines()
    except OSError:
        return platform.processor() or platform.machine()
    names = [line.partition(":")[2].strip() for line in lines if line.startswith("model name")]
    return names[0] if names else platform.machine()


def use_device(name: str, threads: int | None) -> torch.device:
    """The device, set up as nnU-Net does, with that many CPU threads (`None`: as torch has it).

    Raises:
        UserError: if there is no such device.
    """
    if name not in {"cpu", "cuda"}:
        raise UserError(f"--device {name} is unknown: choose cpu or cuda")
    if name == "cuda" and not torch.cuda.is_available():
        raise UserError(
            "--device cuda: torch finds no CUDA device. Take --device cpu, or ask `raemd info` what is wrong"
        )
    if threads is not None:
        torch.set_num_threads(threads)
    torch.backends.cudnn.benchmark = name == "cuda"
    return torch.device(name)
