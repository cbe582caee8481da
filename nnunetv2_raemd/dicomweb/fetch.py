"""CT series from an archive into a folder."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, NamedTuple

from dicomweb_client import DICOMwebClient
from pydicom import dcmwrite
from pydicom.dataset import Dataset

from nnunetv2_raemd.dicom.dicom_files import describe, discreet_reading
from nnunetv2_raemd.dicom.dicom_headers import read_header
from nnunetv2_raemd.dicom.index_entries import CtInstance, Unreadable
from nnunetv2_raemd.dicom.pixels import check_pixels_are_there
from nnunetv2_raemd.dicomweb.address import StudyAddress
from nnunetv2_raemd.dicomweb.service import ATTEMPTS, connect, reaching
from nnunetv2_raemd.errors import UserError
from nnunetv2_raemd.execution.progress import progress


class Announced(NamedTuple):
    """What a service says of a series; `n_images` is 0 where it does not say."""

    is_ct: bool
    n_images: int


class ImagePlace(NamedTuple):
    """Where an image is in a service."""

    study_uid: str
    series_uid: str
    uid: str


MOST_IMAGES = 20_000  # of a study; beyond, a service that repeats itself
_PER_ANSWER = 1000


def fetch_ct(address: StudyAddress, folder: Path, wanted: tuple[str, ...] = ()) -> None:
    """Write the images of the CT series of a study to `folder`, a file each.

    Args:
        address: the study, or one series of it.
        folder: exists, and is the caller's to remove where this fails.
        wanted: series to fetch; none for all CT series.

    Raises:
        UserError: if there is no such series, or the transfer fails, also after attempts with growing pauses.
    """
    client = connect(address.service)
    uids = ((address.series_uid,) if address.series_uid else ()) or wanted
    with reaching(address.service, "list the series"):
        announced = _announced(client, address)
        series = uids or tuple(uid for uid, known in announced.items() if known.is_ct)
        listed = {uid: _images(client, address.study_uid, uid) for uid in series}
    images = [(uid, image) for uid in listed for image in listed[uid]]
    if images:
        _check_all_are_listed(address.service, announced, listed)
    else:
        raise UserError(f"{address.service} has no CT image of {_named(address, uids)}")
    with progress("Fetching images", len(images)) as advance:
        for number, (series_uid, uid) in enumerate(images, start=1):
            place = ImagePlace(address.study_uid, series_uid, uid)
            _fetch_whole(client, address.service, place, folder / f"{number:06d}.dcm")
            advance()


def _fetch_whole(client: DICOMwebClient, service: str, image: ImagePlace, file: Path) -> None:
    """Write an image that can be read to its end; what is cut off on the way may have the right length."""
    why: str | None = None
    for _ in range(ATTEMPTS):
        with reaching(service, "send an image"):
            dataset = client.retrieve_instance(*image)
            _check(dataset, image.uid)
        with discreet_reading():
            dcmwrite(file, dataset)
        if (why := _damage(file, dataset)) is None:
            return
    file.unlink()
    raise UserError(
        f"{service} sent image {image.uid} cut off or damaged {ATTEMPTS} times ({why}). Try again later, or "
        f"ask who looks after the service whether the image of series {image.series_uid} is whole there. "
        "--series predicts others"
    )


def _damage(file: Path, dataset: Dataset) -> str | None:
    """What is wrong with an image that was cut off or cannot be read; None if it is whole or not an image."""
    entry = read_header(file)
    if isinstance(entry, Unreadable):
        return entry.reason
    try:
        if isinstance(entry, CtInstance):
            check_pixels_are_there(dataset)
    except Exception as error:  # as when its header is read: whatever a malformed one leads to
        return describe(error)
    return None


def series_is_there(service: str, study_uid: str, series_uid: str) -> bool:
    """Whether an archive holds a series."""
    client = connect(service)
    with reaching(service, "look for a series"):
        found = client.search_for_series(study_uid, search_filters={"SeriesInstanceUID": series_uid}, limit=1)
    return any(_value(series, "0020000E") == series_uid for series in found)


def _announced(client: DICOMwebClient, address: StudyAddress) -> dict[str, Announced]:
    """The series of the study; services may pass filters over that they do not know."""
    return {
        _value(series, "0020000E"): Announced(
            _value(series, "00080060") == "CT", _count(_value(series, "00201209"))
        )
        for series in client.search_for_series(
            address.study_uid,
            fields=["NumberOfSeriesRelatedInstances"],
            search_filters={"Modality": "CT"},
        )
    }


def _check_all_are_listed(
    service: str, announced: Mapping[str, Announced], listed: Mapping[str, Sequence[str]]
) -> None:
    """Services that answer with some images at a time, always the same, would give a part of a scan."""
    for uid, images in listed.items():
        if uid in announced and len(images) < announced[uid].n_images:
            raise UserError(
                f"{service} lists {len(images)} images of series {uid}, which has {announced[uid].n_images}: "
                "a part of a scan is not predicted. Let the service answer with more images at once, or "
                "fetch them otherwise"
            )


def _images(client: DICOMwebClient, study_uid: str, series_uid: str) -> list[str]:
    """UIDs of the images of a series; services answer with as many at once as they like."""
    uids: dict[str, None] = {}
    while len(uids) < MOST_IMAGES:
        answer = client.search_for_instances(study_uid, series_uid, limit=_PER_ANSWER, offset=len(uids))
        new = dict.fromkeys(_value(image, "00080018") for image in answer)
        if not new.keys() - uids.keys():
            return list(uids)
        uids |= new
    raise UserError(f"series {series_uid} has more than {MOST_IMAGES} images: that is no CT of a thorax")


def _check(dataset: Dataset, uid: str) -> None:
    if str(dataset.get("SOPInstanceUID")) != uid:
        raise ValueError("another image than the one asked for")


def _named(address: StudyAddress, uids: tuple[str, ...]) -> str:
    return f"series {', '.join(uids)}" if uids else f"study {address.study_uid}"


def _value(item: dict[str, Any], tag: str) -> str:
    """The first value of an attribute in DICOM JSON (PS3.18 F.2)."""
    return str((item.get(tag, {}).get("Value") or [""])[0])


def _count(text: str) -> int:
    """0 for what is no whole number: a service that says nothing of use says nothing."""
    return int(text) if text.isdecimal() else 0
