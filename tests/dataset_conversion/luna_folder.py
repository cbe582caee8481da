"""A LUNA16 archive of small scans."""

from __future__ import annotations

import csv
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np
import SimpleITK as sitk

Row = tuple[str, float, float, float, float]


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
