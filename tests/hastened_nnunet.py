"""nnU-Net's commands without what takes them seconds for tiny datasets."""

from __future__ import annotations

import multiprocessing
from multiprocessing.pool import ThreadPool
from types import SimpleNamespace

import numpy as np
import pytest
from nnunetv2.experiment_planning.dataset_fingerprint.fingerprint_extractor import DatasetFingerprintExtractor
from nnunetv2.utilities import utils

_collect = DatasetFingerprintExtractor.collect_foreground_intensities
Intensities = tuple[list[np.ndarray], list[dict[str, float]]]


def hasten(patch: pytest.MonkeyPatch) -> None:
    """Threads in the place of pools of processes, and samples in proportion to a tiny dataset.

    A fingerprint otherwise draws a hundred million voxels, however few there are.
    """
    patch.setattr(multiprocessing, "get_context", lambda *_: SimpleNamespace(Pool=ThreadPool))
    patch.setattr(utils, "Pool", ThreadPool)
    patch.setattr(DatasetFingerprintExtractor, "collect_foreground_intensities", staticmethod(_few_samples))


def _few_samples(
    segmentation: np.ndarray, images: np.ndarray, seed: int = 1234, num_samples: int = 0
) -> Intensities:
    found: Intensities = _collect(segmentation, images, seed)  # as many as it takes unless it is told
    return found
