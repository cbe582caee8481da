"""The segmentations that a user gives, with what lies beside them: images, probability maps, labels."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from nnunetv2_raemd.errors import UserError
from nnunetv2_raemd.nnunet_files.dataset_json import read_dataset_json
from nnunetv2_raemd.nnunet_files.label_set import LabelSet, labels_from_numbers, labels_of

ENDINGS = (".nii.gz", ".nii", ".nrrd", ".nhdr", ".mha", ".mhd", ".gipl")
"""Formats that say where in the patient an image lies; nnU-Net and SimpleITK read them all."""


@dataclass(frozen=True)
class ScanFiles:
    """One scan.

    Attributes:
        image: the CT image; None where HU are not asked for.
        probabilities: nnU-Net's map beside the segmentation, whether it exists or not.
    """

    case_id: str
    segmentation: Path
    image: Path | None
    probabilities: Path


@dataclass(frozen=True)
class LesionMaterial:
    """What is to be measured; without `labels`, each number other than 0 in a file is a label."""

    scans: tuple[ScanFiles, ...]
    labels: LabelSet | None


def find_material(
    source: Path, *, images: Path | None = None, labels: Sequence[int] | None = None
) -> LesionMaterial:
    """The segmentations of a folder, or a single one.

    Args:
        images: a folder of CT images, named as nnU-Net's (CASE_0000.nii.gz) or as the segmentations; for a
            single segmentation also its image.
        labels: numbers instead of those of the dataset.json in the folder or above it.

    Raises:
        UserError: if there is none, or two would go by one name.
    """
    folder = source if source.is_dir() else source.parent
    description = next((f for f in (folder, folder.parent) if (f / "dataset.json").is_file()), None)
    known = None if description is None else read_dataset_json(description / "dataset.json")
    endings = ENDINGS if known is None or source.is_file() else (str(known["file_ending"]),)
    found = _segmentations(source, endings)
    _check_names(found)
    scans = tuple(_scan(file, case, images) for file, case in found.items())
    if labels:
        return LesionMaterial(scans, labels_from_numbers(labels))
    return LesionMaterial(scans, None if known is None else labels_of(known))


def image_of(case_id: str, images: Path) -> Path:
    """The CT image of a case: the first of the names that it may have that exists, or else nnU-Net's."""
    if images.is_file():
        return images
    names = [f"{case_id}{channel}{ending}" for channel in ("_0000", "") for ending in ENDINGS]
    return next((images / name for name in names if (images / name).is_file()), images / names[0])


def _scan(file: Path, case_id: str, images: Path | None) -> ScanFiles:
    image = None if images is None else image_of(case_id, images)
    return ScanFiles(case_id, file, image, file.with_name(f"{case_id}.npz"))


def case_of(file: Path) -> str:
    """A file's name without the ending of an image."""
    ending = next((ending for ending in ENDINGS if file.name.lower().endswith(ending)), "")
    return file.name[: len(file.name) - len(ending)]


def _segmentations(source: Path, endings: Sequence[str]) -> dict[Path, str]:
    """The files and their cases, in order of the cases."""
    if source.is_file():
        if not source.name.lower().endswith(ENDINGS):
            raise UserError(f"{source} is not a segmentation: it must end with one of {', '.join(ENDINGS)}")
        return {source: case_of(source)}
    if not source.is_dir():
        raise UserError(f"{source} does not exist")
    files = [file for file in source.iterdir() if file.name.lower().endswith(tuple(endings))]
    found = {file: case_of(file) for file in files if file.is_file() and not file.name.startswith(".")}
    if not found:
        raise UserError(f"{source} holds no segmentation that ends with {', '.join(endings)}")
    return dict(sorted(found.items(), key=lambda item: item[1]))


def _check_names(found: dict[Path, str]) -> None:
    case, times = Counter(found.values()).most_common(1)[0]
    if times > 1:
        same = ", ".join(str(file) for file, name in found.items() if name == case)
        raise UserError(f"several segmentations would be case {case}: {same}. Move all but one of them away")
