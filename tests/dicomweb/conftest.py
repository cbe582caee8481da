"""A fake service that holds one study."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest
from dicom_patient import DicomPatient
from fake_service import FakeService, serving

from nnunetv2_raemd.dicomweb import service as room


@pytest.fixture
def patient(tmp_path: Path) -> DicomPatient:
    return DicomPatient(tmp_path / "patient")


@pytest.fixture
def service(patient: DicomPatient, monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Iterator[FakeService]:
    """It holds the patient's CT of 8 images, and a PET. No credentials are set, and waits are short."""
    for name in ("TOKEN", "USER", "PASSWORD"):
        monkeypatch.delenv(f"RAEMD_DICOMWEB_{name}", raising=False)
    monkeypatch.setenv("NETRC", str(tmp_path / "netrc"))
    monkeypatch.setattr(room, "FIRST_WAIT_MS", 10)
    ct = [patient.ct_slice(index) for index in range(8)]
    pet = patient.ct_slice(0, SeriesInstanceUID="1.2.3.4", SOPInstanceUID="1.2.3.4.1", Modality="PT")
    with serving(FakeService([*ct, pet])) as running:
        yield running
