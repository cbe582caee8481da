"""The nnU-Net raw dataset folder: names, whole-or-nothing writing of a case, `dataset.json`."""

from __future__ import annotations

import contextlib
import hashlib
import json
import os
import re
import shutil
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import SimpleITK as sitk
from nnunetv2.dataset_conversion.generate_dataset_json import generate_dataset_json
from nnunetv2.paths import nnUNet_raw

from nnunetv2_raemd.errors import UserError
from nnunetv2_raemd.version import __version__

FILE_ENDING = ".nii.gz"
_PENDING = {"pending": True}
MAX_DATASET_ID = 999  # nnU-Net names folders DatasetXXX_NAME with three digits


@dataclass(frozen=True)
class DatasetFolder:
    """`$nnUNet_raw/DatasetXXX_NAME` and the paths in it.

    `.conversion` holds one small record per finished case, by which an interrupted run is resumed, and files
    in the making. nnU-Net looks at neither.
    """

    path: Path

    def image(self, case_id: str) -> Path:
        return self.path / "imagesTr" / f"{case_id}_0000{FILE_ENDING}"

    def label(self, case_id: str) -> Path:
        return self.path / "labelsTr" / f"{case_id}{FILE_ENDING}"

    def record(self, case_id: str) -> Path:
        return self.path / ".conversion" / "cases" / f"{case_id}.json"

    @property
    def scratch(self) -> Path:
        return self.path / ".conversion" / "unfinished"

    def prepare(self) -> None:
        """Create the folders and clear what an interrupted run left unfinished."""
        shutil.rmtree(self.scratch, ignore_errors=True)
        for case_id, record in self._all_records().items():
            if record == _PENDING:
                self.discard(case_id)
        for folder in ("imagesTr", "labelsTr", ".conversion/cases", ".conversion/unfinished"):
            (self.path / folder).mkdir(parents=True, exist_ok=True)

    def foreign_cases(self) -> list[str]:
        """Names of the images that no converter recorded, in which case the dataset is someone else's."""
        images = sorted((self.path / "imagesTr").glob(f"*{FILE_ENDING}"))
        return [i.name for i in images if not self.record(i.name[: -len(f"_0000{FILE_ENDING}")]).is_file()]

    def recorded_cases(self) -> list[str]:
        """Names of the cases that a converter wrote or began to write, sorted."""
        return sorted(file.name[: -len(".json")] for file in self.record("*").parent.glob("*.json"))

    def records(self) -> dict[str, dict[str, Any]]:
        """The records of all finished cases by name."""
        return {case_id: record for case_id, record in self._all_records().items() if record != _PENDING}

    def _all_records(self) -> dict[str, dict[str, Any]]:
        return {c: json.loads(self.record(c).read_text(encoding="utf-8")) for c in self.recorded_cases()}

    def discard(self, case_id: str) -> None:
        """Remove every trace of a case; the record first, so that half a removal is not taken for a case."""
        for file in (self.record(case_id), self.image(case_id), self.label(case_id)):
            file.unlink(missing_ok=True)

    def finished(self, case_id: str, fingerprint: str) -> dict[str, Any] | None:
        """The record of a case that is whole, unchanged since it was written and up to date; else None."""
        try:
            record: dict[str, Any] = json.loads(self.record(case_id).read_text(encoding="utf-8"))
            written = record["image_sha256"], record["label_sha256"]
            if record["fingerprint"] == fingerprint and written == self._digests(case_id):
                return record
        except (OSError, ValueError, KeyError):
            pass
        return None

    def write_case(
        self, case_id: str, image: sitk.Image, label: sitk.Image, record: dict[str, Any]
    ) -> dict[str, Any]:
        """Write image, label and record, each under a temporary name first; returns the completed record.

        The image appears last of the two, because nnU-Net takes its list of cases from the images; the record
        after both, because it says that the case is finished. Until then it says that the case is ours but
        pending, and the next run removes it.
        """
        with self._unfinished(case_id) as folder:
            new_image, new_label = folder / f"image{FILE_ENDING}", folder / f"label{FILE_ENDING}"
            sitk.WriteImage(image, str(new_image))
            sitk.WriteImage(label, str(new_label))
            write_json(self.record(case_id), _PENDING)
            new_label.replace(self.label(case_id))
            new_image.replace(self.image(case_id))
        image_sha256, label_sha256 = self._digests(case_id)
        record = {**record, "image_sha256": image_sha256, "label_sha256": label_sha256}
        write_json(self.record(case_id), record)
        return record

    def _digests(self, case_id: str) -> tuple[str, str]:
        return _sha256(self.image(case_id)), _sha256(self.label(case_id))

    @contextlib.contextmanager
    def _unfinished(self, case_id: str) -> Iterator[Path]:
        folder = self.scratch / case_id
        folder.mkdir(parents=True, exist_ok=True)
        try:
            yield folder
        finally:
            shutil.rmtree(folder, ignore_errors=True)


