"""That sequences of slices read no more of the scans stored for nnU-Net's 2d than they need."""

from __future__ import annotations

import pytest
from nnunetv2.training.dataloading.nnunet_dataset import comp_blosc2_params


@pytest.mark.parametrize("shape", [(300, 512, 512), (97, 512, 512), (120, 340, 390), (600, 700, 700)])
@pytest.mark.parametrize("patch", [(512, 512), (320, 256), (128, 128)])
@pytest.mark.parametrize("itemsize", [4, 2])
def test_neither_chunks_nor_blocks_reach_over_slices(
    shape: tuple[int, ...], patch: tuple[int, ...], itemsize: int
) -> None:
    blocks, chunks = comp_blosc2_params((1, *shape), patch, itemsize)
    assert blocks[:2] == chunks[:2] == (1, 1)
