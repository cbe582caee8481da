"""Addresses of DICOMweb services, studies and series, as users give them."""

from __future__ import annotations

import ipaddress
import re
from dataclasses import dataclass
from urllib.parse import urlsplit

from nnunetv2_raemd.errors import UserError

_STUDY = re.compile(r"(?P<base>.+)/studies/(?P<study>[0-9.]{1,64})(/series/(?P<series>[0-9.]{1,64}))?/?")


@dataclass(frozen=True)
class StudyAddress:
    """A study, or one series of it, in a DICOMweb service.

    Attributes:
        service: URL of the service, as https://HOST/dicom-web.
        study_uid: StudyInstanceUID.
        series_uid: SeriesInstanceUID; "" for the whole study.
    """

    service: str
    study_uid: str
    series_uid: str = ""


def is_url(source: str) -> bool:
    """Whether something names a place on the web and not a file."""
    return re.match(r"https?://", source, re.IGNORECASE) is not None


def study_address(url: str) -> StudyAddress:
    """The parts of https://HOST/dicom-web/studies/UID[/series/UID].

    Raises:
        UserError: if it is none, or holds a user name or password.
    """
    service_address(url)
    match = _STUDY.fullmatch(url)
    if match is None:
        raise UserError(f"{url} does not name a study: give https://HOST/dicom-web/studies/UID[/series/UID]")
    return StudyAddress(match["base"], match["study"], match["series"] or "")


def service_address(url: str) -> str:
    """The URL of a service without the slash at its end.

    Raises:
        UserError: if it is no URL, or holds a user name or password, which every user of the machine could
            read in the list of processes.
    """
    try:
        parts = urlsplit(url)
        has_host = bool(parts.hostname) and (parts.port is None or parts.port > 0)
    except ValueError:
        has_host = False
    if not is_url(url) or not has_host:
        raise UserError("the address of a DICOMweb service must be like https://HOST/dicom-web")
    if parts.username or parts.password:
        raise UserError(
            f"leave user name and password out of the address of {parts.hostname}: put them into "
            "RAEMD_DICOMWEB_USER and RAEMD_DICOMWEB_PASSWORD, or into ~/.netrc"
        )
    return url.rstrip("/")


def is_protected(url: str) -> bool:
    """Whether nobody on the way can read what is sent: by TLS, or because it does not leave the machine."""
    parts = urlsplit(url)
    if parts.scheme.lower() == "https" or parts.hostname == "localhost":
        return True
    try:
        return ipaddress.ip_address(parts.hostname or "").is_loopback
    except ValueError:
        return False
