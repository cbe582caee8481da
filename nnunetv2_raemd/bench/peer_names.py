"""The names of the networks that are compared, with what is on in each; known before torch is imported."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

from nnunetv2_raemd.errors import UserError

NNUNET_PEERS: dict[str, tuple[str, str, str]] = {
    "nnunet-2d": ("nnU-Net 2d", "PlainConvUNet", "2d"),
    "nnunet-3d": ("nnU-Net 3d", "PlainConvUNet", "3d_fullres"),
    "resenc-2d": ("ResEnc M 2d", "ResidualEncoderUNet", "2d"),
    "resenc-3d": ("ResEnc M 3d", "ResidualEncoderUNet", "3d_fullres"),
}
RAEMD_PEERS: dict[str, tuple[str, str, dict[str, Any]]] = {
    "raemd": ("RAEMD-Net", "raemd", {}),
    "raemd-dense": ("with dense blocks", "dense", {}),
    "raemd-off": ("parts off", "unet", {}),
    "raemd-m": ("+ multi-scale", "unet", {"multi_scale": True}),
    "raemd-md": ("+ dense", "unet", {"multi_scale": True, "dense": True}),
    "raemd-mda": ("+ attention", "dense", {"recurrence_min_pixel_mm": None}),
}
"""label, preset, and what differs from it; the last four lead to that with dense blocks, part by part"""
PEER_NAMES = (*NNUNET_PEERS, *RAEMD_PEERS)
DEFAULT_PEERS = ("nnunet-2d", "nnunet-3d", "resenc-2d", "resenc-3d", "raemd-off", "raemd")


def check_names(names: Iterable[str]) -> None:
    """Raise a `UserError` for a name that is neither one of these nor the JSON file of a preset."""
    for name in names:
        if name not in PEER_NAMES and not name.endswith(".json"):
            known = ", ".join(PEER_NAMES)
            raise UserError(
                f"there is no network called {name}: choose among {known}, or give the JSON file of a preset"
            )
