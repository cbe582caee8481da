"""Fetching and storing, through what networks and services do."""

from __future__ import annotations

import logging
import shutil
import subprocess
from dataclasses import replace
from pathlib import Path

import pydicom
import pytest
from dicom_patient import DicomPatient, save
from fake_service import FakeService, serving

from nnunetv2_raemd.dicom.ct_series import order_series, read_hu
from nnunetv2_raemd.dicom.dicom_index import index_folder
from nnunetv2_raemd.dicomweb import fetch as fetching
from nnunetv2_raemd.dicomweb import service as room
from nnunetv2_raemd.dicomweb.address import StudyAddress, is_protected, service_address, study_address
from nnunetv2_raemd.dicomweb.fetch import fetch_ct, series_is_there
from nnunetv2_raemd.dicomweb.store import store
from nnunetv2_raemd.errors import UserError


@pytest.fixture
def target(tmp_path: Path) -> Path:
    folder = tmp_path / "target"
    folder.mkdir()
    return folder


def study(service: FakeService, patient: DicomPatient) -> StudyAddress:
    return StudyAddress(service.url, patient.uids["study"])


def objects(folder: Path, patient: DicomPatient, n: int = 2) -> list[Path]:
    files = []
    for number in range(n):
        changes = {"SOPInstanceUID": f"1.2.9.{number}", "SeriesInstanceUID": "1.2.9", "Modality": "SEG"}
        files.append(folder / f"{number}.dcm")
        save(patient.ct_slice(number, **changes), files[-1])
    return files


def test_the_ct_of_a_study_arrives(service: FakeService, patient: DicomPatient, target: Path) -> None:
    fetch_ct(study(service, patient), target)
    (images,) = index_folder(target).ct.values()
    assert (read_hu(order_series(images)) == patient.stored.astype(int) - 1024).all()


def test_a_series_alone(service: FakeService, patient: DicomPatient, target: Path) -> None:
    other = [patient.ct_slice(i, SeriesInstanceUID="1.2.5", SOPInstanceUID=f"1.2.5.{i}") for i in range(2)]
    service.images += other
    fetch_ct(replace(study(service, patient), series_uid="1.2.5"), target)
    assert len(list(target.iterdir())) == 2


@pytest.mark.parametrize(
    "fault", [{"overloaded": 3}, {"cut_off": 3}, {"shortened": 3}, {"repeats": True, "announces": True}]
)
def test_faults_that_pass_are_waited_for(
    service: FakeService, patient: DicomPatient, target: Path, fault: dict[str, int]
) -> None:
    for name, value in fault.items():
        setattr(service, name, value)
    if service.repeats:
        service.images = service.images[:3]
    fetch_ct(study(service, patient), target)
    assert len(list(target.iterdir())) == min(8, len(service.images))
    (images,) = index_folder(target).ct.values()
    assert len(read_hu(order_series(images))) == len(images)


@pytest.mark.parametrize(
    ("fault", "told"),
    [
        ("overloaded", "overloaded"),
        ("cut_off", "in 4 attempts"),
        ("shortened", r"cut off or damaged 4 times \(it holds 354 of 384 bytes.* Try again later"),
        ("pages", "for a browser perhaps: check the address.* RAEMD_DICOMWEB_TOKEN"),
    ],
)
def test_faults_that_stay_are_told_after_four_attempts(
    service: FakeService, patient: DicomPatient, target: Path, fault: str, told: str
) -> None:
    setattr(service, fault, 1000)
    with pytest.raises(UserError, match=told):
        fetch_ct(study(service, patient), target)
    assert service.asked["GET"] <= 5 + 4  # five to list series and images


@pytest.mark.parametrize("series", ["", "the series"])
def test_a_part_of_a_series_is_not_a_scan(
    service: FakeService, patient: DicomPatient, target: Path, series: str
) -> None:
    """Three images at a time, and always the same, of eight."""
    service.repeats = service.announces = True
    uid = patient.uids["ct"] if series else ""
    with pytest.raises(UserError, match=r"lists 3 images of series [0-9.]+, which has 8"):
        fetch_ct(replace(study(service, patient), series_uid=uid), target)
    assert list(target.iterdir()) == []


