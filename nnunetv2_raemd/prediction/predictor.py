"""nnU-Net's predictor, with a sliding window that computes no slice twice."""

from __future__ import annotations

import itertools
from collections.abc import Iterable, Iterator
from typing import Any

import torch
from acvl_utils.cropping_and_padding.padding import pad_nd_image
from nnunetv2.inference.predict_from_raw_data import nnUNetPredictor
from nnunetv2.inference.sliding_window_prediction import compute_gaussian, compute_steps_for_sliding_window
from nnunetv2.utilities.helpers import dummy_context, empty_cache
from torch import Tensor, nn
from torch._dynamo import OptimizedModule
from tqdm import tqdm

from nnunetv2_raemd.architecture.raemd_net import RAEMDNet
from nnunetv2_raemd.errors import UserError
from nnunetv2_raemd.prediction.column import Column
from nnunetv2_raemd.prediction.slice_stream import stream_logits
from nnunetv2_raemd.prediction.slice_windows import slice_windows

WeightedTile = tuple[tuple[slice, slice], Tensor]
HAS_NAN = "the image contains NaN: replace such voxels (in CT, with air at -1024 HU)"


class WholeScanPredictor(nnUNetPredictor):
    """nnU-Net's predictor for models of RAEMD-Net; it predicts those of other networks as nnU-Net does.

    nnU-Net's windows overlap by half along the slices, so that it runs the whole network twice on every
    slice, and weights both results. Here the windows lie at the same places, but encoder and decoder run
    once: only what the recurrence makes of a slice is averaged. Tiles and mirroring are nnU-Net's.
    """

    @torch.inference_mode()
    def predict_sliding_window_return_logits(self, input_image: Tensor) -> Tensor:
        """(C, Z, Y, X) to logits (classes, Z, Y, X) in half precision.

        Raises:
            UserError: if the image contains NaN, or the network's result is not finite.
        """
        if _has_nan(input_image):
            raise UserError(HAS_NAN)
        network = uncompiled(self.network)
        if not isinstance(network, RAEMDNet):
            return super().predict_sliding_window_return_logits(input_image)
        network.to(self.device).eval()
        empty_cache(self.device)
        with torch.autocast(self.device.type) if self.device.type == "cuda" else dummy_context():
            logits = self._predict_whole(network, input_image)
        empty_cache(self.device)
        _check_finite(logits)
        return logits

    def _predict_whole(self, network: RAEMDNet, image: Tensor) -> Tensor:
        if self.perform_everything_on_device:
            try:
                return self._predict_to(self.device, network, image)
            except torch.cuda.OutOfMemoryError:
                print("The results do not fit on the device; they are kept in main memory")
            # only here: while the exception is handled, it holds what was on the device
            empty_cache(self.device)
        return self._predict_to(torch.device("cpu"), network, image)

    def _predict_to(self, results_device: torch.device, network: RAEMDNet, image: Tensor) -> Tensor:
        patch_size = tuple(self.configuration_manager.patch_size)
        padded, revert = pad_nd_image(image, patch_size, "constant", {"value": 0}, True, None)
        _, n_slices, *size = padded.shape
        heads = self.label_manager.num_segmentation_heads
        logits = torch.zeros((heads, n_slices, *size), dtype=torch.half, device=results_device)
        windows = list(slice_windows(n_slices, patch_size[0], step=self.tile_step_size))
        tiles, flips = list(self._weighted_tiles(size, patch_size[1:])), list(self._flips())
        with tqdm(total=len(tiles) * len(flips) * n_slices, unit="slice", disable=not self.allow_tqdm) as bar:
            for (tile, weight), axes in itertools.product(tiles, flips):
                share = (weight / len(flips)).to(results_device)
                column = Column(padded[_region(tile)], axes)
                results = Column(logits[_region(tile)], axes)
                for slices, values in stream_logits(network, column, windows, self.device):
                    results.add(slices.start, slices.stop, values.to(results_device), share)
                    bar.update(len(values))
        return logits[_region(revert[1:])]

    def _weighted_tiles(self, image_size: list[int], tile_size: tuple[int, ...]) -> Iterator[WeightedTile]:
        """nnU-Net's in-plane tiles with its Gaussian weights, which sum up to 1 at every pixel.

        nnU-Net divides by the sum of weights at the end. In half precision that is coarse at the corners of a
        tile, where the Gaussian is nearly 0.
        """
        weight = self._weight(tile_size)
        starts = compute_steps_for_sliding_window(tuple(image_size), tile_size, self.tile_step_size)
        tiles = [
            (slice(row, row + tile_size[0]), slice(column, column + tile_size[1]))
            for row, column in itertools.product(*starts)
        ]
        total = torch.zeros(image_size)
        for tile in tiles:
            total[tile] += weight
        for tile in tiles:
            yield tile, weight / total[tile]

    def _weight(self, size: tuple[int, ...]) -> Tensor:
        """Weight of a tile's pixels before they are made to sum up to 1, (H, W)."""
        if not self.use_gaussian:
            return torch.ones(size)
        gaussian: Tensor = compute_gaussian(size, dtype=torch.float32, device=torch.device("cpu"))
        return gaussian

    def _flips(self) -> Iterator[tuple[int, ...]]:
        """The axes of (C, Z, Y, X) to flip, for each prediction that is averaged."""
        axes = [1 + axis for axis in self.allowed_mirroring_axes or ()] if self.use_mirroring else []
        for n_flipped in range(len(axes) + 1):
            yield from itertools.combinations(axes, n_flipped)


def uncompiled(network: nn.Module) -> nn.Module:
    """The network itself, also of what torch.compile made of it, whose weights go by other names."""
    return network._orig_mod if isinstance(network, OptimizedModule) else network


def _has_nan(image: Tensor) -> bool:
    """Whether one of (C, Z, Y, X) is NaN; a slice at a time, which takes no memory of the size of a scan."""
    return any(bool(in_slice.isnan().any()) for in_slice in image.unbind(1))


def _check_finite(logits: Tensor) -> None:
    """Raise a `UserError` unless all of (classes, Z, Y, X) are finite: NaN would come out as background."""
    if not all(bool(in_slice.isfinite().all()) for in_slice in logits.unbind(1)):
        raise UserError(
            "the network's result is not finite: the training has diverged, or the image holds values far "
            "from those of the training"
        )


def _region(last_axes: Iterable[slice]) -> tuple[Any, ...]:
    """Index of a part of an image by slices of its last axes."""
    return (..., *last_axes)
