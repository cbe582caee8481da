"""Orthanc, Debian's package, with its DICOMweb plugin: started on the loopback address, and stopped."""

from __future__ import annotations

import json
import os
import shutil
import socket
import subprocess
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
import requests
from pydicom.dataset import Dataset

USER, PASSWORD = "reader", "not-so-secret"
PLUGIN = Path("/usr/share/orthanc/plugins/libOrthancDicomWeb.so")
WAIT_S = 400  # for a tiny model on a machine with much else to do


@dataclass(frozen=True)
class Orthanc:
    """A running server."""

    http_port: int
    dicom_port: int

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.http_port}"

    @property
    def dicomweb(self) -> str:
        return f"{self.url}/dicom-web"

    def get(self, path: str) -> Any:
        """Of Orthanc's own interface."""
        return requests.get(f"{self.url}{path}", auth=(USER, PASSWORD), timeout=20).json()

    def instances(self) -> dict[str, str]:
        """Modality of everything it holds, by SOPInstanceUID."""
        held = {}
        for instance in self.get("/instances"):
            tags = self.get(f"/instances/{instance}/simplified-tags")
            held[tags["SOPInstanceUID"]] = tags["Modality"]
        return held

    def send(self, images: Sequence[Dataset]) -> None:
        """As a scanner does, by C-STORE."""
        from pynetdicom import AE  # noqa: PLC0415 - slow to import

        scanner = AE("SCANNER")
        scanner.add_requested_context(images[0].SOPClassUID, images[0].file_meta.TransferSyntaxUID)
        association = scanner.associate("127.0.0.1", self.dicom_port, ae_title="ORTHANC")
        assert association.is_established
        for image in images:
            assert association.send_c_store(image).Status == 0
        association.release()


@contextmanager
def orthanc_running(
    folder: Path, *, scripts: Sequence[Path] = (), environment: Mapping[str, str] = {}
) -> Iterator[Orthanc]:
    """The server with its database in `folder`; skips the test where it is not installed."""
    binary = shutil.which("Orthanc", path=f"{os.environ.get('PATH', '')}:/usr/sbin")
    if binary is None or not PLUGIN.is_file():
        pytest.skip("Orthanc is absent (Debian: apt-get install orthanc orthanc-dicomweb)")
    server = Orthanc(_free_port(), _free_port())
    variables = {**os.environ, "ORTHANC": server.dicomweb, **environment}
    command = [binary, str(_configuration(folder, server, scripts))]
    with (folder / "orthanc.log").open("w") as log:
        process = subprocess.Popen(command, stdout=log, stderr=log, env=variables, cwd=folder)
    try:
        wait_for(lambda: _answers(server) or process.poll() is not None)
        assert process.poll() is None, (folder / "orthanc.log").read_text()
        yield server
    finally:
        process.terminate()
        process.wait(timeout=60)


def wait_for(happened: Callable[[], bool]) -> None:
    """Ask until it has happened, for a limited time."""
    end = time.monotonic() + WAIT_S
    while not happened():
        assert time.monotonic() < end, "it did not happen in time"
        time.sleep(0.5)


def _configuration(folder: Path, server: Orthanc, scripts: Sequence[Path]) -> Path:
    file = folder / "orthanc.json"
    content = {
        "StorageDirectory": str(folder / "database"),
        "IndexDirectory": str(folder / "database"),
        "HttpPort": server.http_port,
        "RemoteAccessAllowed": False,  # this machine only
        "AuthenticationEnabled": True,
        "RegisteredUsers": {USER: PASSWORD},
        "DicomPort": server.dicom_port,
        "DicomAet": "ORTHANC",
        "DicomModalities": {"scanner": ["SCANNER", "127.0.0.1", 104]},
        "DicomAlwaysAllowStore": False,
        "DicomCheckModalityHost": True,
        "Plugins": [str(PLUGIN)],
        "LuaScripts": [str(script) for script in scripts],
        "StableAge": 2,
    }
    file.write_text(json.dumps(content))
    return file


def _answers(server: Orthanc) -> bool:
    try:
        return bool(server.get("/system"))
    except requests.RequestException:
        return False


def _free_port() -> int:
    with socket.socket() as found:
        found.bind(("127.0.0.1", 0))
        port: int = found.getsockname()[1]
        return port