@pytest.mark.parametrize("says", [None, "unknown", 7.5, ""])
def test_a_count_that_is_no_number_is_none(
    service: FakeService, patient: DicomPatient, target: Path, says: object
) -> None:
    service.announces, service.says = True, (says,)
    fetch_ct(study(service, patient), target)
    assert len(list(target.iterdir())) == 8


def test_a_series_of_which_no_image_is_listed_is_not_passed_over(
    service: FakeService, patient: DicomPatient, target: Path
) -> None:
    service.announces, service.hides = True, "1.2.5"
    service.images += [patient.ct_slice(0, SeriesInstanceUID="1.2.5", SOPInstanceUID="1.2.5.0")]
    with pytest.raises(UserError, match=r"lists 0 images of series 1\.2\.5, which has 1"):
        fetch_ct(study(service, patient), target)


def test_an_image_without_what_tells_its_length_is_named(
    service: FakeService, patient: DicomPatient, target: Path
) -> None:
    for image in service.images:
        image["PixelData"].VR = "OW"  # which pydicom finds by the number of bits
        del image.BitsAllocated
    with pytest.raises(UserError, match=r"damaged 4 times \(it lacks BitsAllocated\).* of series [0-9.]+ is"):
        fetch_ct(study(service, patient), target)


def test_a_service_that_is_not_there_is_told(service: FakeService, target: Path) -> None:
    with pytest.raises(UserError, match=r"http://127\.0\.0\.1:9/dicom-web could not list the series"):
        fetch_ct(StudyAddress("http://127.0.0.1:9/dicom-web", "1.2"), target)


