"""One training: its place in nnU-Net's results, how far it is, and the command that takes it further."""

from __future__ import annotations

import re
from dataclasses import dataclass
from pathlib import Path

LOG_END_BYTES = 8192
_EPOCH = re.compile(r"Epoch (\d+)\s*$", re.MULTILINE)


@dataclass(frozen=True)
class Training:
    """A fold of a model, which is named as its folder in nnU-Net's results of the dataset.

    `dataset` is the dataset's folder there.
    """

    dataset: Path
    model: str
    fold: str

    @property
    def name(self) -> str:
        """For files and messages."""
        return f"{self.model}__fold_{self.fold}"

    @property
    def folder(self) -> Path:
        """Where nnU-Net writes it to."""
        return self.dataset / self.model / f"fold_{self.fold}"

    @property
    def log(self) -> Path:
        """What its command printed, in all attempts."""
        return self.dataset / "study" / f"{self.name}.log"

    @property
    def lock(self) -> Path:
        """Locked while it runs."""
        return self.log.with_suffix(".lock")

    @property
    def is_done(self) -> bool:
        """Whether it is trained and validated."""
        return self._is_trained and (self.folder / "validation" / "summary.json").is_file()

    @property
    def _is_trained(self) -> bool:
        return (self.folder / "checkpoint_final.pth").is_file()

    def arguments(self) -> list[str]:
        """Of nnUNetv2_train, from where it is: a new training, --c, or --val alone."""
        trainer, plans, configuration = self.model.split("__")
        arguments = [self.dataset.name, configuration, self.fold, "-tr", trainer, "-p", plans]
        if self._is_trained:
            return [*arguments, "--val"]
        if any(self.folder.glob("checkpoint_*.pth")):
            return [*arguments, "--c"]
        return arguments

    def last_epoch(self) -> int | None:
        """The epoch that the log names last; `None` if it names none."""
        epochs = _EPOCH.findall(self.end_of_log())
        return int(epochs[-1]) if epochs else None

    def end_of_log(self) -> str:
        """The last lines of the log; empty if there is none."""
        try:
            with self.log.open("rb") as file:
                file.seek(max(0, self.log.stat().st_size - LOG_END_BYTES))
                return file.read().decode(errors="replace")
        except FileNotFoundError:
            return ""