def dataset_folder(dataset_id: int, name: str) -> DatasetFolder:
    """The folder of dataset `dataset_id` below `$nnUNet_raw`; nothing is created.

    Raises `UserError` where `nnUNet_raw` is not set, the number or the name is not one that nnU-Net can use,
    or the number is taken by a dataset of another name.
    """
    if not nnUNet_raw:
        raise UserError(
            "The environment variable nnUNet_raw is not set; set it to nnU-Net's raw data folder."
        )
    if not 1 <= dataset_id <= MAX_DATASET_ID:
        raise UserError(f"--dataset-id {dataset_id} is not between 1 and {MAX_DATASET_ID}.")
    if not re.fullmatch(r"[A-Za-z0-9][A-Za-z0-9_-]*", name):
        raise UserError(f"--name {name!r} may hold only letters, digits, '-' and '_'.")
    raw = Path(nnUNet_raw)
    folder = raw / f"Dataset{dataset_id:03d}_{name}"
    taken = [other.name for other in raw.glob(f"Dataset{dataset_id:03d}_*") if other != folder]
    if taken:
        raise UserError(
            f"Dataset number {dataset_id} is taken by {taken[0]} in {raw}; choose another number."
        )
    return DatasetFolder(folder)


def case_identifier(text: str) -> str:
    """`text` with all that is unsafe in a file name replaced by '_'."""
    return re.sub(r"[^A-Za-z0-9._-]+", "_", text.strip()).strip("._") or "unnamed"


def write_json(path: Path, content: object) -> None:
    """Write `content` as JSON, whole or not at all."""
    write_text(path, json.dumps(content, indent=2) + "\n")


def write_text(path: Path, text: str) -> None:
    """Write `text`, whole or not at all."""
    temporary = path.with_name(f".{path.name}.{os.getpid()}.tmp")
    try:
        temporary.write_text(text, encoding="utf-8")
        temporary.replace(path)
    finally:
        temporary.unlink(missing_ok=True)


@dataclass(frozen=True)
class DatasetDescription:
    """What `dataset.json` says about a dataset beside its number of cases."""

    foreground: str
    description: str
    reference: str
    licence: str


def write_dataset_json(folder: DatasetFolder, number_of_cases: int, about: DatasetDescription) -> None:
    """Write `dataset.json` by nnU-Net's own function: channel CT, background 0, `about.foreground` 1."""
    generate_dataset_json(
        str(folder.scratch),
        channel_names={0: "CT"},
        labels={"background": 0, about.foreground: 1},
        num_training_cases=number_of_cases,
        file_ending=FILE_ENDING,
        dataset_name=folder.path.name,
        description=about.description,
        reference=about.reference,
        license=about.licence,
        converted_by=f"nnunetv2-raemd {__version__}",
    )
    (folder.scratch / "dataset.json").replace(folder.path / "dataset.json")


def _sha256(file: Path) -> str:
    digest = hashlib.sha256()
    with file.open("rb") as stream:
        while block := stream.read(1 << 20):
            digest.update(block)
    return digest.hexdigest()
