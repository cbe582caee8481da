"""Voxels that cannot be HU."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import SimpleITK as sitk

from nnunetv2_raemd.volumes.hu_values import unlike_hu

LUNG = np.random.default_rng(0).normal(-800, 60, (8, 20, 20)).astype(np.int16)


def test_hu_with_padding_and_metal_are_hu() -> None:
    scan = LUNG.copy()
    scan[:, :2], scan[:, 10, 10] = -3024, 30000
    assert unlike_hu(scan) is None


def thorax() -> np.ndarray:
    """Lungs and fat in soft tissue, ribs, air around them, and padding outside of the field of view."""
    rng = np.random.default_rng(1)
    scan = rng.normal(-1000, 20, (8, 40, 40))
    scan[:, 8:32, 6:34] = rng.normal(-100, 15, (8, 24, 28))
    scan[:, 10:30, 8:32] = rng.normal(40, 15, (8, 20, 24))
    scan[:, 12:28, 10:18] = scan[:, 12:28, 22:30] = rng.normal(-850, 40, (8, 16, 8))
    scan[:, 9, 10:30] = 900
    return scan.round().astype(np.int16)


@pytest.mark.parametrize("padding", [None, -2000, -3024, -8192])
def test_hu_that_were_shifted_are_recognized_and_named(padding: int | None) -> None:
    """Outside of the circular field of view GE's scanners store -2000, and those that count photons -8192."""
    scan = thorax()
    outside = np.hypot(*np.mgrid[-19.5:20, -19.5:20]) > 20

    def padded(voxels: np.ndarray) -> np.ndarray:
        return voxels if padding is None else np.where(outside, np.int16(padding), voxels)

    assert unlike_hu(padded(scan)) is None
    for shift in (1024, 1000):
        plus, less = unlike_hu(padded(scan + shift)), unlike_hu(padded(scan - shift))
        assert plus is not None and plus.endswith(
            "HU plus 1024 or 1000 (a scanner's rescale intercept): subtract it"
        )
        assert less is not None and less.endswith(
            "HU less 1024 or 1000 (a scanner's rescale intercept): add it"
        )


@pytest.mark.parametrize(
    "voxels",
    [LUNG + 1024, LUNG.byteswap(), LUNG.view(np.uint16), LUNG / 1000],
    ids=["plus 1024", "bytes the other way round", "unsigned", "scaled"],
)
def test_other_values_are_not(voxels: np.ndarray) -> None:
    told = unlike_hu(voxels)
    assert told is not None and f"(from {voxels.min():g} to {voxels.max():g})" in told
    assert "seem to be" not in told or np.array_equal(voxels, LUNG + 1024)


def test_no_real_scan_gives_a_false_alarm_and_every_shift_is_found(real_data: Path) -> None:
    """A whole thorax of two kernels, a slab with padding of -2000, and 100 cubes around nodules."""
    scans = list(np.load(real_data / "lidc-cubes" / "cubes.npz")["image_hu"])
    for folder in ("lung-pet-ct-dx", "lidc/dicom"):
        for series in {file.parent for file in (real_data / folder).rglob("*.dcm")}:
            files = sorted(series.glob("*.dcm"))[::4]
            scans.append(np.stack([sitk.GetArrayFromImage(sitk.ReadImage(str(file)))[0] for file in files]))
    assert len(scans) == 103
    assert [unlike_hu(scan) for scan in scans] == [None] * len(scans)
    assert all("subtract it" in (unlike_hu(scan.astype(np.int32) + 1024) or "") for scan in scans)
    assert all("add it" in (unlike_hu(scan.astype(np.int32) - 1024) or "") for scan in scans)
