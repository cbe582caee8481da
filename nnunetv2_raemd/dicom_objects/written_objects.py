"""The objects of a case as files in a folder, all of them whole or none."""

from __future__ import annotations

import itertools
from collections.abc import Collection, Iterable, Iterator
from pathlib import Path
from typing import TYPE_CHECKING

import pydicom
from pydicom.dataset import Dataset

from nnunetv2_raemd.dicom.dicom_files import discreet_reading
from nnunetv2_raemd.dicom_objects.deterministic_uids import derive_dimensions
from nnunetv2_raemd.dicom_objects.object_kinds import ObjectKind
from nnunetv2_raemd.dicom_objects.rtstruct_object import rtstruct_object
from nnunetv2_raemd.dicom_objects.segmented_series import Segment, SegmentedSeries
from nnunetv2_raemd.dicom_objects.streamed_frames import Slices
from nnunetv2_raemd.errors import UserError
from nnunetv2_raemd.whole_files import folder_in_the_making

if TYPE_CHECKING:
    from nnunetv2_raemd.dicom_objects.parametric_map import PixelMap

Probabilities = tuple[tuple[Segment, ...], Iterable[Slices]]
"""A segment for each label, and S slices (rows, columns) of each; of these, one label at a time is held."""


def object_files(folder: Path, case_id: str, kinds: Collection[ObjectKind]) -> list[Path]:
    """The files that there are always for these kinds."""
    return [folder / f"{case_id}.{kind.value}.dcm" for kind in ObjectKind if kind in kinds]


def write_objects(
    series: SegmentedSeries,
    kinds: Collection[ObjectKind],
    folder: Path,
    case_id: str,
    probabilities: Probabilities | None = None,
    maps: Iterable[PixelMap] = (),
) -> list[Path]:
    """Write the objects of a case, in the place of earlier ones.

    Args:
        kinds: which; a report comes with the SEG that it refers to.
        probabilities: for `ObjectKind.PROBABILITY`.
        maps: for `ObjectKind.UNCERTAINTY`, the most important first; of these, one at a time is held.

    Raises:
        UserError: if they cannot be written; none is then there.
    """
    names = []
    try:
        folder.mkdir(parents=True, exist_ok=True)
        with folder_in_the_making(folder) as making:
            with discreet_reading():
                of_maps = _maps(series, maps if ObjectKind.UNCERTAINTY in kinds else ())
                for name, dataset in itertools.chain(_objects(series, kinds, probabilities), of_maps):
                    derive_dimensions(dataset)
                    names.append(f"{case_id}.{name}.dcm")
                    pydicom.dcmwrite(making / names[-1], dataset, enforce_file_format=True)
            for kind in kinds:
                for ending in (".dcm", "-*.dcm"):
                    for old in folder.glob(f"{case_id}.{kind.value}{ending}"):
                        old.unlink()
            return [(making / name).replace(folder / name) for name in names]
    except OSError as error:
        raise UserError(f"the DICOM objects of {case_id} cannot be written: {error}") from error


def with_needed(kinds: Collection[ObjectKind]) -> frozenset[ObjectKind]:
    """The kinds with those that they refer to."""
    return frozenset(kinds) | ({ObjectKind.SEG} if ObjectKind.SR in kinds else frozenset())


def _objects(
    series: SegmentedSeries,
    kinds: Collection[ObjectKind],
    probabilities: Probabilities | None,
) -> Iterator[tuple[str, Dataset]]:
    if ObjectKind.RTSTRUCT in kinds:
        yield ObjectKind.RTSTRUCT.value, rtstruct_object(series)
    if {ObjectKind.SEG, ObjectKind.SR} & set(kinds):
        from nnunetv2_raemd.dicom_objects.measurement_report import measurement_report  # noqa: PLC0415 - extra
        from nnunetv2_raemd.dicom_objects.segmentation_object import segmentation_objects  # noqa: PLC0415 - extra

        parts = segmentation_objects(series)
        for number, part in enumerate(parts, start=1):
            yield ObjectKind.SEG.value if number == 1 else f"{ObjectKind.SEG.value}-{number}", part.dataset
        if ObjectKind.SR in kinds:
            yield ObjectKind.SR.value, measurement_report(series, parts)
    if ObjectKind.PROBABILITY in kinds and probabilities is not None:
        from nnunetv2_raemd.dicom_objects.segmentation_object import probability_object  # noqa: PLC0415 - extra

        yield ObjectKind.PROBABILITY.value, probability_object(series, *probabilities)


def _maps(series: SegmentedSeries, maps: Iterable[PixelMap]) -> Iterator[tuple[str, Dataset]]:
    for number, pixels in enumerate(maps, start=1):
        from nnunetv2_raemd.dicom_objects.parametric_map import parametric_map  # noqa: PLC0415 - extra

        name = ObjectKind.UNCERTAINTY.value
        first = number == 1
        yield (
            name if first else f"{name}-{pixels.name.replace(' ', '-')}",
            parametric_map(series, pixels, number),
        )
