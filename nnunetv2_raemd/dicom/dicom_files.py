"""Reading of single DICOM files, and what may be said of one that cannot be read."""

from __future__ import annotations

import threading
import warnings
from collections.abc import Iterator, Sequence
from contextlib import ExitStack, contextmanager
from pathlib import Path
from typing import BinaryIO

import pydicom
from pydicom.datadict import tag_for_keyword
from pydicom.dataelem import RawDataElement
from pydicom.dataset import Dataset
from pydicom.errors import InvalidDicomError
from pydicom.filereader import _read_file_meta_info, read_file_meta_info, read_preamble
from pydicom.uid import (
    DeflatedExplicitVRLittleEndian,
    ExplicitVRLittleEndian,
    ImplicitVRLittleEndian,
    MediaStorageDirectoryStorage,
)

from nnunetv2_raemd.errors import UserError
from nnunetv2_raemd.inflating import BARE, DamagedError, TooLongError, inflated_length
from nnunetv2_raemd.regular_file import check_is_regular

# What a file of the transfer syntax Deflated Explicit VR Little Endian may take: pydicom inflates all of it,
# for the header too. CT shrinks to a half; label maps, to a thousandth, take this many bytes for 2000 slices
_MOST_INFLATED = 512 * 2**20
_HIGHEST_RATIO = 20  # of larger ones

_MARKED = 132  # bytes: 128 that may be anything, and "DICM" (PS3.10 7.1)
_UNDEFINED = 0xFFFFFFFF  # length of a value that ends with a mark
# Messages of these name tags and lengths. Others may quote a value, which in a damaged file may be anything,
# a patient's name too.
_QUOTE_NO_VALUES = (AttributeError, EOFError, FileNotFoundError, InvalidDicomError, PermissionError)


@contextmanager
def discreet_reading() -> Iterator[None]:
    """Keeps pydicom's warnings back, for they quote values; also a decorator.

    Values are converted when they are first asked for, so this must be round that and not only round reading.
    """
    _discretion.enter()
    try:
        yield
    finally:
        _discretion.leave()


class _Discretion:
    """Settings of the whole process: the first thread to come in makes them, the last to go out undoes them.

    The worker of a cluster may have several threads.
    """

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._inside = 0
        self._undo = ExitStack()

    def enter(self) -> None:
        with self._lock:
            if not self._inside:
                self._undo.enter_context(warnings.catch_warnings())
                warnings.simplefilter("ignore")
                settings = pydicom.config.settings
                self._undo.callback(
                    setattr, settings, "reading_validation_mode", settings.reading_validation_mode
                )
                settings.reading_validation_mode = pydicom.config.IGNORE
            self._inside += 1

    def leave(self) -> None:
        with self._lock:
            self._inside -= 1
            if not self._inside:
                self._undo.close()


_discretion = _Discretion()


@contextmanager
def reading(path: Path) -> Iterator[None]:
    """Whatever goes wrong within becomes a `UserError` that names the file and quotes no value of it."""
    try:
        with discreet_reading():
            yield
    except UserError as error:
        raise error if str(path) in str(error) else UserError(f"{path}: {error}") from None
    except MemoryError:
        raise
    except Exception as error:  # pydicom and decoders raise whatever a malformed file leads them to
        raise UserError(f"{path} cannot be read: {describe(error)}") from None


def check_can_be_opened(path: Path) -> None:
    """What must hold before pydicom, or what is built on it, opens a file.

    Raises:
        UserError: if it is no regular file, or compressed as a whole and holds more than an image could.
    """
    check_is_regular(path)
    with path.open("rb") as stream:
        if _transfer_syntax(stream) != DeflatedExplicitVRLittleEndian:
            return
        most = max(_MOST_INFLATED, _HIGHEST_RATIO * path.stat().st_size)
        try:
            inflated_length(stream, most, BARE)
        except TooLongError:
            raise UserError(f"it would take more than {most >> 20} MiB inflated, as no image does") from None
        except DamagedError as error:
            raise UserError(f"it {error}") from None


def _transfer_syntax(stream: BinaryIO) -> str | None:
    """As pydicom reads it; the stream is left at the data that it is said of."""
    try:
        read_preamble(stream, force=True)
        return _read_file_meta_info(stream).get("TransferSyntaxUID")
    except Exception:  # of what is no DICOM; pydicom comes no further either
        return None


def is_blank(path: Path) -> bool:
    """Whether a file begins with as many zeros as the mark of DICOM would have come after, or is empty.

    So look files whose place was made and whose content never came.
    """
    try:
        with path.open("rb") as stream:
            return not any(stream.read(_MARKED))
    except OSError:
        return False


def read_dataset(path: Path) -> Dataset:
    """A whole DICOM file; raises `UserError` naming it where it cannot be read."""
    with reading(path):
        check_can_be_opened(path)
        dataset = pydicom.dcmread(path, force=True)
        _check_not_cut_off(dataset)
    if "TransferSyntaxUID" not in dataset.file_meta:
        # Files without a preamble are little endian, and pydicom has found out which of two kinds.
        implicit = dataset.original_encoding[0]
        dataset.file_meta.TransferSyntaxUID = ImplicitVRLittleEndian if implicit else ExplicitVRLittleEndian
    return dataset


def read_tags(path: Path, tags: Sequence[str]) -> Dataset | None:
    """The header with `tags` only; None for what is not DICOM. Raises for DICOM that is cut off.

    And for what `check_can_be_opened` refuses.
    """
    check_can_be_opened(path)
    try:
        dataset = pydicom.dcmread(path, stop_before_pixels=True, specific_tags=list(tags))
    except InvalidDicomError:
        # Old writers leave out the preamble; of other files only the name can tell.
        if path.suffix.lower() != ".dcm":
            return None
        dataset = pydicom.dcmread(path, stop_before_pixels=True, specific_tags=list(tags), force=True)
    if "SOPClassUID" in dataset:
        _check_not_cut_off(dataset)
        return dataset
    if dataset.file_meta.get("MediaStorageSOPClassUID") == MediaStorageDirectoryStorage:
        return None
    raise UserError("not a DICOM file, or cut off in its header")


def _check_not_cut_off(dataset: Dataset) -> None:
    """pydicom takes what is left of a value at the end of a file, of a sequence the items that are left."""
    if not len(dataset):
        return
    last = dataset.get_item(max(dataset.keys()))
    if (
        isinstance(last, RawDataElement)
        and last.length != _UNDEFINED
        and len(last.value or b"") < last.length
    ):
        raise UserError(f"it ends within the value of {last.tag}: it is cut off")


def instance_uid_of_damaged(path: Path) -> str:
    """SOP instance UID from the first bytes of a file whose header cannot be read; "" where they lack it."""
    try:
        check_is_regular(path)
        return str(read_file_meta_info(path).get("MediaStorageSOPInstanceUID", ""))
    except Exception:  # the file is damaged: nothing is sure to work
        return ""


def describe(error: Exception) -> str:
    """What went wrong, in words that cannot hold a value of the file."""
    if isinstance(error, UserError):
        return str(error)
    if isinstance(error, AttributeError) and tag_for_keyword(error.name or "") is not None:
        return f"it lacks {error.name}"
    if isinstance(error, _QUOTE_NO_VALUES):
        return f"{type(error).__name__}: {' '.join(str(error).split())}"
    return f"{type(error).__name__} at a value that is not as DICOM has it"
