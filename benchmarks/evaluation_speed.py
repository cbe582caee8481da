"""Time and memory of `raemd evaluate` on scans as large as LUNA16's.

    python benchmarks/evaluation_speed.py [--cases 40] [--workers 1] [--slices 300] [--size 512]

Makes references with five nodules and predictions that move, resize and add some, then evaluates them as
`raemd evaluate` does. Printed are the time and the CPU time per case, what 888 scans would take, and the
greatest memory of one process. What the start of the processes costs (torch and MONAI) is measured apart, by
evaluating a few cases a worker first. On a busy machine the CPU time by the number of workers says more.
"""

from __future__ import annotations

import argparse
import resource
import tempfile
import time
from pathlib import Path

import numpy as np
import SimpleITK as sitk

from nnunetv2_raemd.evaluation.case_evaluation import CaseFiles
from nnunetv2_raemd.evaluation.case_pool import evaluate_cases
from nnunetv2_raemd.evaluation.options import DEFAULT_OPTIONS
from nnunetv2_raemd.evaluation.results import CaseResult, LabelSet, Target

SPACING_MM = np.array([1.0, 0.7, 0.7])  # z, y, x
LABELS = LabelSet((Target("nodule", (1,)),))
N_SCANS = 888
N_FILES = 4
N_NODULES, N_FALSE = 5, 15


def draw_ball(labels: np.ndarray, centre: np.ndarray, radius_mm: float) -> None:
    """Set the voxels of a ball to 1."""
    reach = radius_mm / SPACING_MM + 1
    sides = [slice(max(0, int(c - r)), int(c + r) + 2) for c, r in zip(centre, reach, strict=True)]
    part = labels[tuple(sides)]
    grid = np.indices(part.shape).transpose(1, 2, 3, 0) + [side.start for side in sides]
    part[(((grid - centre) * SPACING_MM) ** 2).sum(-1) < radius_mm**2] = 1


def write_case(folder: Path, name: str, shape: tuple[int, int, int], rng: np.random.Generator) -> None:
    """A reference and a prediction that is not quite it."""
    reference, prediction = np.zeros(shape, np.uint8), np.zeros(shape, np.uint8)
    low, high = 0.15 * np.array(shape), 0.85 * np.array(shape)
    for _ in range(N_NODULES):
        centre, radius_mm = rng.uniform(low, high), rng.uniform(2, 15)
        draw_ball(reference, centre, radius_mm)
        draw_ball(prediction, centre + rng.normal(0, 2, 3), radius_mm * rng.uniform(0.8, 1.2))
    for _ in range(N_FALSE):
        draw_ball(prediction, rng.uniform(low, high), rng.uniform(1, 5))
    for kind, labels in (("reference", reference), ("prediction", prediction)):
        image = sitk.GetImageFromArray(labels)
        image.SetSpacing(SPACING_MM[::-1].tolist())
        (folder / kind).mkdir(exist_ok=True)
        sitk.WriteImage(image, str(folder / kind / f"{name}.nii.gz"), True)


def cpu_seconds() -> float:
    """CPU time of this process and of its children that have ended."""
    return sum(sum(resource.getrusage(kind)[:2]) for kind in (resource.RUSAGE_SELF, resource.RUSAGE_CHILDREN))


def seconds(folder: Path, n_cases: int, workers: int) -> np.ndarray:
    """The time and the CPU time of evaluating so many cases, the files over and over."""
    cases = [case_files(folder, f"case_{i % N_FILES}") for i in range(n_cases)]
    started = np.array([time.perf_counter(), cpu_seconds()])
    outcomes = evaluate_cases(cases, LABELS, DEFAULT_OPTIONS, workers=workers)
    assert all(isinstance(outcome, CaseResult) for outcome in outcomes)
    return np.array([time.perf_counter(), cpu_seconds()]) - started


def case_files(folder: Path, name: str) -> CaseFiles:
    """The files of one case."""
    prediction, reference = (folder / kind / f"{name}.nii.gz" for kind in ("prediction", "reference"))
    return CaseFiles(name, None, prediction, reference, folder / "none.npz")


def main() -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawTextHelpFormatter)
    for name, default in (("cases", 40), ("workers", 1), ("slices", 300), ("size", 512)):
        parser.add_argument(f"--{name}", type=int, default=default)
    options = parser.parse_args()
    rng = np.random.default_rng(0)
    few = 8 * options.workers  # fewer cases would be given to fewer workers
    with tempfile.TemporaryDirectory() as place:
        folder = Path(place)
        for i in range(N_FILES):
            write_case(folder, f"case_{i}", (options.slices, options.size, options.size), rng)
        if options.workers == 1:
            seconds(folder, 1, 1)  # a single worker is this process, which starts but once
        start = seconds(folder, few, options.workers)
        per_case = (seconds(folder, few + options.cases, options.workers) - start) / options.cases
    kinds = (resource.RUSAGE_SELF, resource.RUSAGE_CHILDREN)
    memory_gb = max(resource.getrusage(kind).ru_maxrss for kind in kinds) / 1e6
    print(f"start and {few} cases: {start[0]:.1f} s, CPU time {start[1]:.1f} s")
    print(f"each further case: {per_case[0]:.2f} s, CPU time {per_case[1]:.2f} s")
    wall, cpu = (start + (N_SCANS - few) * per_case) / 60
    print(f"{N_SCANS} scans: {wall:.1f} min, CPU time {cpu:.1f} min; {memory_gb:.1f} GB a process")


if __name__ == "__main__":
    main()
