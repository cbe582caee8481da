"""The pictures of `--qc`: one for each finished case, drawn from the files as nnU-Net will read them."""

from __future__ import annotations

import hashlib
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

import SimpleITK as sitk
from PIL import Image, UnidentifiedImageError

from nnunetv2_raemd.dataset_conversion.dataset_folder import DatasetFolder
from nnunetv2_raemd.execution.backend import Backend
from nnunetv2_raemd.execution.case_batch import failures, run_cases
from nnunetv2_raemd.version import __version__
from nnunetv2_raemd.whole_files import whole_file

QC_FOLDER = "qc"
_ENDING = ".jpg"


@dataclass(frozen=True)
class PictureOrder:
    """The case to draw and the digest of what the picture must be of."""

    case_id: str
    digest: str


@dataclass(frozen=True)
class PictureJob:
    """Drawing as a job for many cases."""

    folder: DatasetFolder

    def __call__(self, order: PictureOrder, /) -> None:
        _draw(self.folder, order)

    def case_id(self, order: PictureOrder, /) -> str:
        return order.case_id

    def sees(self, order: PictureOrder, /) -> Mapping[str, object]:
        record = self.folder.record(order.case_id)
        return {
            f"the dataset folder {self.folder.path}": self.folder.is_current and record.is_file(),
        }


def picture(folder: DatasetFolder, case_id: str) -> Path:
    """Where the picture of a case is, whether it is there or not."""
    return folder.path / QC_FOLDER / f"{case_id}{_ENDING}"


def page(folder: DatasetFolder) -> Path:
    """Where the page of all pictures is, whether it is there or not."""
    return folder.path / QC_FOLDER / "index.html"


def draw_pictures(folder: DatasetFolder, *, backend: Backend) -> dict[str, str]:
    """Draw the pictures that are missing or of another state of their case, and remove those of no case.

    Returns why, by case, for each picture that could not be drawn.
    """
    (folder.path / QC_FOLDER).mkdir(exist_ok=True)
    orders = [PictureOrder(case_id, _digest(record)) for case_id, record in folder.records().items()]
    wanted = {picture(folder, order.case_id) for order in orders}
    for file in (folder.path / QC_FOLDER).glob(f"*{_ENDING}"):
        if file not in wanted:
            file.unlink()
    missing = [order for order in orders if _drawn_digest(picture(folder, order.case_id)) != order.digest]
    if not missing:
        return {}
    outcomes = run_cases("Drawing", PictureJob(folder), missing, backend=backend)
    return {failed.case_id: failed.reason for failed in failures(outcomes)}


def _draw(folder: DatasetFolder, order: PictureOrder) -> None:
    from nnunetv2_raemd.dataset_conversion.quality.case_picture import draw_case  # noqa: PLC0415 - loads matplotlib

    file = picture(folder, order.case_id)
    file.unlink(missing_ok=True)  # what cannot be drawn anew is out of date all the same
    image, label = (
        sitk.ReadImage(str(f)) for f in (folder.image(order.case_id), folder.label(order.case_id))
    )
    content = draw_case(image, label, order.case_id, comment=order.digest)
    with whole_file(file, within=folder.scratch) as making:
        making.write_bytes(content)


def _digest(record: Mapping[str, object]) -> str:
    """What a picture depends on: both files, and the way of drawing, which changes with versions."""
    state = (record.get("image_sha256"), record.get("label_sha256"), __version__)
    return hashlib.sha256(repr(state).encode()).hexdigest()


def _drawn_digest(file: Path) -> str | None:
    """The digest that a picture was drawn for, None where there is no picture or a damaged one."""
    try:
        with Image.open(file) as opened:
            comment = opened.info.get("comment", b"")
            opened.load()
    except (OSError, UnidentifiedImageError):
        return None
    return comment.decode("ascii", errors="replace") if isinstance(comment, bytes) else None
