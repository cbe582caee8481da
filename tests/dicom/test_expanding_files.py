"""Small DICOM files that would take any amount of memory: refused before it is taken."""

from __future__ import annotations

import tracemalloc
import zlib
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pydicom
import pytest
from dicom_patient import save
from pydicom.uid import DeflatedExplicitVRLittleEndian, RLELossless

from nnunetv2_raemd import memory_size
from nnunetv2_raemd.dicom import dicom_files
from nnunetv2_raemd.dicom.ct_series import order_series, read_hu
from nnunetv2_raemd.dicom.dicom_files import read_dataset
from nnunetv2_raemd.dicom.dicom_headers import read_header
from nnunetv2_raemd.dicom.dicom_index import index_folder
from nnunetv2_raemd.dicom.index_entries import CtInstance, Unreadable
from nnunetv2_raemd.dicom.pixels import read_slices
from nnunetv2_raemd.dicom_objects.source_series import source_of_files
from nnunetv2_raemd.errors import UserError

MIB = 2**20


def deflated(patient: Any, file: Path, *, more: int = 0) -> Path:
    """A CT image compressed as a whole, with so many zeros more after its last element."""
    image = patient.ct_slice(0)
    image.file_meta.TransferSyntaxUID = DeflatedExplicitVRLittleEndian
    image.save_as(file, enforce_file_format=True)
    if more:
        packed = file.read_bytes()
        start = packed.index(DeflatedExplicitVRLittleEndian.encode()) + len(DeflatedExplicitVRLittleEndian)
        start += packed[start:].index(b"\x02\0\x12\0")  # the last element that is not compressed
        start += 8 + int.from_bytes(packed[start + 6 : start + 8], "little")
        version = packed[start:]
        if version[:4] == b"\x02\0\x13\0":
            start += 8 + int.from_bytes(version[6:8], "little")
        plain = zlib.decompress(packed[start:], -zlib.MAX_WBITS)
        pad = b"\xfc\xff\xfc\xffOB\0\0" + more.to_bytes(4, "little") + bytes(more)
        deflate = zlib.compressobj(9, zlib.DEFLATED, -zlib.MAX_WBITS)
        file.write_bytes(packed[:start] + deflate.compress(plain + pad) + deflate.flush())
    return file


@pytest.fixture
def few_bytes(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """Files may inflate to 1 MiB, and reading may take twice that many."""
    monkeypatch.setattr(dicom_files, "_MOST_INFLATED", MIB)
    tracemalloc.start()
    yield
    assert tracemalloc.get_traced_memory()[1] < 8 * MIB
    tracemalloc.stop()


def test_a_deflated_file_within_the_bound_is_read(make_patient: Any, tmp_path: Path, few_bytes: None) -> None:
    file = deflated(make_patient(), tmp_path / "a.dcm", more=MIB // 2)
    assert isinstance(read_header(file), CtInstance)
    assert (0xFFFC, 0xFFFC) in read_dataset(file)


@pytest.mark.parametrize("preamble", [True, False])
def test_a_deflated_file_beyond_it_is_refused_by_every_reader(
    make_patient: Any, tmp_path: Path, few_bytes: None, preamble: bool
) -> None:
    file = deflated(make_patient(), tmp_path / "a.dcm")
    tracemalloc.clear_traces()
    bomb = deflated(make_patient(), file, more=64 * MIB)
    if not preamble:
        bomb.write_bytes(bomb.read_bytes()[132:])
    assert bomb.stat().st_size < MIB / 8
    tracemalloc.reset_peak()
    entry = read_header(bomb)
    assert isinstance(entry, Unreadable) and "more than 1 MiB inflated" in entry.reason
    with pytest.raises(UserError, match=r"a\.dcm: it would take more than 1 MiB inflated"):
        read_dataset(bomb)
    with pytest.raises(UserError, match=r"a\.dcm: it would take more than 1 MiB inflated"):
        source_of_files([bomb], stack=None)  # type: ignore[arg-type]


def test_a_deflated_file_that_is_cut_off_is_refused(make_patient: Any, tmp_path: Path) -> None:
    file = deflated(make_patient(), tmp_path / "a.dcm")
    file.write_bytes(file.read_bytes()[:-20])
    entry = read_header(file)
    assert isinstance(entry, Unreadable) and "cut off" in entry.reason


def test_a_compressed_image_of_more_pixels_than_scans_have(make_patient: Any, tmp_path: Path) -> None:
    """16,000 x 16,000 pixels from some hundred bytes."""
    file = tmp_path / "a.dcm"
    save(make_patient().ct_slice(0), file)
    dataset = pydicom.dcmread(file)
    dataset.compress(RLELossless, generate_instance_uid=False)
    dataset.Rows = dataset.Columns = 16_000
    dataset.save_as(file)
    image = read_header(file)
    assert isinstance(image, CtInstance)
    with pytest.raises(UserError, match=r"a\.dcm: its images have 16000 x 16000 pixels, more than scans do"):
        next(read_slices([image]))


def test_a_series_larger_than_the_memory(make_patient: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    patient = make_patient()
    patient.write_ct()
    series = order_series(index_folder(patient.folder / "ct").ct[patient.uids["ct"]])
    monkeypatch.setattr(memory_size, "memory_bytes", lambda: 8 * 12 * 16 * 2)
    assert read_hu(series).shape == (8, 12, 16)
    monkeypatch.setattr(memory_size, "memory_bytes", lambda: 8 * 12 * 16 * 2 - 1)
    with pytest.raises(UserError, match="damaged or too large"):
        read_hu(series)
