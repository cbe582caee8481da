"""A command in the place of nnUNetv2_train, and what it writes down of its calls."""

from __future__ import annotations

from pathlib import Path

# Does as its trainer is named, and writes down how and when it was called
FAKE = """#!{python}
import os, pathlib, signal, sys, time
dataset, configuration, fold, _, trainer, _, plans, *rest = sys.argv[1:]
calls = pathlib.Path(os.environ["nnUNet_results"]) / "calls.txt"
folder = calls.parent / dataset / f"{{trainer}}__{{plans}}__{{configuration}}" / f"fold_{{fold}}"
(folder / "validation").mkdir(parents=True, exist_ok=True)
began = time.time()
print("Epoch 0", flush=True)
if trainer == "Fails":
    print("Traceback: it went wrong")
    sys.exit(3)
if trainer == "Dies" and "--c" not in rest:
    (folder / "checkpoint_latest.pth").touch()
    print("Epoch 1", flush=True)
    os.kill(os.getpid(), signal.SIGKILL)
if trainer in ("Forks", "ForksAndWaits") and "--c" not in rest and os.fork() == 0:
    time.sleep(300)  # as nnU-Net's data loaders do, which do not note the end of the training
    sys.exit()
if trainer == "Forks" and "--c" not in rest:
    (folder / "checkpoint_latest.pth").touch()
    os.kill(os.getpid(), signal.SIGKILL)
if trainer == "ForksAndWaits" and "--c" not in rest:
    (folder / "checkpoint_latest.pth").touch()
    print("Epoch 1", flush=True)
    time.sleep(300)
if trainer == "Sleeps":
    time.sleep(1)
while trainer == "Waits" and not (calls.parent / "go on").exists() and time.time() < began + 300:
    time.sleep(0.02)
(folder / "checkpoint_final.pth").touch()
if trainer != "NoValidation":
    (folder / "validation" / "summary.json").touch()
with calls.open("a") as file:
    print(trainer, fold, *rest, began, time.time(), sep="|", file=file)
"""


class Calls:
    """What the fake command wrote down of its calls that came to an end."""

    def __init__(self, file: Path) -> None:
        self.file = file

    def lines(self) -> list[list[str]]:
        if not self.file.is_file():
            return []
        return [line.split("|") for line in self.file.read_text(encoding="utf-8").splitlines()]

    def arguments(self) -> list[list[str]]:
        """Trainer, fold and further arguments of each."""
        return [line[:-2] for line in self.lines()]

    def times(self) -> list[tuple[float, float]]:
        """Beginning and end of each, in seconds."""
        return [(float(line[-2]), float(line[-1])) for line in self.lines()]
