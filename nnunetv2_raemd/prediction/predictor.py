"""Predictions with a sliding window that computes no slice twice.

nnU-Net's own predictor, which takes seconds to import, is not needed for it: see `nnunet_predictor`.
"""

from __future__ import annotations

import copy
import itertools
from collections.abc import Iterable, Iterator, Sequence
from pathlib import Path
from typing import Any

import torch
from acvl_utils.cropping_and_padding.padding import pad_nd_image
from nnunetv2.inference.sliding_window_prediction import compute_gaussian
from nnunetv2.utilities.helpers import dummy_context, empty_cache
from nnunetv2.utilities.label_handling.label_handling import LabelManager
from nnunetv2.utilities.plans_handling.plans_handler import ConfigurationManager, PlansManager
from torch import Tensor, nn

from nnunetv2_raemd.errors import UserError
from nnunetv2_raemd.freed_memory import keep_freed_memory
from nnunetv2_raemd.prediction.column import SLICE_AXIS, Column
from nnunetv2_raemd.prediction.pass_spread import PassSpread
from nnunetv2_raemd.prediction.segmentation_export import Postprocessor
from nnunetv2_raemd.prediction.slice_progress import slice_progress
from nnunetv2_raemd.prediction.slice_stream import stream_logits
from nnunetv2_raemd.prediction.slice_windows import SliceWindow
from nnunetv2_raemd.prediction.sliced_network import SlicedNetwork
from nnunetv2_raemd.prediction.tiling import Tiling, size_multiples
from nnunetv2_raemd.volumes.boxes import Box

CPU = torch.device("cpu")
WeightedTile = tuple[tuple[slice, slice], Tensor]
HAS_NAN = "the image contains NaN: replace such voxels (in CT, with air at -1024 HU)"


