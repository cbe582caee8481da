"""Whether what DICOMweb needs is installed."""

from __future__ import annotations

from nnunetv2_raemd.errors import UserError


def require_dicomweb() -> None:
    """Raises `UserError` that says what to install where dicomweb-client is absent."""
    try:
        import dicomweb_client  # noqa: F401, PLC0415 - an extra
    except ImportError:
        raise UserError("DICOMweb needs dicomweb-client: pip install 'nnunetv2-raemd[dicomweb]'") from None
