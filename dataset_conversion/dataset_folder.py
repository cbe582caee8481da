"""The nnU-Net raw dataset folder: names, and the whole-or-nothing writing of a case."""

from __future__ import annotations

import contextlib
import json
import re
import shutil
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any
from uuid import uuid4

import SimpleITK as sitk

from nnunetv2_raemd.dataset_conversion.case import sha256_of
from nnunetv2_raemd.errors import UserError
from nnunetv2_raemd.file_names import check_file_name
from nnunetv2_raemd.nnunet_files.dataset_folders import nnunet_folder
from nnunetv2_raemd.nnunet_files.nifti_writing import write_image
from nnunetv2_raemd.whole_files import folder_in_the_making, write_json

FILE_ENDING = ".nii.gz"
PARTS = ("Tr", "Ts")  # nnU-Net's endings of the folders of training and of test cases
_PENDING = {"pending": True}
MAX_DATASET_ID = 999  # nnU-Net names folders DatasetXXX_NAME with three digits


@dataclass(frozen=True)
class DatasetFolder:
    """`$nnUNet_raw/DatasetXXX_NAME` and the paths in it.

    `.conversion` holds one small record per finished case, by which an interrupted run is resumed, and files
    in the making. nnU-Net looks at neither. `run` names the run that a process works for: it has a folder for
    files in the making, which the next run removes, so that a process left over can put nothing more into the
    dataset. `test_cases` lie in `imagesTs` and `labelsTs`, which nnU-Net does not train on.
    """

    path: Path
    run: str = ""
    test_cases: frozenset[str] = frozenset()

    def image(self, case_id: str) -> Path:
        return self._image(case_id, self.part(case_id))

    def label(self, case_id: str) -> Path:
        return self._label(case_id, self.part(case_id))

    def part(self, case_id: str) -> str:
        """nnU-Net's ending of the folders that the case lies in: "Tr" or "Ts"."""
        return "Ts" if case_id in self.test_cases else "Tr"

    def finish(self) -> None:
        """End a run: nothing of it is left in the making, unless another run has begun."""
        for folder in (self.scratch, self.scratch.parent):
            with contextlib.suppress(OSError):
                folder.rmdir()

    def _image(self, case_id: str, part: str) -> Path:
        return self.path / f"images{part}" / f"{_checked(case_id)}_0000{FILE_ENDING}"

    def _label(self, case_id: str, part: str) -> Path:
        return self.path / f"labels{part}" / f"{_checked(case_id)}{FILE_ENDING}"

    def record(self, case_id: str) -> Path:
        return self.path / ".conversion" / "cases" / f"{_checked(case_id)}.json"

    @property
    def scratch(self) -> Path:
        return self.path / ".conversion" / "unfinished" / self.run

    @property
    def is_current(self) -> bool:
        """Whether no later run has taken over the folder."""
        return self.scratch.is_dir()

    def prepare(self) -> DatasetFolder:
        """Begin a run: create the folders and clear what an interrupted run left unfinished."""
        run = replace(self, run=uuid4().hex)
        self._abandon(run.scratch.parent)
        for case_id, record in self._all_records().items():
            if record == _PENDING:
                self.discard(case_id)
        for folder in (
            *(f"{kind}{part}" for kind in ("images", "labels") for part in PARTS),
            ".conversion/cases",
        ):
            (self.path / folder).mkdir(parents=True, exist_ok=True)
        run.scratch.mkdir(parents=True)
        return run

    def _abandon(self, unfinished: Path) -> None:
        """Remove files in the making; renamed first, as a process left over may still be writing some."""
        with contextlib.suppress(OSError):
            unfinished.rename(unfinished.with_name(f"abandoned-{uuid4().hex}"))
        for folder in (unfinished, *unfinished.parent.glob("abandoned-*")):
            shutil.rmtree(folder, ignore_errors=True)

    def foreign_cases(self) -> list[str]:
        """Names of the images that no converter recorded, in which case the dataset is someone else's."""
        images = sorted(i for part in PARTS for i in self._image("*", part).parent.glob(f"*{FILE_ENDING}"))
        recorded = set(self.recorded_cases())
        return [i.name for i in images if i.name[: -len(f"_0000{FILE_ENDING}")] not in recorded]

    def arrange(self) -> list[str]:
        """Move cases that an earlier run put into the other part, and return their names.

        Where that is cut short, the next run finishes it.
        """
        moved = []
        for case_id in self.recorded_cases():
            here = self.part(case_id)
            there = PARTS[1 - PARTS.index(here)]
            for file in (self._label, self._image):
                if file(case_id, there).is_file():
                    file(case_id, there).replace(file(case_id, here))
                    moved.append(case_id)
        return list(dict.fromkeys(moved))

    def recorded_cases(self) -> list[str]:
        """Names of the cases that a converter wrote or began to write, sorted."""
        return sorted(file.name[: -len(".json")] for file in self.record("*").parent.glob("*.json"))

    def records(self) -> dict[str, dict[str, Any]]:
        """The records of all finished cases by name."""
        return {case_id: record for case_id, record in self._all_records().items() if record != _PENDING}

    def _all_records(self) -> dict[str, dict[str, Any]]:
        """Of all cases; a damaged record, as a power failure may leave, says no more than that one began."""
        return {case_id: self._recorded(case_id) or _PENDING for case_id in self.recorded_cases()}

    def discard(self, case_id: str) -> None:
        """Remove every trace of a case; the next run completes a removal that is cut short."""
        if self.record(case_id).is_file():
            write_json(self.record(case_id), _PENDING)
        for part in PARTS:
            self._image(case_id, part).unlink(missing_ok=True)
            self._label(case_id, part).unlink(missing_ok=True)
        self.record(case_id).unlink(missing_ok=True)

    def finished(self, case_id: str, fingerprint: str) -> dict[str, Any] | None:
        """The record of a case that is whole, unchanged since it was written and up to date; else None."""
        record = self._recorded(case_id)
        try:
            if record is None or record["fingerprint"] != fingerprint:
                return None
            written = record["image_sha256"], record["label_sha256"]
            return record if written == self._digests(case_id) else None
        except (OSError, KeyError):
            return None

    def write_case(
        self, case_id: str, image: sitk.Image, label: sitk.Image, record: dict[str, Any]
    ) -> dict[str, Any]:
        """Write image, label and record, each under a temporary name first; returns the completed record.

        The image appears last of the two, because nnU-Net takes its list of cases from the images; the record
        after both, because it says that the case is finished. Until then it says that the case is ours but
        pending, and the next run removes it. All come by renaming out of the run's folder, which fails once
        another run has taken over; two processes may work on one case, as a cluster may have them do.
        """
        with folder_in_the_making(self.scratch) as folder:
            new_image, new_label = folder / f"image{FILE_ENDING}", folder / f"label{FILE_ENDING}"
            write_image(image, new_image)
            write_image(label, new_label)
            record = {**record, "image_sha256": sha256_of(new_image), "label_sha256": sha256_of(new_label)}
            write_json(folder / "pending.json", _PENDING)
            write_json(folder / "record.json", record)
            if self.finished(case_id, record["fingerprint"]) == record:
                return record  # another process was faster
            (folder / "pending.json").replace(self.record(case_id))
            new_label.replace(self.label(case_id))
            new_image.replace(self.image(case_id))
            (folder / "record.json").replace(self.record(case_id))
        return record

    def _recorded(self, case_id: str) -> dict[str, Any] | None:
        """What the record of a case says, None where there is none or a damaged one."""
        try:
            record = json.loads(self.record(case_id).read_text(encoding="utf-8"))
        except (OSError, ValueError, RecursionError):
            return None
        return record if isinstance(record, dict) else None

    def _digests(self, case_id: str) -> tuple[str, str]:
        return sha256_of(self.image(case_id)), sha256_of(self.label(case_id))


