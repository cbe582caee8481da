"""nnU-Net's commands as function calls: the same arguments, and folders instead of environment variables."""

from __future__ import annotations

import os
from collections import deque
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from nnunetv2_raemd.console_scripts import run_script
from nnunetv2_raemd.errors import UserError

_LAST_LINES = 20


@dataclass(frozen=True)
class NnunetFolders:
    """nnU-Net's three folders."""

    raw: Path
    preprocessed: Path
    results: Path

    def variables(self) -> dict[str, str]:
        """The environment in which nnU-Net's commands find them."""
        return {
            "nnUNet_raw": str(self.raw),
            "nnUNet_preprocessed": str(self.preprocessed),
            "nnUNet_results": str(self.results),
        }


def preprocess(
    dataset: int | str, folders: NnunetFolders, *, configurations: Sequence[str] = ("2d",)
) -> None:
    """Plan and preprocess a dataset (nnUNetv2_plan_and_preprocess); what it prints is printed.

    Raises:
        UserError: if it fails.
    """
    _run(["nnUNetv2_plan_and_preprocess", "-d", str(dataset), "-c", *configurations], folders)


def train(  # noqa: PLR0913 - those of nnUNetv2_train
    dataset: int | str,
    configuration: str,
    fold: int | str,
    folders: NnunetFolders,
    *,
    trainer: str = "nnUNetTrainerRAEMD",
    plans: str = "nnUNetPlans",
    device: str = "cuda",
    npz: bool = False,
    continue_training: bool = False,
    validate_only: bool = False,
    pretrained_weights: Path | None = None,
) -> None:
    """Train a fold (nnUNetv2_train), in a process of its own; what it prints is printed as it comes.

    Args:
        npz: whether to keep the probabilities of the validation.
        continue_training: from the last checkpoint (--c).
        validate_only: of a fold that is trained already (--val).

    Raises:
        UserError: if it fails.
    """
    arguments = [str(dataset), configuration, str(fold), "-tr", trainer, "-p", plans, "-device", device]
    switches = {"--npz": npz, "--c": continue_training, "--val": validate_only}
    arguments += [switch for switch, wanted in switches.items() if wanted]
    if pretrained_weights is not None:
        arguments += ["-pretrained_weights", str(pretrained_weights)]
    _run(["nnUNetv2_train", *arguments], folders)


def _run(command: Sequence[str], folders: NnunetFolders) -> None:
    """Run a command of this Python environment; in notebooks, too, its output appears where the call is."""
    last: deque[str] = deque(maxlen=_LAST_LINES)

    def print_and_keep(line: str) -> None:
        print(line, end="", flush=True)
        last.append(line)

    environment = {**os.environ, **folders.variables(), "PYTHONUNBUFFERED": "1"}
    status = run_script(command, environment, print_and_keep)
    if status != 0:
        raise UserError(f"{' '.join(command)} failed with exit status {status}:\n{''.join(last)}")
