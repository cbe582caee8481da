"""Time and memory of a conversion beside SimpleITK, which reads the same images and writes them as .nii.gz.

    python benchmarks/conversion_speed.py luna16 --input DIR [--workers 1] [--rounds 5] [--cases 2]
    python benchmarks/conversion_speed.py nsclc-radiomics --input DIR ...
    python benchmarks/conversion_speed.py luna16 --synthetic 300 ...

Both take turns in one run, each with a pool of as many worker processes, warmed up and idle in between, so
that a noisy machine disturbs them alike; CPU time is printed too, which other work disturbs less. What is
timed of ours is the whole of a case: reading, checks, mask, measurements, writing image and label, digests,
record. The peak memory is that of a fresh worker that converts one case, above its idle state, relative to
the image as 16 bit integers in memory.

LUNA16's masks are spheres here; those from contours come ready from the planning, which is not timed.
`--synthetic N` makes LUNA16 scans of N x 512 x 512 voxels in a temporary folder: noise in a body-shaped tube,
with a nodule.
"""

from __future__ import annotations

import argparse
import json
import multiprocessing
import resource
import shutil
import statistics
import sys
import tempfile
import time
from collections.abc import Callable, Iterable, Sequence
from concurrent.futures import Executor, ProcessPoolExecutor
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
import SimpleITK as sitk

from nnunetv2_raemd.dataset_conversion.case import Case, Status
from nnunetv2_raemd.dataset_conversion.dataset_folder import DatasetFolder
from nnunetv2_raemd.dataset_conversion.dataset_writing.conversion_batch import convert_case

NODULE_MM = (10.0, 20.0, -150.0)


def simpleitk_only(sources: Sequence[str], target: str) -> float:
    """What everyone would do without us: read one file, or the slices in order, and write; CPU seconds."""
    started = time.process_time()
    image = sitk.ReadImage(sources[0] if len(sources) == 1 else list(sources))
    if image.GetPixelID() != sitk.sitkInt16:
        image = sitk.Cast(image, sitk.sitkInt16)
    sitk.WriteImage(image, target)
    return time.process_time() - started


def ours(case: Case, folder: DatasetFolder) -> float:
    """Our conversion of a case, from the beginning; CPU seconds."""
    started = time.process_time()
    outcome = convert_case(case, folder)
    if outcome.status is not Status.CONVERTED:
        raise SystemExit(f"{case.case_id}: {outcome.status.value}: {outcome.reason}")
    return time.process_time() - started


def plan(archive: str, folder: Path) -> tuple[Case, ...]:
    """The cases that the command would convert."""
    if archive == "luna16":
        from nnunetv2_raemd.dataset_conversion.archives.luna16.luna16_archive import (  # noqa: PLC0415
            Luna16,
        )
        from nnunetv2_raemd.dataset_conversion.archives.luna16.mask_sources import (  # noqa: PLC0415
            Spheres,
        )

        return Luna16(Spheres()).find_cases(folder, workers=1).cases
    from nnunetv2_raemd.dataset_conversion.archives.nsclc_radiomics.nsclc_radiomics_archive import (  # noqa: PLC0415
        NsclcRadiomics,
    )

    return NsclcRadiomics().find_cases(folder, workers=1).cases


def sources(case: Any) -> list[str]:
    """The files that SimpleITK reads for the same image; slices in order, which it is given for nothing."""
    if hasattr(case, "header"):
        return [str(case.header)]
    from nnunetv2_raemd.dicom.ct_series import order_series  # noqa: PLC0415

    return [str(image.path) for image in order_series(case.ct.images).slices]


def write_scan(folder: Path, slices: int, number: int) -> None:
    """A LUNA16 scan of the usual size and noise."""
    rng = np.random.default_rng(number)
    y, x = np.mgrid[-1:1:512j, -1:1:512j]
    plane = np.where(x**2 / 0.7 + y**2 / 0.45 < 1, -850.0, -1000.0)
    plane[(x**2 / 0.7 + y**2 / 0.45 < 1) & (x**2 / 0.5 + y**2 / 0.25 > 1)] = 30.0
    hu = np.empty((slices, 512, 512), dtype=np.int16)
    for index in range(slices):
        hu[index] = plane + rng.normal(0, 25, plane.shape)
    image = sitk.GetImageFromArray(hu)
    image.SetSpacing((0.7, 0.7, 1.0))
    image.SetOrigin((-180.0, -180.0, -300.0))
    (folder / "subset0").mkdir(exist_ok=True)
    sitk.WriteImage(image, str(folder / "subset0" / f"1.{number}.mhd"))


def write_archive(folder: Path, slices: int, number: int) -> None:
    """`number` scans and their annotations."""
    for index in range(number):
        write_scan(folder, slices, index)
    place = ",".join(map(str, NODULE_MM))
    rows = "".join(f"1.{index},{place},12.5\n" for index in range(number))
    (folder / "annotations.csv").write_text(f"seriesuid,coordX,coordY,coordZ,diameter_mm\n{rows}")


