"""Where the demonstration keeps its files, and the environment its commands run in."""

from __future__ import annotations

import os
from dataclasses import dataclass
from pathlib import Path

DATASET_ID = 501
NEW_SCANS_ID = 502
DATASET = f"Dataset{DATASET_ID}_Phantom"
NEW_SCANS = f"Dataset{NEW_SCANS_ID}_PhantomNewScans"
PLANS = "nnUNetDemoPlans"


@dataclass(frozen=True)
class System:
    """One of the networks compared: its name in the table, its trainer and its colour in the picture."""

    name: str
    trainer: str
    colour: str


# the colours of the paper's figure 5
RAEMD = System("RAEMD-Net", "nnUNetTrainerRAEMD_quick", "red")
# nnU-Net's 2D network under the same recipe: its own, SGD, is still learning after so few iterations
UNET = System("U-Net 2D", "nnUNetTrainerUNet_quick", "yellow")
SYSTEMS = (RAEMD, UNET)


@dataclass(frozen=True)
class Workspace:
    """The folders below the demonstration's output folder."""

    root: Path

    @property
    def archive(self) -> Path:
        """Phantom scans to train on, laid out as LUNA16."""
        return self.root / "LUNA16"

    @property
    def new_archive(self) -> Path:
        """Phantom scans that no training sees."""
        return self.root / "LUNA16_new_scans"

    @property
    def preprocessed(self) -> Path:
        """nnU-Net's preprocessed folder of the dataset."""
        return self.root / "nnUNet_preprocessed" / DATASET

    @property
    def new_scans(self) -> Path:
        """Images to predict."""
        return self.root / "nnUNet_raw" / NEW_SCANS / "imagesTr"

    @property
    def exact_masks(self) -> Path:
        """The phantom's own masks of the images to predict."""
        return self.new_archive / "oracle"

    @property
    def picture(self) -> Path:
        """What is left to look at."""
        return self.root / "demo.png"

    def predictions(self, system: System) -> Path:
        """Masks predicted for the new scans."""
        return self.root / "predictions" / system.trainer

    def environment(self) -> dict[str, str]:
        """This process's environment with nnU-Net's folders inside the workspace and a laptop's workers."""
        folders = ("nnUNet_raw", "nnUNet_preprocessed", "nnUNet_results")
        workers = {"nnUNet_n_proc_DA": "2", "nnUNet_def_n_proc": "2"}
        environment = {**workers, "PYTHONUNBUFFERED": "1", **os.environ}
        environment.update({name: str(self.root / name) for name in folders})
        return environment