def test_a_service_that_lists_without_end_is_left(
    service: FakeService, patient: DicomPatient, target: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(fetching, "MOST_IMAGES", 5)
    with pytest.raises(UserError, match="more than 5 images"):
        fetch_ct(study(service, patient), target)


def test_a_study_without_ct_is_told(service: FakeService, patient: DicomPatient, target: Path) -> None:
    service.images = service.images[-1:]
    with pytest.raises(UserError, match=f"no CT image of study {patient.uids['study']}"):
        fetch_ct(study(service, patient), target)


def test_objects_arrive_and_are_found(service: FakeService, patient: DicomPatient, tmp_path: Path) -> None:
    files = objects(tmp_path / "out", patient)
    assert not series_is_there(service.url, patient.uids["study"], "1.2.9")
    store(files, service.url)
    assert [d.SOPInstanceUID for d in service.stored] == ["1.2.9.0", "1.2.9.1"]
    assert all(sent == pydicom.dcmread(file) for sent, file in zip(service.stored, files, strict=True))
    assert series_is_there(service.url, patient.uids["study"], "1.2.9")
    assert service.asked["POST"] == 1


def test_storing_is_tried_again_whole(service: FakeService, patient: DicomPatient, tmp_path: Path) -> None:
    service.overloaded = 2
    store(objects(tmp_path / "out", patient), service.url)
    assert len(service.stored) == 2 and service.asked["POST"] == 3


def test_what_a_service_does_not_take_is_named(
    service: FakeService, patient: DicomPatient, tmp_path: Path
) -> None:
    files = objects(tmp_path / "out", patient)
    service.refuses = (str(pydicom.dcmread(files[0]).SOPClassUID),)
    with pytest.raises(UserError, match=r"did not take 0\.dcm, 1\.dcm \(kind not supported\)"):
        store(files, service.url)


def test_credentials_come_from_the_environment_or_netrc_and_go_nowhere_else(
    service: FakeService,
    patient: DicomPatient,
    target: Path,
    monkeypatch: pytest.MonkeyPatch,
    caplog: pytest.LogCaptureFixture,
) -> None:
    caplog.set_level(logging.DEBUG)
    service.authorization = "Basic cmVhZGVyOnMzY3JldA=="  # reader:s3cret
    with pytest.raises(UserError, match=r"401 \(credentials are missing or wrong\)"):
        fetch_ct(study(service, patient), target)
    monkeypatch.setenv("RAEMD_DICOMWEB_USER", "reader")
    monkeypatch.setenv("RAEMD_DICOMWEB_PASSWORD", "s3cret")
    fetch_ct(study(service, patient), target)
    monkeypatch.delenv("RAEMD_DICOMWEB_USER")
    (target.parent / "netrc").write_text("machine 127.0.0.1 login reader password s3cret\n")
    (target.parent / "netrc").chmod(0o600)
    fetch_ct(study(service, patient), target)
    service.authorization = "Bearer t0ken"
    monkeypatch.setenv("RAEMD_DICOMWEB_TOKEN", "t0ken")
    fetch_ct(study(service, patient), target)
    for secret in ("s3cret", "cmVhZGVyOnMzY3JldA", "t0ken"):
        assert secret not in caplog.text


def test_credentials_are_not_sent_without_protection(monkeypatch: pytest.MonkeyPatch, target: Path) -> None:
    monkeypatch.setenv("RAEMD_DICOMWEB_TOKEN", "t0ken")
    with pytest.raises(UserError, match="not protected by TLS"):
        fetch_ct(StudyAddress("http://pacs.example.org/dicom-web", "1.2"), target)


@pytest.fixture
def certificate(tmp_path: Path) -> Path:
    """A certificate that no authority knows, with its key."""
    openssl = shutil.which("openssl")
    if openssl is None:
        pytest.skip("openssl is absent")
    file = tmp_path / "certificate.pem"
    names = ["-subj", "/CN=localhost", "-addext", "subjectAltName=IP:127.0.0.1"]
    files = ["-keyout", str(file), "-out", str(tmp_path / "public.pem")]
    command = [openssl, "req", "-x509", "-newkey", "rsa:2048", "-nodes", "-days", "2", *names, *files]
    subprocess.run(command, check=True, capture_output=True)
    file.write_bytes(file.read_bytes() + (tmp_path / "public.pem").read_bytes())
    return file


def test_a_certificate_must_be_one_that_is_trusted(
    patient: DicomPatient, target: Path, certificate: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(room, "FIRST_WAIT_MS", 10)
    with serving(FakeService([patient.ct_slice(0), patient.ct_slice(1)]), certificate) as service:
        with pytest.raises(UserError, match=r"certificate of .* cannot be verified.*REQUESTS_CA_BUNDLE"):
            fetch_ct(study(service, patient), target)
        assert service.asked["GET"] == 0
        monkeypatch.setenv("REQUESTS_CA_BUNDLE", str(certificate.with_name("public.pem")))
        fetch_ct(study(service, patient), target)
    assert len(list(target.iterdir())) == 2


def test_addresses() -> None:
    address = study_address("https://pacs.example.org:8443/dicom-web/studies/1.2.3/series/4.5/")
    assert address == StudyAddress("https://pacs.example.org:8443/dicom-web", "1.2.3", "4.5")
    assert study_address("https://h/a/studies/1.2").series_uid == ""
    assert service_address("https://h/dicom-web/") == "https://h/dicom-web"
    assert is_protected("https://h") and is_protected("http://127.0.0.1:1") and is_protected("http://[::1]/")
    assert not is_protected("http://10.0.0.1/")


@pytest.mark.parametrize(
    "url",
    [
        "https://h/dicom-web",
        "https://h/dicom-web/studies/abc",
        "https:///studies/1.2",
        "https://h:x/studies/1",
    ],
)
def test_addresses_that_are_none(url: str) -> None:
    with pytest.raises(UserError):
        study_address(url)


@pytest.mark.parametrize("url", ["https://me:s3cret@h/studies/1.2", "https://me@h/studies/1.2"])
def test_a_password_in_an_address_is_refused_and_not_repeated(url: str) -> None:
    with pytest.raises(UserError, match="RAEMD_DICOMWEB_USER") as told:
        study_address(url)
    assert "s3cret" not in str(told.value)
