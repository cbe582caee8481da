"""CT series from an archive into a folder."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from dicomweb_client import DICOMwebClient
from pydicom import dcmwrite
from pydicom.dataset import Dataset

from nnunetv2_raemd.dicom.dicom_files import discreet_reading
from nnunetv2_raemd.dicomweb.address import StudyAddress
from nnunetv2_raemd.dicomweb.service import connect, reaching
from nnunetv2_raemd.errors import UserError
from nnunetv2_raemd.execution.progress import progress

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
        series = uids or _ct_series(client, address)
        images = [(uid, image) for uid in series for image in _images(client, address.study_uid, uid)]
    if not images:
        raise UserError(f"{address.service} has no CT image of {_named(address, uids)}")
    with progress("Fetching images", len(images)) as advance:
        for number, (series_uid, uid) in enumerate(images, start=1):
            with reaching(address.service, "send an image"):
                dataset = client.retrieve_instance(address.study_uid, series_uid, uid)
                _check(dataset, uid)
            with discreet_reading():
                dcmwrite(folder / f"{number:06d}.dcm", dataset)
            advance()


def series_is_there(service: str, study_uid: str, series_uid: str) -> bool:
    """Whether an archive holds a series."""
    client = connect(service)
    with reaching(service, "look for a series"):
        found = client.search_for_series(study_uid, search_filters={"SeriesInstanceUID": series_uid}, limit=1)
    return any(_value(series, "0020000E") == series_uid for series in found)


def _ct_series(client: DICOMwebClient, address: StudyAddress) -> tuple[str, ...]:
    found = client.search_for_series(address.study_uid, search_filters={"Modality": "CT"})
    # services may pass filters over that they do not know
    return tuple(_value(series, "0020000E") for series in found if _value(series, "00080060") == "CT")


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