class Seconds(NamedTuple):
    """Time until all cases were done, and CPU time of all workers together."""

    wall: float
    cpu: float


def timed(pool: Executor, work: Callable[..., float], arguments: Iterable[tuple[Any, ...]]) -> Seconds:
    """Do `work` with each of `arguments`."""
    started = time.perf_counter()
    futures = [pool.submit(work, *given) for given in arguments]
    cpu = sum(future.result() for future in futures)
    return Seconds(time.perf_counter() - started, cpu)


def measure_time(cases: Sequence[Case], scratch: Path, *, workers: int, rounds: int) -> None:
    """Print seconds of both and their ratio, round by round taken in turns."""
    context = multiprocessing.get_context("spawn")
    both: list[tuple[Seconds, Seconds]] = []
    files = [sources(case) for case in cases]
    with (
        ProcessPoolExecutor(workers, mp_context=context, initializer=one_thread) as one,
        ProcessPoolExecutor(workers, mp_context=context, initializer=one_thread) as other,
    ):
        for round_ in range(rounds + 1):
            folder = DatasetFolder(scratch / f"round{round_}").prepare()
            targets = [str(scratch / f"{index}.nii.gz") for index in range(len(cases))]
            theirs = timed(one, simpleitk_only, zip(files, targets, strict=True))
            both.append((theirs, timed(other, ours, [(case, folder) for case in cases])))
            shutil.rmtree(folder.path)
    for name in Seconds._fields:  # the first round loads libraries
        pairs = [(getattr(theirs, name), getattr(our, name)) for theirs, our in both[1:]]
        ratios = [b / a for a, b in pairs]
        theirs_s, ours_s = (statistics.median(column) for column in zip(*pairs, strict=True))
        print(
            f"{name}: SimpleITK {theirs_s:.2f} s, ours {ours_s:.2f} s, ratio {statistics.median(ratios):.3f} "
            f"(rounds from {min(ratios):.3f} to {max(ratios):.3f})"
        )


def one_thread() -> None:
    """As the converter's own workers are set up."""
    sitk.ProcessObject.SetGlobalDefaultNumberOfThreads(1)


def peak_memory(case: Case, folder: DatasetFolder) -> dict[str, float]:
    """Resident memory (MiB) of this process before and at the peak of converting `case`."""
    idle = highest_so_far()
    ours(case, folder)
    peak = highest_so_far()
    image = sitk.ReadImage(str(folder.image(case.case_id)))
    return {"idle": idle, "peak": peak, "image": image.GetNumberOfPixels() * 2 / 2**20}


def highest_so_far() -> float:
    """The most memory that this process has held so far, MiB."""
    status = Path("/proc/self/status")
    if status.is_file():  # Linux's ru_maxrss counts what the parent held when it started this process
        lines = dict(line.split(":", 1) for line in status.read_text(encoding="utf-8").splitlines())
        return int(lines["VmHWM"].split()[0]) / 1024
    unit = 1 if sys.platform == "darwin" else 1024
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * unit / 2**20


def measure_memory(case: Case, scratch: Path) -> None:
    """Print the peak memory of a fresh worker relative to the image."""
    folder = DatasetFolder(scratch / "memory").prepare()
    context = multiprocessing.get_context("spawn")
    with ProcessPoolExecutor(1, mp_context=context, initializer=one_thread) as pool:
        found = pool.submit(peak_memory, case, folder).result()
    above = (found["peak"] - found["idle"]) / found["image"]
    print(
        f"image {found['image']:.0f} MiB, worker idle {found['idle']:.0f} MiB, peak {found['peak']:.0f} MiB: "
        f"{above:.2f} images above idle, {found['peak'] / found['image']:.2f} in all"
    )


def main() -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawTextHelpFormatter)
    parser.add_argument("archive", choices=["luna16", "nsclc-radiomics"])
    parser.add_argument("--input", type=Path)
    parser.add_argument("--synthetic", type=int, metavar="SLICES")
    for name, default in (("workers", 1), ("rounds", 5), ("cases", 2)):
        parser.add_argument(f"--{name}", type=int, default=default)
    options = parser.parse_args()
    with tempfile.TemporaryDirectory() as scratch:
        folder = options.input or Path(scratch) / "archive"
        if options.synthetic:
            folder.mkdir()
            write_archive(folder, options.synthetic, options.cases)
        cases = plan(options.archive, folder)[: options.cases]
        print(json.dumps({"cases": len(cases), "workers": options.workers, "rounds": options.rounds}))
        measure_time(cases, Path(scratch), workers=options.workers, rounds=options.rounds)
        measure_memory(cases[0], Path(scratch))


if __name__ == "__main__":
    main()
