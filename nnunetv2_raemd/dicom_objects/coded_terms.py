"""Coded terms (SNOMED CT) for the labels of a dataset, by their names.

Codes are those of DICOM's context groups CID 7150 (categories), 7159 and 7151 (types), 4031 (anatomy).
"""

from __future__ import annotations

import re
from dataclasses import dataclass

from pydicom.sr.coding import Code

LUNG = Code("39607008", "SCT", "Lung")
ANATOMICAL_STRUCTURE = Code("91723000", "SCT", "Anatomical Structure")
ABNORMAL_STRUCTURE = Code("49755003", "SCT", "Morphologically Abnormal Structure")


@dataclass(frozen=True)
class Finding:
    """What a label is.

    Attributes:
        category: kind of thing, as anatomical or abnormal structure.
        type: the thing.
        site: where it is; None for anatomy, which is its own place.
        interpreted_type: RTROIInterpretedType (PS3.3 C.8.8.8) of its ROI; "" for none of them.
        color: RGB, by which viewers show it.
        is_lesion: whether each connected component is one of its own.
    """

    category: Code
    type: Code
    site: Code | None
    interpreted_type: str
    color: tuple[int, int, int]
    is_lesion: bool = True


def _lesion(code: Code, interpreted_type: str = "") -> Finding:
    return Finding(ABNORMAL_STRUCTURE, code, LUNG, interpreted_type, (220, 50, 32))


_FINDINGS = (  # the first that matches
    (r"node", _lesion(Code("59441001", "SCT", "Lymph node"))),
    (r"nodul", _lesion(Code("27925004", "SCT", "Nodule"))),
    (r"metasta|secondar", _lesion(Code("14799000", "SCT", "Neoplasm, Secondary"), "GTV")),
    (r"gtv|primary", _lesion(Code("372087000", "SCT", "Neoplasm, Primary"), "GTV")),
    (r"tumou?r|neoplasm|cancer|carcinoma", _lesion(Code("108369006", "SCT", "Neoplasm"), "GTV")),
    (r"\blungs?\b", Finding(ANATOMICAL_STRUCTURE, LUNG, None, "ORGAN", (70, 130, 180), is_lesion=False)),
)
OTHER = _lesion(Code("52988006", "SCT", "Lesion"))


def finding_of(label: str) -> Finding:
    """What a label of that name is; by default a lesion."""
    name = label.replace("_", " ").lower()
    return next((finding for pattern, finding in _FINDINGS if re.search(pattern, name)), OTHER)
