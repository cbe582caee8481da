"""Texts of a source's header that are not written in the characters that the header says.

Of CT with an umlaut in a name that is common: exporters write UTF-8 and say Latin-1, or say nothing, which is
ASCII. Read as the header says, "Müller" becomes "MÃ¼ller", in every object, and without a word.
"""

from __future__ import annotations

from pydicom.datadict import dictionary_VR
from pydicom.dataset import Dataset

from nnunetv2_raemd.dicom_objects.source_attributes import DEIDENTIFIED, PATIENT_AND_STUDY

_ASCII, _LATIN_1, _UTF_8 = ("", "ISO_IR 6", "ISO 2022 IR 6"), ("ISO_IR 100", "ISO 2022 IR 100"), "ISO_IR 192"
_TEXTS = ("PN", "LO", "SH")


def read_texts(header: Dataset) -> list[str]:
    """Decode the texts of a header that was just read, by what their bytes are where this is another thing.

    Chance makes UTF-8 of next to no Latin-1: a capital with an accent would have to stand before a symbol.
    Other alphabets are left to what the header says.

    Returns:
        remarks, which quote no values.
    """
    said = header.get("SpecificCharacterSet") or ""
    others = _in_other_characters(header, said) if said in (*_ASCII, *_LATIN_1, _UTF_8) else {}
    header.decode()
    for keyword, (text, _) in others.items():
        setattr(header, keyword, text)
    return [remark for _, remark in others.values()]


def _in_other_characters(header: Dataset, said: str) -> dict[str, tuple[str, str]]:
    """What texts read, and a remark on each, by keyword."""
    found = {}
    for keyword in (*PATIENT_AND_STUDY, *DEIDENTIFIED):
        element = header.get_item(keyword) if keyword in header else None
        value = None if element is None else element.value  # bytes, before anybody has asked for it
        if dictionary_VR(keyword) not in _TEXTS or not isinstance(value, bytes) or value.isascii():
            continue
        if _is_utf_8(value) and said != _UTF_8:
            remark = f"{keyword} is in UTF-8, which SpecificCharacterSet does not say, and was read so"
            found[keyword] = value.decode("utf-8").rstrip(" \0"), remark
        elif not _is_utf_8(value) and said not in _LATIN_1:
            remark = (
                f"{keyword} holds characters that SpecificCharacterSet does not allow; it was read as "
                "Latin-1: check how it is written"
            )
            found[keyword] = value.decode("latin-1").rstrip(" \0"), remark
    return found


def _is_utf_8(value: bytes) -> bool:
    try:
        value.decode("utf-8")
    except UnicodeDecodeError:
        return False
    return True
