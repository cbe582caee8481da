"""Time and memory of `raemd evaluate` on scans as large as LUNA16's.

    python benchmarks/evaluation_speed.py [--cases 8] [--workers 1] [--slices 300] [--size 512]

Makes references with five nodules and predictions that move, resize and add some, then evaluates them as
`raemd evaluate` does. Printed are the time and the CPU time per case, what 888 scans would take, and the
greatest memory of one process. What the start of the processes costs (torch and MONAI) is measured apart, by
evaluating one case a worker. On a busy machine the CPU time by the number of workers says more.
"""

from __future__ import annotations

import argparse
import resource
import tempfile
import time
from pathlib import Path

import numpy as np
import SimpleITK as sitk

from nnunetv2_raemd.evaluation.folders import PredictionFolder, ReferenceFolder, System, evaluate_folders
from nnunetv2_raemd.evaluation.results import LabelSet, Target

SPACING_MM = np.array([1.0, 0.7, 0.7])  # z, y, x
LABELS = LabelSet((Target("nodule", (1,)),))
N_SCANS = 888
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


def seconds(folder: Path, names: list[str], workers: int) -> np.ndarray:
    """The time and the CPU time of one evaluation."""
    system = System("benchmark", (PredictionFolder(folder / "prediction", frozenset(names)),))
    started = np.array([time.perf_counter(), cpu_seconds()])
    found = evaluate_folders(
        [system], ReferenceFolder(folder / "reference", ".nii.gz"), LABELS, workers=workers
    )
    assert len(found.systems[0].cases) == len(names)
    return np.array([time.perf_counter(), cpu_seconds()]) - started


def main() -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawTextHelpFormatter)
    for name, default in (("cases", 8), ("workers", 1), ("slices", 300), ("size", 512)):
        parser.add_argument(f"--{name}", type=int, default=default)
    options = parser.parse_args()
    rng = np.random.default_rng(0)
    names = [f"case_{i:04d}" for i in range(options.cases + options.workers)]
    with tempfile.TemporaryDirectory() as place:
        folder = Path(place)
        for name in names:
            write_case(folder, name, (options.slices, options.size, options.size), rng)
        few = names[: options.workers]
        seconds(folder, few, options.workers)  # a single worker is this process and starts but once
        start = seconds(folder, few, options.workers)
        per_case = (seconds(folder, names, options.workers) - start) / options.cases
    kinds = (resource.RUSAGE_SELF, resource.RUSAGE_CHILDREN)
    memory_gb = max(resource.getrusage(kind).ru_maxrss for kind in kinds) / 1e6
    print(f"start and {options.workers} cases: {start[0]:.1f} s, CPU time {start[1]:.1f} s")
    print(f"each further case: {per_case[0]:.2f} s, CPU time {per_case[1]:.2f} s")
    wall, cpu = (start + N_SCANS * per_case) / 60
    print(f"{N_SCANS} scans: {wall:.1f} min, CPU time {cpu:.1f} min; {memory_gb:.1f} GB a process")


if __name__ == "__main__":
    main()
