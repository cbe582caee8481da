"""A DICOMweb service on the loopback address that knows what the tests ask, and can misbehave."""

from __future__ import annotations

import io
import json
import re
import ssl
import threading
from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

import pydicom
from pydicom.dataset import Dataset

BOUNDARY = "part-of-the-answer"


@dataclass
class FakeService:
    """What it holds, what it was asked, and how it misbehaves.

    Attributes:
        overloaded: how many requests are first answered with 503.
        cut_off: how many images are first cut off in the middle.
        authorization: the header that it wants; None for none.
        refuses: SOP classes that it does not take.
        repeats: whether it ignores the offset of a query.
        announces: whether it says how many images a series has.
        says: what it says instead of that number; empty for the number.
        hides: a series of which it lists no image.
        shortened: how many images are first sent in part, and with the length of that part.
        pages: whether it answers with a page for a browser.
    """

    images: list[Dataset] = field(default_factory=list)
    stored: list[Dataset] = field(default_factory=list)
    overloaded: int = 0
    cut_off: int = 0
    authorization: str | None = None
    refuses: tuple[str, ...] = ()
    repeats: bool = False
    announces: bool = False
    says: tuple[object, ...] = ()
    hides: str = ""
    shortened: int = 0
    pages: bool = False
    asked: Counter[str] = field(default_factory=Counter)
    url: str = ""

    def matching(self, study: str, series: str = "") -> list[Dataset]:
        """The images of a study or series."""
        held = [*self.images, *self.stored]
        return [i for i in held if study == i.StudyInstanceUID and series in ("", i.SeriesInstanceUID)]


class _Handler(BaseHTTPRequestHandler):
    service: FakeService
    protocol_version = "HTTP/1.1"

    def log_message(self, *_: Any) -> None:
        """Nothing: the test's output is looked at."""

    def do_GET(self) -> None:
        if self.is_refused("GET"):
            return
        path, _, query = self.path.partition("?")
        study, series, image = (
            re.search(rf"/{kind}/([0-9.]+)", path) for kind in ("studies", "series", "instances")
        )
        found = self.service.matching(study[1] if study else "", series[1] if series else "")
        if image:
            self.send_image(next(i for i in found if i.SOPInstanceUID == image[1]))
        elif path.endswith("/instances"):
            found = [] if series and series[1] == self.service.hides else found
            offset = 0 if self.service.repeats else int((re.search(r"offset=(\d+)", query) or [0, 0])[1])
            self.send_json([_described(i) for i in found[offset : offset + 3]])
        else:
            wanted = re.search(r"SeriesInstanceUID=([0-9.]+)", query)
            listed = {i.SeriesInstanceUID: i for i in found}
            counts = Counter(i.SeriesInstanceUID for i in found) if self.service.announces else {}
            described = [
                _described(i, counts.get(u)) for u, i in listed.items() if not wanted or u == wanted[1]
            ]
            for one in described if self.service.says else ():
                one["00201209"]["Value"] = list(self.service.says)
            self.send_json(described)

    def do_POST(self) -> None:
        length = self.headers.get("Content-Length")
        content = self.rfile.read(int(length)) if length else b""
        if self.is_refused("POST"):
            return
        parts = content.split(b"\r\n--")
        sent = [p.split(b"\r\n\r\n", 1)[1] for p in parts if b"\r\n\r\n" in p]
        datasets = [pydicom.dcmread(io.BytesIO(part)) for part in sent]
        taken = [d for d in datasets if d.SOPClassUID not in self.service.refuses]
        self.service.stored += taken
        answer = Dataset()
        answer.ReferencedSOPSequence = [_reference(d) for d in taken]
        answer.FailedSOPSequence = [_reference(d, 0x0122) for d in datasets if d not in taken]
        self.send_json(answer.to_json_dict(), status=200 if len(taken) == len(datasets) else 202)

    def is_refused(self, method: str) -> bool:
        self.service.asked[method] += 1
        status = None
        if self.service.authorization and self.headers.get("Authorization") != self.service.authorization:
            status = 401
        elif self.service.overloaded:
            self.service.overloaded -= 1
            status = 503
        if status:
            self.send_response(status)
            self.send_header("Content-Length", "0")
            self.end_headers()
        return status is not None

    def send_json(self, content: Any, status: int = 200) -> None:
        self.send_bytes(json.dumps(content).encode(), "application/dicom+json", status)

    def send_image(self, dataset: Dataset) -> None:
        stream = io.BytesIO()
        pydicom.dcmwrite(stream, dataset, enforce_file_format=True)
        if self.service.shortened:
            self.service.shortened -= 1
            stream.truncate(len(stream.getvalue()) - 30)
        head = f"--{BOUNDARY}\r\nContent-Type: application/dicom\r\n\r\n".encode()
        content = head + stream.getvalue() + f"\r\n--{BOUNDARY}--\r\n".encode()
        self.send_bytes(content, f'multipart/related; type="application/dicom"; boundary={BOUNDARY}')

    def send_bytes(self, content: bytes, kind: str, status: int = 200) -> None:
        if self.service.pages:
            content, kind = b"<html><body>Log in</body></html>", "text/html"
        self.send_response(status)
        self.send_header("Content-Type", kind)
        self.send_header("Content-Length", str(len(content)))
        self.end_headers()
        if self.service.cut_off and kind.startswith("multipart"):
            self.service.cut_off -= 1
            self.wfile.write(content[: len(content) // 2])
            self.close_connection = True
        else:
            self.wfile.write(content)


@contextmanager
def serving(service: FakeService, certificate: Path | None = None) -> Iterator[FakeService]:
    """The service, at `service.url` for as long as the block lasts."""

    server = ThreadingHTTPServer(("127.0.0.1", 0), type("Handler", (_Handler,), {"service": service}))
    if certificate is not None:
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        context.load_cert_chain(certificate)
        server.socket = context.wrap_socket(server.socket, server_side=True)
    service.url = f"http{'s' if certificate else ''}://127.0.0.1:{server.server_address[1]}/dicom-web"
    thread = threading.Thread(target=server.serve_forever, daemon=True)
    thread.start()
    try:
        yield service
    finally:
        server.shutdown()
        server.server_close()


def _described(image: Dataset, n_images: int | None = None) -> dict[str, Any]:
    wanted = Dataset()
    if n_images is not None:
        wanted.NumberOfSeriesRelatedInstances = n_images
    for keyword in ("StudyInstanceUID", "SeriesInstanceUID", "SOPInstanceUID", "SOPClassUID", "Modality"):
        setattr(wanted, keyword, image[keyword].value)
    described: dict[str, Any] = wanted.to_json_dict()
    return described


def _reference(dataset: Dataset, failure: int | None = None) -> Dataset:
    reference = Dataset()
    reference.ReferencedSOPClassUID = dataset.SOPClassUID
    reference.ReferencedSOPInstanceUID = dataset.SOPInstanceUID
    if failure is not None:
        reference.FailureReason = failure
    return reference
