"""What a part or a setting of RAEMD-Net does to accuracy: small networks on phantom scans, without nnU-Net.

    python benchmarks/phantom_dice.py [--networks "plain U-Net" default] [--seeds 1 2 3] [--iterations 450]

The phantom's vessels look like nodules in one slice. Every network sees the same random blocks of 8 slices
of 48 x 48 pixels (1.2 mm) of 18 scans, half of them around a nodule, with Adam at 1e-3, a tenth of that for
the last fifth. Printed is, per seed, the Dice over all voxels of 80 such blocks of 10 other scans, with mean
and standard deviation over the seeds, and the mean Dice of these scans predicted whole, 40 slices as one
sequence. The latter varies much more: after so few iterations, false positives of a single scan decide. One
stage down, pixels are twice as large: the default, recurrence at the second of four stages, is at 2.4 mm.
"""

from __future__ import annotations

import argparse
from typing import Any

import numpy as np
import torch
from nnunetv2.training.loss.compound_losses import DC_and_CE_loss
from nnunetv2.training.loss.deep_supervision import DeepSupervisionWrapper
from nnunetv2.training.loss.dice import MemoryEfficientSoftDiceLoss
from torch import Tensor, nn

from nnunetv2_raemd.architecture import RAEMDNet
from nnunetv2_raemd.phantom.configuration import PhantomConfiguration
from nnunetv2_raemd.phantom.thorax import make_thorax

N_STAGES, FEATURES = 4, 16
BLOCK = (8, 48, 48)
BLOCKS_PER_BATCH = 2
PHANTOM = PhantomConfiguration(shape=(40, 160, 160), spacing_mm=(2.5, 1.2, 1.2), seed=2)
N_TRAINING, N_HELD_OUT = 18, 10
N_TEST_BATCHES = 40
PARTS_OFF: dict[str, Any] = {
    "multi_scale": False,
    "dense": False,
    "attention": False,
    "n_recurrent_stages": 0,
}
TOPOLOGY: dict[str, Any] = {
    "n_stages": N_STAGES,
    "features_per_stage": [FEATURES * 2**stage for stage in range(N_STAGES)],
    "kernel_sizes": 3,
    "strides": [1, 2, 2, 2],
    "n_conv_per_stage": 2,
    "n_conv_per_stage_decoder": 2,
    "norm_op_kwargs": {"eps": 1e-5, "affine": True},
    "nonlin_kwargs": {"inplace": True},
    "deep_supervision": True,
}
DEFAULT: dict[str, Any] = {"n_recurrent_stages": N_STAGES - 1}
NETWORKS: dict[str, dict[str, Any]] = {
    "plain U-Net": PARTS_OFF,
    "without recurrence": {**DEFAULT, "n_recurrent_stages": 0},
    "without attention": {**DEFAULT, "attention": False},
    "without multi-scale": {**DEFAULT, "multi_scale": False},
    "without dense": {**DEFAULT, "dense": False},
    "recurrence at 1.2 mm": {**DEFAULT, "n_recurrent_stages": N_STAGES},
    "recurrence at 4.8 mm": {**DEFAULT, "n_recurrent_stages": N_STAGES - 2},
    "recurrence half as wide": {**DEFAULT, "hidden_divisor": 8},
    "default": DEFAULT,
}
Scan = tuple[np.ndarray, np.ndarray]


def phantom_scans() -> list[Scan]:
    """Images, roughly normalised, and masks."""
    thoraxes = (make_thorax(PHANTOM, case) for case in range(N_TRAINING + N_HELD_OUT))
    return [
        (((t.hu.astype(np.float32) + 300) / 350).clip(-3, 3), (t.lesion_labels > 0).astype(np.int64))
        for t in thoraxes
    ]


