"""Small archives made by hand, for the converters to read."""

from __future__ import annotations

from pathlib import Path

import pytest
from luna_folder import LunaFolder


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
    from hastened_nnunet import hasten  # noqa: PLC0415 - imports nnU-Net, which most tests do without

    hasten(monkeypatch)


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