def dataset_folder(dataset_id: int, name: str) -> DatasetFolder:
    """The folder of dataset `dataset_id` below `$nnUNet_raw`; nothing is created.

    Raises:
        UserError: if `nnUNet_raw` is not set, the number or the name is not one that nnU-Net can use, or the
            number is taken by a dataset of another name.
    """
    if not 1 <= dataset_id <= MAX_DATASET_ID:
        raise UserError(f"--dataset-id {dataset_id} is not between 1 and {MAX_DATASET_ID}")
    if not re.fullmatch(r"[A-Za-z0-9][A-Za-z0-9_-]*", name):
        raise UserError(f"--name {name!r} may hold only letters, digits, '-' and '_'")
    raw = nnunet_folder("raw").absolute()  # workers may have another working directory
    folder = raw / f"Dataset{dataset_id:03d}_{name}"
    taken = [other.name for other in raw.glob(f"Dataset{dataset_id:03d}_*") if other != folder]
    if taken:
        raise UserError(f"dataset number {dataset_id} is taken by {taken[0]} in {raw}; choose another number")
    return DatasetFolder(folder)


def _checked(case_id: str) -> str:
    """The name of a case, or the pattern for all; whatever else is in it must not lead anywhere else."""
    return case_id if case_id == "*" else check_file_name(case_id)