def random_block(scan: Scan, rng: np.random.Generator, *, around_a_nodule: bool) -> Scan:
    """A block of a scan, perhaps mirrored in-plane."""
    image, mask = scan
    highest = np.subtract(image.shape, BLOCK)
    corner = rng.integers(highest + 1)
    if around_a_nodule and mask.any():
        voxels = np.argwhere(mask)
        jitter = [rng.integers(-size // 4, size // 4 + 1) for size in BLOCK]
        corner = np.clip(voxels[rng.integers(len(voxels))] - np.array(BLOCK) // 2 + jitter, 0, highest)
    block = tuple(slice(low, low + size) for low, size in zip(corner, BLOCK, strict=True))
    flips = tuple(axis for axis in (1, 2) if rng.random() < 0.5)
    return np.flip(image[block], flips).copy(), np.flip(mask[block], flips).copy()


def random_batch(scans: list[Scan], rng: np.random.Generator) -> tuple[Tensor, list[Tensor]]:
    """Blocks (B, 1, T, H, W) and targets for deep supervision."""
    blocks = [
        random_block(scans[rng.integers(len(scans))], rng, around_a_nodule=bool(i % 2))
        for i in range(BLOCKS_PER_BATCH)
    ]
    images, masks = (torch.from_numpy(np.stack(part))[:, None] for part in zip(*blocks, strict=True))
    steps = [2**stage for stage in range(N_STAGES - 1)]
    return images, [masks[..., ::step, ::step].float() for step in steps]


def train(network: nn.Module, scans: list[Scan], iterations: int, seed: int) -> None:
    """Dice and cross-entropy with deep supervision, as nnU-Net; the seed decides about the blocks."""
    rng = np.random.default_rng(seed)
    settings = {"batch_dice": True, "smooth": 1e-5, "do_bg": False, "ddp": False}
    loss = DeepSupervisionWrapper(
        DC_and_CE_loss(settings, {}, dice_class=MemoryEfficientSoftDiceLoss), [4 / 7, 2 / 7, 1 / 7]
    )
    optimizer = torch.optim.Adam(network.parameters(), 1e-3)
    schedule = torch.optim.lr_scheduler.MultiStepLR(optimizer, [int(0.8 * iterations)])
    for _ in range(iterations):
        images, targets = random_batch(scans, rng)
        optimizer.zero_grad()
        loss(network(images), targets).backward()
        torch.nn.utils.clip_grad_norm_(network.parameters(), 12)
        optimizer.step()
        schedule.step()


def dice(predicted: np.ndarray, mask: np.ndarray) -> float:
    """Dice over all voxels."""
    return float(2 * (predicted & mask).sum() / (predicted.sum() + mask.sum()))


def predicted_mask(network: nn.Module, images: Tensor) -> np.ndarray:
    """Class per voxel (B, T, H, W) for images (B, 1, T, H, W)."""
    with torch.no_grad():
        classes: np.ndarray = network(images)[0].argmax(1).numpy()
    return classes


def dice_of_blocks(network: nn.Module, scans: list[Scan]) -> float:
    """Dice over all voxels of blocks that are the same for every network."""
    rng = np.random.default_rng(99)
    batches = [random_batch(scans, rng) for _ in range(N_TEST_BATCHES)]
    predicted = np.concatenate([predicted_mask(network, images) for images, _ in batches])
    masks = np.concatenate([targets[0][:, 0].numpy().astype(np.int64) for _, targets in batches])
    return dice(predicted, masks)


def dice_of_scans(network: nn.Module, scans: list[Scan]) -> float:
    """Mean Dice of whole scans, each predicted as one sequence."""
    images = (torch.from_numpy(image)[None, None] for image, _ in scans)
    return float(
        np.mean(
            [
                dice(predicted_mask(network, image)[0], mask)
                for image, (_, mask) in zip(images, scans, strict=True)
            ]
        )
    )


def main() -> None:
    """Train every network for every seed and print the table as it grows."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawTextHelpFormatter)
    parser.add_argument("--networks", nargs="+", choices=list(NETWORKS), default=list(NETWORKS))
    parser.add_argument("--seeds", type=int, nargs="+", default=[1, 2, 3])
    parser.add_argument("--iterations", type=int, default=450)
    options = parser.parse_args()
    torch.set_flush_denormal(True)
    scans = phantom_scans()
    print("| network | Dice of blocks | mean | deviation | Dice of scans | mean |\n|---|---|---|---|---|---|")
    for name in options.networks:
        blocks, whole = [], []
        for seed in options.seeds:
            torch.manual_seed(seed)
            network = RAEMDNet(1, 2, **TOPOLOGY, **NETWORKS[name])
            network.apply(network.initialize)
            train(network, scans[:N_TRAINING], options.iterations, seed)
            network.eval()
            blocks.append(dice_of_blocks(network, scans[N_TRAINING:]))
            whole.append(dice_of_scans(network, scans[N_TRAINING:]))
        block_row, whole_row = (", ".join(f"{value:.2f}" for value in row) for row in (blocks, whole))
        spread = f"{np.mean(blocks):.2f} | {np.std(blocks, ddof=min(1, len(blocks) - 1)):.2f}"
        print(f"| {name} | {block_row} | {spread} | {whole_row} | {np.mean(whole):.2f} |", flush=True)


if __name__ == "__main__":
    main()