class WholeScanPredictor:
    """Predicts scans with networks in three thirds (`SlicedNetwork`); settings are those of nnU-Net's.

    nnU-Net's windows overlap by half along the slices, so that it runs the whole network twice on every
    slice, and weights both results. Here the windows lie at the same places, but encoder and decoder run
    once: only what the recurrence makes of a slice is averaged. Tiles and mirroring are nnU-Net's.

    Attributes:
        fold_networks: whose predictions are averaged.
        part: of each image (Z, Y, X) that is predicted; None for all of it.
        model_folder: where the model lies, set by `load_model`; beside its folds there may be a calibration.
        postprocessor: what an exported model does to its segmentations.
        spread: is shown each pass, if there is one.
        prints_tenths: whether a line is printed each tenth of a scan where no bar is shown.
    """

    plans_manager: PlansManager
    configuration_manager: ConfigurationManager
    dataset_json: dict[str, Any]
    label_manager: LabelManager
    trainer_name: str
    network: nn.Module
    allowed_mirroring_axes: tuple[int, ...] | None
    fold_networks: Sequence[nn.Module] = ()
    part: Box | None = None
    model_folder: Path | None = None
    postprocessor: Postprocessor | None = None
    spread: PassSpread | None = None
    prints_tenths: bool = False

    def __init__(  # noqa: PLR0913 - nnU-Net's
        self,
        *,
        tile_step_size: float = 0.5,
        use_gaussian: bool = True,
        use_mirroring: bool = True,
        perform_everything_on_device: bool = True,
        device: torch.device = CPU,
        verbose: bool = False,
        verbose_preprocessing: bool = False,
        allow_tqdm: bool = True,
    ) -> None:
        self.tile_step_size, self.use_gaussian, self.use_mirroring = (
            tile_step_size,
            use_gaussian,
            use_mirroring,
        )
        self.device = device
        self.perform_everything_on_device = perform_everything_on_device and device.type == "cuda"
        self.verbose, self.verbose_preprocessing, self.allow_tqdm = verbose, verbose_preprocessing, allow_tqdm

    def hold_folds(self) -> None:
        """Hold a network for each fold. Nothing of the predictor changes while it predicts, then: several
        threads may use it at once.
        """

    def first_network(self) -> nn.Module:
        """That of the first fold, with its weights."""
        network: nn.Module = self._networks()[0]
        return network

    @torch.inference_mode()
    def predict_logits_from_preprocessed_data(self, data: Tensor) -> Tensor:
        """(C, Z, Y, X) to the mean logits of all folds (classes, Z, Y, X) in half precision, on the CPU.

        Logits are of the `part`, where there is one.
        """
        return self.predict_sliding_window_return_logits(data).cpu()

    @torch.inference_mode()
    def predict_sliding_window_return_logits(self, input_image: Tensor) -> Tensor:
        """(C, Z, Y, X) to logits (classes, Z, Y, X) in half precision, of all folds that are held.

        Raises:
            UserError: if the image contains NaN, or the network's result is not finite.
        """
        check_has_no_nan(input_image)
        if self.device.type == "cpu":
            keep_freed_memory()
        networks = self._networks()
        for network in networks:
            network.to(self.device).eval()
        empty_cache(self.device)
        with torch.autocast(self.device.type) if self.device.type == "cuda" else dummy_context():
            logits = self._predict_whole(networks, input_image)
        empty_cache(self.device)
        _check_finite(logits)
        return logits

    def _networks(self) -> list[Any]:
        """Those whose predictions are averaged."""
        return [uncompiled(network) for network in self.fold_networks or (self.network,)]

    def _predict_whole(self, networks: Sequence[SlicedNetwork], image: Tensor) -> Tensor:
        if self.perform_everything_on_device:
            try:
                return self._predict_to(self.device, networks, image)
            except torch.cuda.OutOfMemoryError:
                print("The results do not fit on the device; they are kept in main memory")
            # only here: while the exception is handled, it holds what was on the device
            empty_cache(self.device)
        return self._predict_to(torch.device("cpu"), networks, image)

    def _predict_to(
        self, results_device: torch.device, networks: Sequence[SlicedNetwork], image: Tensor
    ) -> Tensor:
        patch_size = tuple(self.configuration_manager.patch_size)
        padded, revert = pad_nd_image(image, patch_size, "constant", {"value": 0}, True, None)
        tiling = self._tiling(tuple(padded.shape[1:]), revert[1:])
        heads = self.label_manager.num_segmentation_heads
        logits = torch.zeros((heads, *padded.shape[1:]), dtype=torch.half, device=results_device)
        if self.spread is not None:
            self.spread.begin(logits.shape)
        tiles, flips = list(self._weighted_tiles(tiling)), list(self._flips())
        passes = list(itertools.product(networks, tiles, flips))
        n_slices = sum(len(tiles) * len(networks) * _n_decoded(_windows(tiling, axes)) for axes in flips)
        with slice_progress(n_slices, bar=self.allow_tqdm, lines=self.prints_tenths) as advance:
            for network, (tile, weight), axes in passes:
                share = (weight / (len(flips) * len(networks))).to(results_device)
                column = Column(padded[_region(tile)], axes)
                results = Column(logits[_region(tile)], axes)
                for slices, values in stream_logits(network, column, _windows(tiling, axes), self.device):
                    results.add(slices.start, slices.stop, values.to(results_device), share)
                    if self.spread is not None:
                        self.spread.add(tile, axes, slices, values, share)
                    advance(len(values))
        if self.spread is not None:
            self.spread.end(revert[1:])
        if tiling.part is None:
            return logits[_region(revert[1:])]
        return logits[_region(tiling.part)].clone()  # not a view, which would hold all of it

    def within(self, part: Box | None) -> WholeScanPredictor:
        """The same model for a `part` of an image; the networks are shared."""
        other = copy.copy(self)
        other.part = part
        return other

    def with_lines(self) -> WholeScanPredictor:
        """The same model for commands, whose logs get lines in the place of a bar."""
        other = copy.copy(self)
        other.prints_tenths = True
        return other

    def _tiling(self, shape: tuple[int, ...], inside: Sequence[slice]) -> Tiling:
        """Of a padded image, in which the image lies `inside`."""
        configuration, step = self.configuration_manager, self.tile_step_size
        patch_size = tuple(configuration.patch_size)
        if self.part is None:
            return Tiling(shape, patch_size, step)
        z, y, x = (
            slice(of_image.start + side.start, of_image.start + side.stop)
            for of_image, side in zip(inside, self.part, strict=True)
        )
        return Tiling(shape, patch_size, step, (z, y, x), size_multiples(configuration, 2))

    def _weighted_tiles(self, tiling: Tiling) -> Iterator[WeightedTile]:
        """Tiles with nnU-Net's Gaussian weights, which sum up to 1 at every pixel.

        nnU-Net divides by the sum of weights at the end. In half precision that is coarse at the corners of a
        tile, where the Gaussian is nearly 0.
        """
        weight, tiles = self._weight(tiling.tile_size), tiling.tiles()
        total = torch.zeros(tiling.shape[1:])
        for tile in tiles:
            total[tile] += weight
        for tile in filter(tiling.shows_part, tiles):
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


def _windows(tiling: Tiling, flipped_axes: tuple[int, ...]) -> list[SliceWindow]:
    return tiling.windows(flipped=SLICE_AXIS in flipped_axes)


def _n_decoded(windows: Sequence[SliceWindow]) -> int:
    return sum(window.done - window.start for window in windows)


def uncompiled(network: nn.Module) -> nn.Module:
    """The network itself, also of what torch.compile made of it, whose weights go by other names."""
    inner: nn.Module = getattr(network, "_orig_mod", network)
    return inner


def check_has_no_nan(image: Tensor) -> None:
    """Raise a `UserError` where (C, Z, Y, X) holds NaN; by slices, which takes no memory of a scan's size."""
    if any(bool(in_slice.isnan().any()) for in_slice in image.unbind(1)):
        raise UserError(HAS_NAN)


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
