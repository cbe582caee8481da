"""A DICOMweb service: how it is reached, how long is waited, and what is said when it fails."""

from __future__ import annotations

import logging
import os
from collections.abc import Iterator
from contextlib import contextmanager

import requests
from dicomweb_client import DICOMwebClient
from pydicom.errors import InvalidDicomError
from requests.auth import AuthBase, HTTPBasicAuth
from requests.utils import get_netrc_auth
from retrying import RetryError

from nnunetv2_raemd.dicomweb.address import is_protected
from nnunetv2_raemd.errors import UserError

CONNECT_S, READ_S = 10, 60
# Waits of 1, 2 and 4 seconds between the four attempts.
ATTEMPTS, FIRST_WAIT_MS = 4, 500
# Objects are sent whole: dicomweb-client could not send a second time what it has given out in chunks.
_WHOLE = 2**40
_NOT_DICOMWEB = (
    "did not answer as DICOMweb does, but with a page for a browser perhaps: check the address, and whether "
    "it needs RAEMD_DICOMWEB_TOKEN or RAEMD_DICOMWEB_USER"
)


class _Token(AuthBase):
    """A bearer token; not among the session's headers, which may be logged."""

    def __init__(self, token: str) -> None:
        self._token = token

    def __call__(self, request: requests.PreparedRequest) -> requests.PreparedRequest:
        request.headers["Authorization"] = f"Bearer {self._token}"
        return request


def connect(service: str) -> DICOMwebClient:
    """A client of a service with the user's credentials.

    These come from RAEMD_DICOMWEB_TOKEN, or RAEMD_DICOMWEB_USER and RAEMD_DICOMWEB_PASSWORD, or ~/.netrc. TLS
    certificates are verified, by the authorities in REQUESTS_CA_BUNDLE where it is set.

    Raises:
        UserError: if credentials would be sent without protection.
    """
    logging.getLogger("retrying").setLevel(logging.CRITICAL)  # it prints a traceback of every attempt
    session = requests.Session()
    session.auth = _credentials(service)
    if session.auth is not None and not is_protected(service):
        raise UserError(f"{service} is not protected by TLS: credentials are sent to https:// only")
    client = DICOMwebClient(service, session=session, timeout=(CONNECT_S, READ_S), chunk_size=_WHOLE)
    client.set_http_retry_params(max_attempts=ATTEMPTS, wait_exponential_multiplier=FIRST_WAIT_MS)
    return client


@contextmanager
def reaching(service: str, what: str) -> Iterator[None]:
    """Whatever goes wrong between us and a service becomes a `UserError` without credentials or patients."""
    try:
        yield
    except requests.HTTPError as error:
        status = 0 if error.response is None else error.response.status_code
        raise UserError(f"{service} answered {status}{_meaning(status)} when asked to {what}") from None
    except RetryError:
        raise UserError(f"{service} is overloaded: it refused {ATTEMPTS} times to {what}") from None
    except requests.exceptions.SSLError:
        raise UserError(
            f"the certificate of {service} cannot be verified; set REQUESTS_CA_BUNDLE to a file with that of "
            "its authority"
        ) from None
    except requests.exceptions.JSONDecodeError:
        raise UserError(f"{service} {_NOT_DICOMWEB}") from None
    except (requests.RequestException, OSError) as error:
        raise UserError(
            f"{service} could not {what}, in {ATTEMPTS} attempts: {type(error).__name__}. Try again later"
        ) from None
    except (InvalidDicomError, ValueError, KeyError, AttributeError, TypeError, IndexError) as error:
        raise UserError(f"{service} {_NOT_DICOMWEB} ({type(error).__name__})") from None


def _credentials(service: str) -> AuthBase | None:
    if token := os.environ.get("RAEMD_DICOMWEB_TOKEN"):
        return _Token(token)
    user, password = (os.environ.get(f"RAEMD_DICOMWEB_{name}") for name in ("USER", "PASSWORD"))
    if user:
        return HTTPBasicAuth(user.encode(), (password or "").encode())
    from_netrc = get_netrc_auth(service)
    return HTTPBasicAuth(*from_netrc) if from_netrc else None


def _meaning(status: int) -> str:
    meanings = {
        401: "(credentials are missing or wrong)",
        403: "(this user may not)",
        404: "(not there)",
        409: "(it refused the objects)",
        413: "(too large)",
    }
    return f" {meanings[status]}" if status in meanings else ""
