"""UIDs that follow from content: the same segmentation of the same series gets the same ones in every run.

So an archive that is sent the same result twice holds it once.
"""

from __future__ import annotations

import hashlib

import numpy as np
from pydicom.dataset import Dataset
from pydicom.uid import UID, generate_uid


def derived_uid(*content: str) -> UID:
    """A UID that follows from all of `content`, below pydicom's root (PS3.5 section 9)."""
    return generate_uid(entropy_srcs=[hashlib.sha256("\0".join(content).encode()).hexdigest()])


def derive_dimensions(made: Dataset) -> None:
    """Let the UID of how frames are ordered (PS3.3 C.7.6.17) follow from the object's; highdicom draws it."""
    uid = derived_uid(str(made.SOPInstanceUID), "dimensions")
    for keyword in ("DimensionOrganizationSequence", "DimensionIndexSequence"):
        for item in made.get(keyword, ()):
            item.DimensionOrganizationUID = uid


def array_digest(array: np.ndarray) -> str:
    """What stands for an array in `derived_uid`: SHA-256 of type, shape and values."""
    digest = hashlib.sha256(f"{array.dtype.str} {array.shape}".encode())
    for part in array if array.ndim > 1 else [array]:
        digest.update(np.ascontiguousarray(part).tobytes())
    return digest.hexdigest()
