"""What objects take over of a source's headers, and what becomes of values that DICOM does not allow.

De-identified CT has many of these: a hash of 64 characters as accession number, words in the place of dates.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator

from pydicom import config
from pydicom.charset import python_encoding
from pydicom.dataelem import DataElement
from pydicom.dataset import Dataset
from pydicom.multival import MultiValue
from pydicom.valuerep import DA, TM, validate_value

# What objects must carry of patient and study (PS3.3 C.7.1.1, C.7.2.1; all type 2) and nothing beyond.
PATIENT_AND_STUDY = (
    "PatientName",
    "PatientID",
    "PatientBirthDate",
    "PatientSex",
    "StudyDate",
    "StudyTime",
    "StudyID",
    "AccessionNumber",
    "ReferringPhysicianName",
)
# That a patient's identity was removed must stay known.
DEIDENTIFIED = (
    "PatientIdentityRemoved",
    "DeidentificationMethod",
    "DeidentificationMethodCodeSequence",
    "LongitudinalTemporalInformationModified",
)
# What archives put objects with their study and patient by.
_TIES = (
    "PatientName",
    "PatientID",
    "StudyID",
    "AccessionNumber",
    "ReferringPhysicianName",
    "StudyInstanceUID",
    "SeriesInstanceUID",
    "FrameOfReferenceUID",
    "SOPInstanceUID",
)
_ALLOWED = {
    "PatientSex": ("M", "F", "O"),
    "PatientIdentityRemoved": ("YES", "NO"),
    "LongitudinalTemporalInformationModified": ("UNMODIFIED", "MODIFIED", "REMOVED"),
}
_FIRST_DATE = "10000101"  # dates before are placeholders, as 00010101, and errors to dciodvfy
_CONTROL = re.compile(r"[\x00-\x1a\x1c-\x1f]")  # escape begins another character set
_LISTS = ("DeidentificationMethod", "DeidentificationMethodCodeSequence")


def made_valid(header: Dataset) -> list[str]:
    """Complete a header with empty values, and empty those that would make an object invalid.

    What ties an object to its patient and study stays as it is, valid or not: an archive would part the
    object from the images, which have the same values.

    Returns:
        remarks, which quote no values.
    """
    remarks = list(_values_made_valid(header))
    for keyword in PATIENT_AND_STUDY:
        if keyword not in header:
            setattr(header, keyword, "")
    sets = header.get("SpecificCharacterSet") or ()
    for name in [sets] if isinstance(sets, str) else sets:
        if name not in python_encoding:
            remarks.append("SpecificCharacterSet is unknown: check how the patient's name is written")
    if header.get("PatientIdentityRemoved") == "YES" and not any(map(header.get, _LISTS)):
        header.DeidentificationMethod = "not stated by the source"  # one of the two there must be
    header.SpecificCharacterSet = "ISO_IR 192"  # texts were decoded, and are written anew in UTF-8
    return remarks


def _values_made_valid(header: Dataset) -> Iterator[str]:
    for keyword in (*PATIENT_AND_STUDY, *DEIDENTIFIED, *_TIES):
        if keyword not in header or _is_valid(header[keyword]):
            continue
        if keyword in _TIES:
            yield f"{keyword} is not as DICOM has it and was kept; strict archives may refuse the objects"
        elif keyword in DEIDENTIFIED:
            del header[keyword]
            yield f"{keyword} is not as DICOM has it and was left out"
        else:
            setattr(header, keyword, "")
            yield f"{keyword} is not as DICOM has it and was left empty"


def _is_valid(element: DataElement) -> bool:
    try:
        if element.VR == "SQ":
            return all(_is_code(item) for item in element.value)
        values = element.value if isinstance(element.value, MultiValue) else [element.value]
        single = len(values) <= 1 or element.keyword in _LISTS
        return single and all(_is_valid_text(element, str(value)) for value in values if value)
    except Exception:  # whatever a damaged value leads pydicom to
        return False


def _is_valid_text(element: DataElement, text: str) -> bool:
    validate_value(element.VR, text, config.RAISE)
    parse: Callable[[str], object] = {"DA": DA, "TM": TM}.get(element.VR, str)
    allowed = _ALLOWED.get(element.keyword, (text,))
    placeholder = element.VR == "DA" and text < _FIRST_DATE
    return parse(text) is not None and text in allowed and not placeholder and not _CONTROL.search(text)


def _is_code(item: Dataset) -> bool:
    """Whether an item of a code sequence has what it must have (PS3.3 table 8.8-1)."""
    value = item.get("CodeValue") or item.get("LongCodeValue") or item.get("URNCodeValue")
    scheme = item.get("CodingSchemeDesignator") or item.get("URNCodeValue")
    return bool(value and scheme and item.get("CodeMeaning"))
