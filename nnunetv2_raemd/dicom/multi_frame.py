"""Enhanced CT: many images as frames of one file (DICOM PS3.3 A.38).

What a single image says of itself, these say in functional groups (C.7.6.16), of each frame or of all.
"""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

from pydicom.dataset import Dataset

from nnunetv2_raemd.dicom.dicom_files import read_tags
from nnunetv2_raemd.dicom.functional_groups import FunctionalGroups
from nnunetv2_raemd.dicom.image_attributes import rescale, slice_geometry
from nnunetv2_raemd.dicom.index_entries import CtInstance, ImageKind, MultiFrameCt
from nnunetv2_raemd.dicom.tag_values import sequence, text_of, texts
from nnunetv2_raemd.errors import UserError

_TAGS = (
    "SOPClassUID",
    "NumberOfFrames",
    "SharedFunctionalGroupsSequence",
    "PerFrameFunctionalGroupsSequence",
)


def read_multi_frame(path: Path, file: CtInstance) -> MultiFrameCt:
    """The frames of a file whose other attributes are those of `file`.

    Raises:
        UserError: if the file does not describe as many frames as it says it has.
    """
    dataset = read_tags(path, _TAGS) or Dataset()
    shared = (sequence(dataset, "SharedFunctionalGroupsSequence") or [Dataset()])[0]
    own = sequence(dataset, "PerFrameFunctionalGroupsSequence")
    if not own or len(own) != int(dataset.get("NumberOfFrames") or 0):
        raise UserError("a CT of many frames that does not describe each of them: the file is damaged")
    return MultiFrameCt(
        tuple(_frame(index, FunctionalGroups(groups, shared), file) for index, groups in enumerate(own))
    )


def _frame(index: int, groups: FunctionalGroups, file: CtInstance) -> CtInstance:
    return replace(
        file,
        frame=index,
        kind=_kind(groups, file.kind),
        geometry=slice_geometry(
            groups.item("PlanePositionSequence"),
            groups.item("PlaneOrientationSequence"),
            groups.item("PixelMeasuresSequence"),
        ),
        rescale=rescale(groups.item("PixelValueTransformationSequence")),
    )


def _kind(groups: FunctionalGroups, of_file: ImageKind) -> ImageKind:
    content = groups.item("FrameContentSequence")
    moment = (content.get("FrameAcquisitionNumber"), content.get("TemporalPositionIndex"))
    acquisition = ", phase ".join(text for text in map(text_of, moment) if text) or of_file.acquisition
    stack = text_of(content.get("StackID"))
    return ImageKind(
        texts(groups.item("CTImageFrameTypeSequence"), "FrameType") or of_file.image_type,
        "/".join(texts(groups.item("CTReconstructionSequence"), "ConvolutionKernel")) or of_file.kernel,
        f"{acquisition or '-'}, stack {stack}" if stack else acquisition,
    )
