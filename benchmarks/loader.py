"""What nnU-Net's data loader takes for slices and for blocks of slices, by how the scans are stored.

    python benchmarks/loader.py --folder FOLDER [--sequences 4 16] [--workers 0 1 2] [--rounds 5]

Makes scans of 300 x 512 x 512 in FOLDER (about 1 GB, kept for another run), stored by nnU-Net's own code with
the chunks it chooses for the 2d patch and for blocks of T slices, and draws batches from them in turns: raw
blocks (nothing but reading and cropping), then with the trainers' own loaders and augmentation in that many
worker processes. Files come from the page cache, as after the first epoch on a machine with enough memory.
"""

from __future__ import annotations

import argparse
import contextlib
import io
import os
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import torch
from batchgenerators.dataloading.nondet_multi_threaded_augmenter import NonDetMultiThreadedAugmenter
from batchgenerators.utilities.file_and_folder_operations import save_json
from nnunetv2.training.dataloading.data_loader import nnUNetDataLoader
from nnunetv2.training.dataloading.nnunet_dataset import comp_blosc2_params, nnUNetDatasetBlosc2
from nnunetv2.training.nnUNetTrainer.nnUNetTrainer import nnUNetTrainer

from nnunetv2_raemd.bench.clock import Run, in_turns, pairwise_ratio, seconds, spread
from nnunetv2_raemd.bench.peers import Peer, make_peers
from nnunetv2_raemd.bench.sized_plans import DATASET_JSON, PATCHES_OF_SCAN, SCAN_SHAPE
from nnunetv2_raemd.bench.sizes import Sizes
from nnunetv2_raemd.training.trainer import nnUNetTrainerRAEMD
from nnunetv2_raemd.whole_files import whole_folder

DATASET = "Dataset000_Benchmark"
N_SCANS = 2
BATCH_2D = 12
FLOAT = 4
PREPARED_BATCHES = 8  # the workers keep six ready
TIMED_BATCHES = 6
CPU = torch.device("cpu")


@dataclass(frozen=True)
class Loading:
    """A peer that reads scans stored for a patch."""

    peer: Peer
    stored_for: tuple[int, ...]

    @property
    def name(self) -> str:
        return f"{by(self.peer.configuration['patch_size'])} | {by(self.stored_for)}"

    @property
    def slices_per_batch(self) -> int:
        batch, _, *patch = self.peer.batch_shape
        return batch * (1 if len(patch) == 2 else patch[0])


def by(shape: Any) -> str:
    """As in 4 x 512 x 512."""
    return " x ".join(map(str, shape))


def identifier(stored_for: tuple[int, ...]) -> str:
    """Folder of the scans that are stored for that patch."""
    return "stored_for_" + "_".join(map(str, stored_for))


def make_scan(seed: int) -> tuple[np.ndarray, np.ndarray]:
    """A normalised image (1, z, y, x) as noisy as CT, whose air is constant, and its labels: one ball."""
    rng = np.random.default_rng(seed)
    z, y, x = (np.arange(size, dtype=np.float32) for size in SCAN_SHAPE)
    radius = np.hypot((y[:, None] - 256) / 180, (x[None] - 256) / 240)
    image = np.empty(SCAN_SHAPE, np.float32)
    for index in range(SCAN_SHAPE[0]):
        hu = np.where(radius < 0.7, -850, 40) + rng.normal(0, 25, SCAN_SHAPE[1:])
        image[index] = np.where(radius < 1, hu, -1024)
    center = rng.integers(60, 240, 3)
    distance = (z[:, None, None] - center[0]) ** 2 + (y[:, None] - center[1]) ** 2 + (x - center[2]) ** 2
    labels = (distance < 100).astype(np.int16)
    image[labels > 0] = 40
    return ((image + 300) / 350)[None], labels[None]


