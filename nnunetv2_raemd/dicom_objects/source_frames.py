"""Objects made for an enhanced CT: what refers to images there must name frames of a file.

highdicom refers to the frames of one whole file only, while a scan may be some of its frames, or lie in two
files. So objects are made as for single images, one for each frame, by UIDs that stand for it; then these
are replaced.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence

from pydicom.dataset import Dataset

from nnunetv2_raemd.dicom_objects.source_series import ImageReference, SourceSeries


def name_frames(made: Dataset, source: SourceSeries) -> None:
    """Make all references of an object to the placeholders of a series those to its frames (PS3.3 10.3)."""
    if source.references[0].frame is None:
        return
    frames = {
        str(header.SOPInstanceUID): reference
        for header, reference in zip(source.headers, source.references, strict=True)
    }
    made.SourceImageSequence = _together(made.SourceImageSequence, frames)
    for series in made.ReferencedSeriesSequence:
        series.ReferencedInstanceSequence = _together(series.ReferencedInstanceSequence, frames)
        for item in series.ReferencedInstanceSequence:
            item.pop("ReferencedFrameNumber", None)  # of which this sequence knows nothing (PS3.3 C.12.2)
    for group in made.PerFrameFunctionalGroupsSequence:
        for derivation in group.get("DerivationImageSequence", ()):
            for item in derivation.SourceImageSequence:
                if item.ReferencedSOPInstanceUID in frames:  # segments on one slice share an item
                    _rename(item, [frames[item.ReferencedSOPInstanceUID]])


def reference_item(references: Sequence[ImageReference], *, with_frames: bool = True) -> Dataset:
    """An item that refers to a file, and to some of its frames."""
    item = Dataset()
    _rename(item, references)
    if not with_frames:
        item.pop("ReferencedFrameNumber", None)
    return item


def by_file(references: Iterable[ImageReference]) -> list[list[ImageReference]]:
    """The references to each file."""
    files: dict[str, list[ImageReference]] = {}
    for reference in references:
        files.setdefault(reference.sop_uid, []).append(reference)
    return list(files.values())


def _together(items: Iterable[Dataset], frames: dict[str, ImageReference]) -> list[Dataset]:
    """The items that name placeholders as one for each file."""
    return [reference_item(some) for some in by_file(frames[item.ReferencedSOPInstanceUID] for item in items)]


def _rename(item: Dataset, references: Sequence[ImageReference]) -> None:
    item.ReferencedSOPClassUID = references[0].sop_class
    item.ReferencedSOPInstanceUID = references[0].sop_uid
    if references[0].frame is not None:
        item.ReferencedFrameNumber = [reference.frame for reference in references]
