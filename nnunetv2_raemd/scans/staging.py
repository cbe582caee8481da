"""What a user gives to be predicted, made into a folder of images as nnU-Net wants it."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from zipfile import is_zipfile

import SimpleITK as sitk

from nnunetv2_raemd.dicom.ct_series import CtSeries
from nnunetv2_raemd.dicom.dicom_index import index_folder
from nnunetv2_raemd.errors import UserError
from nnunetv2_raemd.execution.progress import progress
from nnunetv2_raemd.nnunet_files.image_writing import write_whole_image
from nnunetv2_raemd.regular_file import check_is_regular
from nnunetv2_raemd.scans.series_choice import ChosenSeries, Wanted, choose_series
from nnunetv2_raemd.scans.series_volume import series_image
from nnunetv2_raemd.scans.single_image import ENDINGS, case_name, is_image_file, read_single_image
from nnunetv2_raemd.scans.zip_archive import begins_as_zip, unpack
from nnunetv2_raemd.source_files import files_below

# Formats of volumes that SimpleITK writes; of others, such as PNG, no CT can be made.
VOLUME_ENDINGS = (".nii.gz", ".nii", ".mha", ".nrrd")


@dataclass(frozen=True)
class StagedScan:
    """A scan with the image that is predicted.

    Attributes:
        case_id: by which nnU-Net knows it: by default the SeriesInstanceUID, or the name of a single file.
        image: the file, in nnU-Net's naming.
        series: None for a single file.
        remarks: on what was chosen, assumed or changed.
    """

    case_id: str
    image: Path
    series: CtSeries | None = None
    remarks: tuple[str, ...] = ()


@dataclass(frozen=True)
class StagedScans:
    """The scans of a source, and what of it cannot be predicted."""

    scans: tuple[StagedScan, ...]
    problems: tuple[str, ...] = ()
    remarks: tuple[str, ...] = ()


def _accept(series: CtSeries | None) -> None:
    """Any."""


@dataclass(frozen=True)
class Staging:
    """How scans become images.

    Attributes:
        folder: for the images and what is unpacked; exists, is empty, and is kept until all is done.
        file_ending: of the model's images, such as ".nii.gz".
        wanted: which series.
        is_left_out: whether all is done for a series already; its image is not made.
        rename: from the SeriesInstanceUID or the name of a file to that of the case.
        check: raises `UserError` for a series that is not to be predicted; None is an image without one.
    """

    folder: Path
    file_ending: str
    wanted: Wanted
    is_left_out: Callable[[ChosenSeries], bool]
    rename: Callable[[str], str] = str
    check: Callable[[CtSeries | None], None] = _accept

    def __post_init__(self) -> None:
        if self.file_ending not in VOLUME_ENDINGS:
            raise UserError(
                f"the model predicts {self.file_ending} files, and no scans can be made into these"
            )

    @property
    def images(self) -> Path:
        """The folder for nnU-Net."""
        return self.folder / "images"


def is_nnunet_folder(source: Path, file_ending: str) -> bool:
    """Whether a folder holds images in the format of the model, as for nnUNetv2_predict."""
    return source.is_dir() and any(source.glob(f"*{file_ending}"))


def stage(source: Path, staging: Staging) -> StagedScans:
    """The scans in a folder of DICOM, a zip file of it, or a single image file.

    Raises:
        UserError: if nothing in it can be predicted, or it does not exist.
    """
    if source.is_file() and is_image_file(source):
        return _single(source, staging)
    if not source.exists():
        raise UserError(f"{source} does not exist")
    if source.is_dir():
        return stage_folder(source, staging)
    check_is_regular(source)
    if not is_zipfile(source):
        if begins_as_zip(source):
            raise UserError(f"{source} is a zip file that is damaged or cut off: copy it again")
        raise UserError(
            f"{source} is neither a zip file nor an image ({', '.join(ENDINGS)}); of DICOM, give the folder"
        )
    unpacked = staging.folder / "unpacked"
    unpacked.mkdir()
    unpack(source, unpacked)
    try:
        return _named_by(source, stage_folder(unpacked, staging), unpacked)
    except UserError as error:
        raise UserError(str(error).replace(str(unpacked), str(source))) from error


def _named_by(source: Path, staged: StagedScans, folder: Path) -> StagedScans:
    """With what was given in the place of a temporary folder, in all that is said."""

    def public(sentences: Sequence[str]) -> tuple[str, ...]:
        return tuple(one.replace(str(folder), str(source)) for one in sentences)

    scans = tuple(replace(scan, remarks=public(scan.remarks)) for scan in staged.scans)
    return StagedScans(scans, public(staged.problems), public(staged.remarks))


def stage_folder(folder: Path, staging: Staging) -> StagedScans:
    """The scans in a folder of DICOM, of any depth and any names."""
    if not files_below(folder):
        raise UserError(f"{folder} holds no file")
    choice = choose_series(index_folder(folder), staging.wanted, folder)
    chosen = [one for one in choice.chosen if not staging.is_left_out(one)]
    scans, problems = _images(chosen, staging)
    return StagedScans(tuple(scans), (*choice.problems, *problems), choice.remarks)


def _images(chosen: Sequence[ChosenSeries], staging: Staging) -> tuple[list[StagedScan], list[str]]:
    scans: list[StagedScan] = []
    problems: list[str] = []
    if not chosen:
        return scans, problems
    with progress("Reading series", len(chosen)) as advance:
        for one in chosen:
            try:
                staging.check(one.series)
                image, notes = series_image(one.series)
                case_id = staging.rename(one.uid)
                file = _write(image, case_id, staging)
                scans.append(StagedScan(case_id, file, one.series, (*one.remarks, *notes)))
                advance()
            except UserError as error:
                problems.append(f"series {one.uid}: {error}")
                advance(failed=True)
    return scans, problems


def _single(file: Path, staging: Staging) -> StagedScans:
    if staging.wanted.uids:
        raise UserError(f"{file} is a single image: --series is for DICOM")
    staging.check(None)
    case_id = staging.rename(case_name(file))
    return StagedScans((StagedScan(case_id, _write(read_single_image(file), case_id, staging)),))


def _write(image: sitk.Image, case_id: str, staging: Staging) -> Path:
    for key in image.GetMetaDataKeys():  # what a reader kept of a header may name somebody
        image.EraseMetaData(key)
    staging.images.mkdir(exist_ok=True)
    file = staging.images / f"{case_id}_0000{staging.file_ending}"
    write_whole_image(image, file, compressed=False)
    return file
