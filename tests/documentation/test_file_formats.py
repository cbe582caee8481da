"""docs/file-formats.md against the files as they are written."""

from __future__ import annotations

import csv
import re
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import SimpleITK as sitk
from typer.testing import CliRunner

from nnunetv2_raemd.cli import app
from nnunetv2_raemd.phantom.configuration import LUNA16, NSCLC_RADIOMICS
from nnunetv2_raemd.phantom.luna16_writer import Luna16Layout
from nnunetv2_raemd.phantom.nsclc_writer import NsclcRadiomicsLayout
from nnunetv2_raemd.phantom.phantom_archive import write_archive

PAGE = Path(__file__).resolve().parents[2] / "docs" / "file-formats.md"


def documented(file: str) -> set[str]:
    """The columns that the page's section on a file explains."""
    section = PAGE.read_text(encoding="utf-8").partition(f"## {file}\n")[2].partition("\n## ")[0]
    first_cells = re.findall(r"^\| (`.*?`) \|", section, re.MULTILINE)
    return {name for cell in first_cells for name in re.findall(r"`(\w+)`", cell)}


def columns(file: Path) -> set[str]:
    with file.open(newline="", encoding="utf-8") as stream:
        return set(next(csv.reader(stream)))


def test_columns_of_the_conversion_report(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("nnUNet_raw", str(tmp_path))
    small: dict[str, Any] = {"shape": (24, 64, 64), "spacing_mm": (5.0, 3.4, 3.4)}
    written = set()
    for number, layout, settings in (
        (501, Luna16Layout(), LUNA16),
        (502, NsclcRadiomicsLayout(), NSCLC_RADIOMICS),
    ):
        archive = tmp_path / layout.name
        write_archive(archive, layout, replace(settings, **small), 1)
        arguments = ["convert", layout.name, "-i", str(archive), "-d", str(number), "--workers", "1"]
        done = CliRunner().invoke(app, arguments)
        assert done.exit_code == 0, done.output
        (folder,) = tmp_path.glob(f"Dataset{number}_*")
        written |= columns(folder / "conversion_report.csv")
    assert written == documented("conversion_report.csv")


def test_columns_of_an_evaluation(tmp_path: Path) -> None:
    """The FROC and the comparisons have their columns too where there is nothing to write."""
    mask = np.zeros((4, 8, 8), np.uint8)
    mask[1:3, 2:5, 2:5] = 1
    for folder in ("a", "b"):
        (tmp_path / folder).mkdir()
        sitk.WriteImage(sitk.GetImageFromArray(mask), str(tmp_path / folder / "case.nii.gz"))
    arguments = ["evaluate", "--pred", str(tmp_path / "a"), "--ref", str(tmp_path / "b"), "-l", "1"]
    done = CliRunner().invoke(app, [*arguments, "-o", str(tmp_path / "results"), "-np", "1"])
    assert done.exit_code == 0, done.output
    for file in ("cases.csv", "lesions.csv", "summary.csv", "comparisons.csv", "froc.csv"):
        assert columns(tmp_path / "results" / file) == documented(file), file
