"""Time and memory of `raemd evaluate` on scans as large as LUNA16's.

    python benchmarks/evaluation_speed.py [--cases 40] [--workers 1] [--slices 300] [--size 512]
                                          [--froc [MAP.npz]]

Makes references with five nodules and predictions that move, resize and add some, then evaluates them as
`raemd evaluate` does. --froc adds a probability map, made up or the slices of one of nnU-Net's (of that size)
over and over, and first measures what zlib and ISA-L need to inflate it and do nothing else. Printed are
the time and the CPU time per case, what 888 scans would take, and the greatest memory of one process. What
the start of the processes costs (torch and MONAI) is measured apart, by evaluating a few cases a worker
first. On a busy machine the CPU time by the number of workers says more.
"""

from __future__ import annotations

import argparse
import resource
import struct
import tempfile
import time
import zipfile
import zlib
from dataclasses import replace
from importlib import import_module
from importlib.util import find_spec
from pathlib import Path
from typing import Any

import numpy as np
import SimpleITK as sitk
from scipy.ndimage import zoom

from nnunetv2_raemd.evaluation.case_evaluation import CaseFiles
from nnunetv2_raemd.evaluation.case_pool import evaluate_cases
from nnunetv2_raemd.evaluation.case_results import CaseResult
from nnunetv2_raemd.evaluation.evaluation_options import DEFAULT_OPTIONS, EvaluationOptions
from nnunetv2_raemd.nnunet_files.label_set import LabelSet, Target

SPACING_MM = np.array([1.0, 0.7, 0.7])  # z, y, x
LABELS = LabelSet((Target("nodule", (1,)),))
N_SCANS = 888
N_FILES = 4
MAP = "map.npz"
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


def write_map(file: Path, shape: tuple[int, int, int], source: str, rng: np.random.Generator) -> None:
    """A probability map (background, nodule) as nnU-Net writes them."""
    if source:
        with np.load(source) as arrays:
            found = arrays["probabilities"]
        if found.shape[2:] != shape[1:]:
            raise SystemExit(f"{source} has slices of {found.shape[2:]} voxels, not of {shape[1:]}")
        maps = found[:, np.arange(shape[0]) % found.shape[1]]
    else:
        maps = np.stack([made_up_slice(shape[1:], rng) for _ in range(shape[0])], axis=1)
    np.savez_compressed(file, probabilities=maps)
    print(f"{file.stat().st_size / 1e6:.0f} MB of probabilities, {maps.nbytes / 1e6:.0f} MB inflated")


def made_up_slice(shape: tuple[int, ...], rng: np.random.Generator) -> np.ndarray:
    """Both channels of a slice: an unsure network's logits at half the resolution, resampled, and a spot."""
    logits = zoom(
        rng.normal(-10, 1.5, (shape[0] // 2, shape[1] // 2)), 2, order=1, grid_mode=True, mode="nearest"
    )
    y, x = rng.integers(int(0.2 * shape[0]), int(0.8 * shape[0]), 2)
    logits[y : y + 9, x : x + 9] += 13
    return np.stack([1 / (1 + np.exp(logits)), 1 / (1 + np.exp(-logits))]).astype(np.float32)


def inflate_seconds(file: Path, inflater: Any) -> float:
    """CPU time of inflating the map."""
    with zipfile.ZipFile(file) as archive:
        member = archive.getinfo("probabilities.npy")
    content = file.read_bytes()
    start = member.header_offset + 30 + sum(struct.unpack_from("<HH", content, member.header_offset + 26))
    inflate = inflater.decompressobj(-zlib.MAX_WBITS)
    started = time.process_time()
    for first in range(start, start + member.compress_size, 1 << 18):
        inflate.decompress(content[first : first + (1 << 18)])
    return time.process_time() - started


def cpu_seconds() -> float:
    """CPU time of this process and of its children that have ended."""
    return sum(sum(resource.getrusage(kind)[:2]) for kind in (resource.RUSAGE_SELF, resource.RUSAGE_CHILDREN))


def seconds(folder: Path, n_cases: int, workers: int, options: EvaluationOptions) -> np.ndarray:
    """The time and the CPU time of evaluating so many cases, the files over and over."""
    cases = [case_files(folder, f"case_{i % N_FILES}") for i in range(n_cases)]
    started = np.array([time.perf_counter(), cpu_seconds()])
    outcomes = evaluate_cases(cases, LABELS, options, workers=workers)
    assert all(isinstance(outcome, CaseResult) for outcome in outcomes)
    return np.array([time.perf_counter(), cpu_seconds()]) - started


def case_files(folder: Path, name: str) -> CaseFiles:
    """The files of one case."""
    prediction, reference = (folder / kind / f"{name}.nii.gz" for kind in ("prediction", "reference"))
    return CaseFiles(name, None, prediction, reference, folder / MAP)


def print_inflate_seconds(file: Path) -> None:
    """What no reader of the map can fall below."""
    for name, module in (("zlib", "zlib"), ("ISA-L", "isal.isal_zlib")):
        if find_spec(module.split(".")[0]):
            print(f"inflating alone, {name}: CPU time {inflate_seconds(file, import_module(module)):.2f} s")


def main() -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawTextHelpFormatter)
    for name, default in (("cases", 40), ("workers", 1), ("slices", 300), ("size", 512)):
        parser.add_argument(f"--{name}", type=int, default=default)
    parser.add_argument("--froc", nargs="?", const="", metavar="MAP.npz")
    given = parser.parse_args()
    shape, rng = (given.slices, given.size, given.size), np.random.default_rng(0)
    options = replace(DEFAULT_OPTIONS, froc=given.froc is not None)
    few = 8 * given.workers  # fewer cases would be given to fewer workers
    with tempfile.TemporaryDirectory() as place:
        folder = Path(place)
        for i in range(N_FILES):
            write_case(folder, f"case_{i}", shape, rng)
        if options.froc:
            write_map(folder / MAP, shape, given.froc, rng)
            print_inflate_seconds(folder / MAP)
        if given.workers == 1:
            seconds(folder, 1, 1, options)  # a single worker is this process, which starts but once
        start = seconds(folder, few, given.workers, options)
        per_case = (seconds(folder, few + given.cases, given.workers, options) - start) / given.cases
    kinds = (resource.RUSAGE_SELF, resource.RUSAGE_CHILDREN)
    memory_gb = max(resource.getrusage(kind).ru_maxrss for kind in kinds) / 1e6
    print(f"start and {few} cases: {start[0]:.1f} s, CPU time {start[1]:.1f} s")
    print(f"each further case: {per_case[0]:.2f} s, CPU time {per_case[1]:.2f} s")
    wall, cpu = (start + (N_SCANS - few) * per_case) / 60
    print(f"{N_SCANS} scans: {wall:.1f} min, CPU time {cpu:.1f} min; {memory_gb:.1f} GB a process")


if __name__ == "__main__":
    main()
