"""The values that CT images hold, read one way whatever the transfer syntax.

Compressed images are decoded by GDCM, by way of SimpleITK, which has a decoder for each of DICOM's
compressions of CT. It is handed the compressed image with no more than its decoder needs: of a whole file,
it would apply what is meant for the screen too (MONOCHROME1 comes out inverted) and rescale by itself.
"""

from __future__ import annotations

import tempfile
from collections.abc import Iterator, Sequence
from pathlib import Path

import numpy as np
import SimpleITK as sitk
from pydicom.dataset import Dataset, FileMetaDataset
from pydicom.encaps import encapsulate, get_frame
from pydicom.pixels.utils import pixel_array
from pydicom.uid import CTImageStorage

from nnunetv2_raemd.dicom.dicom_files import read_dataset, reading
from nnunetv2_raemd.dicom.index_entries import CtInstance, Rescale
from nnunetv2_raemd.errors import UserError

# "unspecified", which is what CT of old scanners says of its HU
UNSPECIFIED = "US"
_HU = ("", "HU", UNSPECIFIED)
_GREY = ("MONOCHROME1", "MONOCHROME2")  # which differ in how they are shown, not in what a value means
_DESCRIPTION = ("Rows", "Columns", "BitsAllocated", "BitsStored", "HighBit", "PixelRepresentation")
# No detector has as many; a compressed image says of itself what memory it takes
_MOST_PIXELS = 8192**2
_END_MARKER = b"\xff\xd9"  # of JPEG, JPEG-LS and JPEG 2000
_RLE = "1.2.840.10008.1.2.5"


def read_slices(images: Sequence[CtInstance]) -> Iterator[np.ndarray]:
    """Each image in HU, int16, in their order; a file of many frames is read once.

    Raises `UserError` naming an image that cannot be read or does not hold HU.
    """
    path: Path | None = None
    for image in images:
        if image.path != path:
            path, dataset = image.path, read_dataset(image.path)
        with reading(image.path):
            yield _hu(image, dataset)


def _hu(image: CtInstance, dataset: Dataset) -> np.ndarray:
    rescale = hu_rescale(image)
    hu = _rescaled(_stored(dataset, image.frame or 0), rescale)
    if hu.shape != image.shape:
        raise UserError(f"{image.name} holds an image of shape {hu.shape}, not {image.shape}")
    limits = np.iinfo(np.int16)
    if hu.min() < limits.min or hu.max() > limits.max:
        raise UserError(f"{image.name} holds values from {hu.min()} to {hu.max()}, which are not HU")
    return hu.astype(np.int16)


def hu_rescale(image: CtInstance) -> Rescale:
    """How stored values become HU.

    Raises:
        UserError: if they become something else.
    """
    if image.rescale is None:
        raise UserError(f"{image.name} lacks RescaleSlope or RescaleIntercept: its values are not HU")
    if image.rescale.type not in _HU:
        raise UserError(f"{image.name} holds other values than HU: its RescaleType is {image.rescale.type}")
    if image.rescale.has_table:
        raise UserError(
            f"{image.name} has a ModalityLUTSequence beside RescaleSlope and RescaleIntercept: DICOM allows "
            "one of them, and nobody can tell which gives HU"
        )
    if image.rescale.slope <= 0:
        raise UserError(f"{image.name} has a RescaleSlope of {image.rescale.slope:g}: its values are not HU")
    return image.rescale


def _rescaled(stored: np.ndarray, rescale: Rescale) -> np.ndarray:
    """Stored values to HU (DICOM PS3.3 C.11.1.1.2)."""
    if rescale.slope == 1 and rescale.intercept == 0:
        return stored
    if rescale.slope == 1 and rescale.intercept.is_integer() and stored.itemsize <= 2:
        return stored.astype(np.int32) + int(
            rescale.intercept
        )  # most CT; in floats it takes as long as reading
    return np.rint(stored * rescale.slope + rescale.intercept)


def _stored(dataset: Dataset, frame: int) -> np.ndarray:
    """Values of one frame as they are stored, integers."""
    _check_description(dataset)
    if dataset.file_meta.TransferSyntaxUID.is_compressed:
        return _decoded(dataset, frame)
    check_pixels_are_there(dataset)
    return pixel_array(dataset, index=frame, raw=True)


def check_pixels_are_there(dataset: Dataset) -> None:
    """Raise a `UserError` for an image that is cut off; of compressed ones only decoding tells."""
    if dataset.file_meta.TransferSyntaxUID.is_compressed:
        return
    samples = int(dataset.get("SamplesPerPixel") or 1)
    pixels = int(dataset.get("NumberOfFrames") or 1) * dataset.Rows * dataset.Columns * samples
    expected, found = pixels * dataset.BitsAllocated // 8, len(dataset.get("PixelData") or b"")
    if found < expected:
        raise UserError(f"it holds {found} of {expected} bytes of voxels: it is cut off")


def _check_description(dataset: Dataset) -> None:
    """Refuse what is no grey image, and bits that lie where decoders do not agree on their meaning."""
    if dataset.SamplesPerPixel != 1 or dataset.PhotometricInterpretation not in _GREY:
        raise UserError("it contains colors, not HU")
    if dataset.HighBit != dataset.BitsStored - 1:
        raise UserError("its bits are not stored as DICOM requires: HighBit is not BitsStored - 1")
    check_size(dataset)


def check_size(dataset: Dataset) -> None:
    """Refuse images larger than any scanner makes, before memory is taken for them."""
    if dataset.Rows * dataset.Columns > _MOST_PIXELS:
        raise UserError(f"its images have {dataset.Rows} x {dataset.Columns} pixels, more than scans do")


def _decoded(dataset: Dataset, frame: int) -> np.ndarray:
    frames = int(dataset.get("NumberOfFrames") or 1)
    image = get_frame(dataset.PixelData, frame, number_of_frames=frames)
    syntax = dataset.file_meta.TransferSyntaxUID
    if syntax != _RLE and not image.rstrip(b"\0").endswith(_END_MARKER):
        raise UserError("its compressed image has no end: it is cut off")
    with tempfile.TemporaryDirectory() as folder:
        file = Path(folder) / "image.dcm"
        _bare(dataset, image).save_as(file, enforce_file_format=True)
        try:
            return sitk.GetArrayFromImage(sitk.ReadImage(str(file)))[0]
        except RuntimeError:
            raise UserError(f"its image cannot be decoded (compressed by {syntax.name})") from None


def _bare(dataset: Dataset, image: bytes) -> Dataset:
    """A DICOM file of one compressed image and of what is needed to decode it."""
    bare = Dataset()
    bare.file_meta = FileMetaDataset()
    bare.file_meta.TransferSyntaxUID = dataset.file_meta.TransferSyntaxUID
    bare.SOPClassUID, bare.SOPInstanceUID = CTImageStorage, "2.25.1"
    bare.SamplesPerPixel, bare.PhotometricInterpretation = 1, "MONOCHROME2"
    for keyword in _DESCRIPTION:
        setattr(bare, keyword, getattr(dataset, keyword))
    bare.PixelData = encapsulate([image])
    bare["PixelData"].VR = "OB"
    return bare
