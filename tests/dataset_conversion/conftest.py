"""Small archives made by hand, for the converters to read."""

from __future__ import annotations

import csv
import multiprocessing.pool
from dataclasses import dataclass, field
from pathlib import Path
from types import SimpleNamespace

import numpy as np
import pytest
import SimpleITK as sitk

Row = tuple[str, float, float, float, float]


@pytest.fixture
def nnunet_folders(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """nnU-Net's three folders, empty; returns nnUNet_raw."""
    for name in ("nnUNet_raw", "nnUNet_preprocessed", "nnUNet_results"):
        (tmp_path / name).mkdir()
        monkeypatch.setenv(name, str(tmp_path / name))
    return tmp_path / "nnUNet_raw"


@pytest.fixture
def nnunet_in_threads(monkeypatch: pytest.MonkeyPatch) -> None:
    """Lets nnU-Net check and plan in threads, for its worker processes take seconds to start."""
    threads = SimpleNamespace(Pool=multiprocessing.pool.ThreadPool)
    monkeypatch.setattr(multiprocessing, "get_context", lambda *_: threads)


@dataclass
class LunaFolder:
    """A LUNA16 folder in the making: scans, then `write_annotations`."""

    path: Path
    rows: list[Row] = field(default_factory=list)

    def add_scan(
        self, uid: str, *, turned: bool = False, nodule: tuple[float, float, float] | None = None
    ) -> sitk.Image:
        """Write noise of 24 x 20 x 16 (x, y, z) voxels; `nodule` is the index of a 6 mm nodule."""
        seed = sum(map(ord, uid))
        hu = np.random.default_rng(seed).normal(-800, 60, (16, 20, 24)).astype(np.int16)
        image = sitk.GetImageFromArray(hu)
        image.SetSpacing((0.75, 0.5, 1.25))
        image.SetOrigin((-50.5, 20.25, -300.0))
        if turned:
            image.SetDirection((-1, 0, 0, 0, -1, 0, 0, 0, 1))
        folder = self.path / f"subset{seed % 10}"
        folder.mkdir(parents=True, exist_ok=True)
        sitk.WriteImage(image, str(folder / f"{uid}.mhd"))
        if nodule is not None:
            self.rows.append((uid, *image.TransformContinuousIndexToPhysicalPoint(nodule), 6.0))
        return image

    def voxels(self, uid: str) -> Path:
        return next(self.path.rglob(f"{uid}.raw"))

    def write_annotations(self) -> Path:
        file = self.path / "annotations.csv"
        with file.open("w", newline="") as stream:
            writer = csv.writer(stream)
            writer.writerow(["seriesuid", "coordX", "coordY", "coordZ", "diameter_mm"])
            writer.writerows(self.rows)
        return file


@pytest.fixture
def luna(tmp_path: Path) -> LunaFolder:
    """An empty LUNA16 folder."""
    return LunaFolder(tmp_path / "luna")


@pytest.fixture
def luna_of_five(luna: LunaFolder) -> LunaFolder:
    """Scans 1.0 to 1.4, each with a nodule but 1.4; 1.1 is stored turned."""
    for number in range(5):
        nodule = None if number == 4 else (10.25, 9.5, 7.75)
        luna.add_scan(f"1.{number}", turned=number == 1, nodule=nodule)
    luna.write_annotations()
    return luna
