"""Running many cases: the bad ones are told apart from the rest, whatever they do."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import SimpleITK as sitk
from fake_cases import CaseOfDigest, FakeCase

from nnunetv2_raemd.dataset_conversion.case import Outcome, Status
from nnunetv2_raemd.dataset_conversion.dataset_folder import DatasetFolder
from nnunetv2_raemd.dataset_conversion.dataset_writing import conversion_batch
from nnunetv2_raemd.errors import UserError
from nnunetv2_raemd.execution.local_processes import LocalProcesses


@pytest.fixture
def folder(tmp_path: Path) -> DatasetFolder:
    folder = DatasetFolder(tmp_path / "Dataset001_Test")
    return folder.prepare()


def run_cases(
    cases: list[FakeCase], folder: DatasetFolder, *, workers: int = 1, strict: bool = False
) -> list[Outcome]:
    return conversion_batch.run_cases(cases, folder, backend=LocalProcesses(workers), strict=strict)


def statuses(names: list[str], folder: DatasetFolder, **options: Any) -> list[str]:
    return [o.status.value for o in run_cases([FakeCase(n) for n in names], folder, **options)]


@pytest.mark.parametrize("workers", [1, 2])
def test_a_bad_case_does_not_stop_the_rest(folder: DatasetFolder, workers: int) -> None:
    names = ["bad1", "good1", "bug1", "left_out1", "good2"]
    expected = ["failed", "converted", "failed", "excluded", "converted"]
    assert statuses(names, folder, workers=workers) == expected
    assert sorted(f.name for f in (folder.path / "imagesTr").iterdir()) == [
        "good1_0000.nii.gz",
        "good2_0000.nii.gz",
    ]
    assert sorted(f.name for f in (folder.path / "labelsTr").iterdir()) == ["good1.nii.gz", "good2.nii.gz"]


def test_reasons_are_one_line_and_a_bug_is_told_from_bad_input(folder: DatasetFolder) -> None:
    bad, bug, left_out = run_cases([FakeCase(n) for n in ("bad", "bug", "left_out")], folder)
    assert (bad.reason, bug.reason) == ("the file is broken", "ZeroDivisionError: oops")
    assert left_out.reason == "not wanted" and left_out.patient_id == "patient of left_out"


def test_a_worker_that_dies_costs_only_its_own_case(folder: DatasetFolder) -> None:
    """Also where a second one dies after the pool was made anew."""
    names = ["good0", "crash1", *(f"good{i}" for i in range(2, 9)), "crash9", "good10"]
    outcomes = run_cases([FakeCase(n) for n in names], folder, workers=2)
    assert [o.case_id for o in outcomes if not o.in_dataset] == ["crash1", "crash9"]
    assert "worker process died" in outcomes[1].reason and len(outcomes) == len(names)


@pytest.mark.parametrize("workers", [1, 2])
def test_strict_stops_at_the_first_failure(folder: DatasetFolder, workers: int) -> None:
    with pytest.raises(UserError, match=r"bad1: the file is broken.*--strict"):
        run_cases(
            [FakeCase("bad1"), *(FakeCase(f"slow{i}") for i in range(40))],  # 6 s, to notice the first in
            folder,
            workers=workers,
            strict=True,
        )
    assert len(folder.records()) < 40


def test_finished_case_is_kept_until_its_sources_change(folder: DatasetFolder) -> None:
    assert run_cases([FakeCase("good")], folder)[0].status is Status.CONVERTED
    assert run_cases([FakeCase("good")], folder)[0].status is Status.KEPT
    assert run_cases([FakeCase("good", version="2")], folder)[0].status is Status.CONVERTED


@pytest.mark.parametrize("damaged", ["image", "label", "record"])
@pytest.mark.parametrize(
    "damage", [lambda f: f.unlink(), lambda f: f.write_bytes(f.read_bytes()[:-1] + b"!")]
)
def test_damaged_case_is_made_again(
    folder: DatasetFolder, damaged: str, damage: Callable[[Path], object]
) -> None:
    run_cases([FakeCase("good")], folder)
    whole = folder.image("good").read_bytes(), folder.label("good").read_bytes()
    damage(getattr(folder, damaged)("good"))
    assert run_cases([FakeCase("good")], folder)[0].status is Status.CONVERTED
    assert (folder.image("good").read_bytes(), folder.label("good").read_bytes()) == whole


@pytest.mark.parametrize("content", ["", '{"patient_id": "x', "[]"])
def test_record_that_is_no_record_does_not_stop_the_next_run(folder: DatasetFolder, content: str) -> None:
    """As a power failure may leave it: the case is then not finished, and begins anew."""
    run_cases([FakeCase("good1"), FakeCase("good2")], folder)
    folder.record("good1").write_text(content)
    assert list(folder.records()) == ["good2"] and not folder.foreign_cases()
    folder = folder.prepare()
    assert not folder.image("good1").exists() and not folder.record("good1").exists()
    outcomes = run_cases([FakeCase("good1"), FakeCase("good2")], folder)
    assert [outcome.status for outcome in outcomes] == [Status.CONVERTED, Status.KEPT]


@pytest.fixture
def disc_of_100_kb() -> Iterator[None]:
    """No file of this process grows beyond that; libraries are told as on a full disc, by failing writes."""
    resource = pytest.importorskip("resource", reason="limits of processes are of POSIX systems")
    before = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (100_000, before[1]))
    yield
    resource.setrlimit(resource.RLIMIT_FSIZE, before)


@pytest.mark.parametrize("too_large", ["image", "label"])
def test_full_disc_is_noticed(folder: DatasetFolder, disc_of_100_kb: None, too_large: str) -> None:
    """SimpleITK itself leaves a part of the file and says nothing."""
    noise = sitk.GetImageFromArray(np.random.default_rng(1).integers(0, 255, (64, 64, 64), dtype=np.uint8))
    empty = sitk.Image(noise.GetSize(), sitk.sitkUInt8)
    image, label = (noise, empty) if too_large == "image" else (empty, noise)
    with pytest.raises(UserError, match="is there space left in nnUNet_raw"):
        folder.write_case("good", image, label, {"fingerprint": "1"})
    assert not folder.image("good").exists() and not folder.label("good").exists()
    assert not list(folder.scratch.iterdir()) and not folder.recorded_cases()


def test_verify_notices_a_source_of_the_same_size_and_time(folder: DatasetFolder, tmp_path: Path) -> None:
    source = tmp_path / "scan.raw"
    source.write_bytes(b"one")
    stamp = source.stat()
    case = CaseOfDigest("good", source=source)

    def run(**options: bool) -> Status:
        backend = LocalProcesses(1)
        return conversion_batch.run_cases([case], folder, backend=backend, **options)[0].status

    assert [run(), run(), run(verify=True)] == [Status.CONVERTED, Status.KEPT, Status.KEPT]
    source.write_bytes(b"two")
    os.utime(source, ns=(stamp.st_atime_ns, stamp.st_mtime_ns))
    assert [run(), run(verify=True), run(verify=True)] == [Status.KEPT, Status.CONVERTED, Status.KEPT]


def test_case_that_turns_bad_leaves_nothing_behind(folder: DatasetFolder) -> None:
    run_cases([FakeCase("bad")], folder)  # nothing yet
    for file in (folder.image("bad"), folder.label("bad"), folder.record("bad")):
        file.write_text("from an earlier version of the input")
    run_cases([FakeCase("bad")], folder)
    assert not any(f.exists() for f in (folder.image("bad"), folder.label("bad"), folder.record("bad")))