def store(folder: Path, stored_for: tuple[int, ...]) -> None:
    """The scans as nnU-Net's preprocessor saves them for that patch, unless they are there."""
    target = folder / identifier(stored_for)
    if target.is_dir():
        return
    with whole_folder(target) as making:
        for case in range(N_SCANS):
            _store_scan(case, making, stored_for)


def _store_scan(case: int, folder: Path, stored_for: tuple[int, ...]) -> None:
    image, labels = make_scan(case)
    blocks, chunks = comp_blosc2_params(image.shape, stored_for, image.itemsize)
    blocks_seg, chunks_seg = comp_blosc2_params(labels.shape, stored_for, labels.itemsize)
    nnUNetDatasetBlosc2.save_case(
        image,
        labels,
        {"class_locations": {1: np.argwhere(labels)}},
        str(folder / f"case_{case}"),
        chunks=chunks,
        blocks=blocks,
        chunks_seg=chunks_seg,
        blocks_seg=blocks_seg,
    )


def surplus(patch: tuple[int, ...], stored_for: tuple[int, ...]) -> tuple[Any, Any, float, float]:
    """Chunk and block shapes, and how many times the bytes of a patch its chunks and blocks hold.

    Means over all slices that a patch can begin at; in-plane it covers the scan. Reading decompresses whole
    blocks; chunks are only looked up.
    """
    blocks, chunks = comp_blosc2_params((1, *SCAN_SHAPE), stored_for, FLOAT)
    depth = 1 if len(patch) == 2 else patch[0]
    starts = np.arange(SCAN_SHAPE[0] - depth + 1)
    times = []
    for unit in (chunks, blocks):
        slices = ((starts + depth - 1) // unit[1] - starts // unit[1] + 1) * unit[1]
        padded = [-(-size // part) * part for size, part in zip(SCAN_SHAPE[1:], unit[2:], strict=True)]
        times.append(float(slices.mean()) / depth * np.prod(padded) / np.prod(SCAN_SHAPE[1:]))
    return chunks[1:], blocks[1:], times[0], times[1]


def new_trainer(loading: Loading) -> nnUNetTrainer:
    """The peer's trainer, reading the scans as they are stored."""
    plan = {**loading.peer.plan, "continue_training": False}
    configuration = {**loading.peer.configuration, "data_identifier": identifier(loading.stored_for)}
    configuration["use_mask_for_norm"] = [False]
    plan["configurations"] = {loading.peer.configuration_name: configuration}
    kind = nnUNetTrainer if loading.peer.recipe is None else nnUNetTrainerRAEMD
    with contextlib.redirect_stdout(io.StringIO()):
        trainer = kind(plan, loading.peer.configuration_name, 0, DATASET_JSON, CPU)
        trainer._set_batch_size_and_oversample()
    trainer.dataset_class = nnUNetDatasetBlosc2
    return trainer


def raw_blocks(loading: Loading) -> Run:
    """Draw a batch without augmentation."""
    trainer = new_trainer(loading)
    patch = loading.peer.configuration["patch_size"]
    with contextlib.redirect_stdout(io.StringIO()):
        dataset, _ = trainer.get_tr_and_val_datasets()
    loader = nnUNetDataLoader(
        dataset,
        trainer.batch_size,
        patch,
        patch,
        trainer.label_manager,
        trainer.oversample_foreground_percent,
    )
    return loader.generate_train_batch


@contextlib.contextmanager
def augmented(loading: Loading, workers: int) -> Iterator[Run]:
    """Draw a batch from the trainer's own loader, with its augmentation."""
    os.environ.update({"nnUNet_n_proc_DA": str(workers)})
    with contextlib.redirect_stdout(io.StringIO()):
        training, validation = new_trainer(loading).get_dataloaders()
    try:
        yield lambda: next(training)
    finally:
        for loader in (training, validation):
            if isinstance(loader, NonDetMultiThreadedAugmenter):
                loader._finish()


def time_raw(loadings: list[Loading], n_rounds: int) -> dict[str, list[float]]:
    """Seconds per batch without augmentation."""
    runs = {loading.name: raw_blocks(loading) for loading in loadings}
    for run in runs.values():
        run()
    return in_turns(runs, range(n_rounds), CPU)


def time_augmented(loadings: list[Loading], workers: int, n_rounds: int) -> dict[str, list[float]]:
    """Seconds per batch with augmentation, in the steady state.

    Worker processes do not wait for their turn, so that only one loader is there at a time.
    """
    measured: dict[str, list[float]] = {loading.name: [] for loading in loadings}
    for _ in range(n_rounds):
        for loading in loadings:
            with augmented(loading, workers) as run:
                for _ in range(PREPARED_BATCHES if workers else 1):
                    run()
                together = seconds(lambda: [run() for _ in range(TIMED_BATCHES)], CPU)
            measured[loading.name].append(together / TIMED_BATCHES)
    return measured


def main() -> None:
    """Measure and print the tables."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawTextHelpFormatter)
    parser.add_argument("--folder", type=Path, required=True)
    parser.add_argument("--sequences", type=int, nargs="+", default=[4, 16])
    parser.add_argument("--workers", type=int, nargs="*", default=[0, 1, 2])
    parser.add_argument("--rounds", type=int, default=5)
    options = parser.parse_args()
    torch.set_num_threads(1)
    folders = {"nnUNet_preprocessed": options.folder, "nnUNet_results": options.folder / "results"}
    os.environ.update({name: str(folder) for name, folder in folders.items()})
    loadings = prepare(options.folder / DATASET, options.sequences)
    print("| patch | stored for | chunk | block | bytes in chunks | in blocks |\n|---|---|---|---|---|---|")
    for loading in loadings:
        patch = tuple(loading.peer.configuration["patch_size"])
        chunk, block, in_chunks, in_blocks = surplus(patch, loading.stored_for)
        print(f"| {loading.name} | {by(chunk)} | {by(block)} | x {in_chunks:.2f} | x {in_blocks:.2f} |")
    print(
        "\n| patch | stored for | augmentation, workers | slices/s | relative to 2d |\n|---|---|---|---|---|"
    )
    show(loadings, "none, 0", time_raw(loadings, 4 * options.rounds))
    for workers in options.workers:
        show(loadings, f"nnU-Net's, {workers}", time_augmented(loadings, workers, options.rounds))


def prepare(folder: Path, sequences: list[int]) -> list[Loading]:
    """Store the scans and split them (all are trained on); the loadings to compare, 2d first."""
    flat = PATCHES_OF_SCAN[2]
    loadings = [Loading(make_peers(["nnunet-2d"], Sizes(flat[0], BATCH_2D, 1, 32))[0], flat)]
    for length in sequences:
        ours = make_peers(["raemd"], Sizes(flat[0], 2 * length, length, 32))[0]
        loadings += [Loading(ours, flat), Loading(ours, (length, *flat))]
    for stored_for in dict.fromkeys(loading.stored_for for loading in loadings):
        store(folder, stored_for)
    cases = [f"case_{case}" for case in range(N_SCANS)]
    save_json([{"train": cases, "val": cases}], str(folder / "splits_final.json"))
    save_json(DATASET_JSON, str(folder / "dataset.json"))
    return loadings


def show(loadings: list[Loading], how: str, measured: dict[str, list[float]]) -> None:
    """Rows of the table."""
    per_slice = {
        loading.name: [value / loading.slices_per_batch for value in measured[loading.name]]
        for loading in loadings
    }
    reference = per_slice[loadings[0].name]
    for name, values in per_slice.items():
        ratio = pairwise_ratio(values, reference)
        print(f"| {name} | {how} | {1 / spread(values).median:.0f} | {ratio.median:.2f} |", flush=True)


if __name__ == "__main__":
    main()
