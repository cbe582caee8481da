"""What a report is made with, beyond what the package always needs."""

from __future__ import annotations

from importlib.util import find_spec

from nnunetv2_raemd.errors import UserError


def require_extra() -> None:
    """Check that the extra `report` is installed; raises `UserError` that says how to get it."""
    missing = [package for package in ("plotly", "jinja2", "contourpy") if find_spec(package) is None]
    if missing:
        raise UserError(f'raemd report needs {" and ".join(missing)}: pip install "nnunetv2-raemd[report]"')
