"""RAEMD-Net: a U-Net over slices, made of the paper's parts."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import torch
from torch import Tensor, nn

from nnunetv2_raemd.architecture.conv_block import ConvStyle
from nnunetv2_raemd.architecture.conv_lstm import BidirectionalConvLSTM, RecurrentFusion
from nnunetv2_raemd.architecture.decoder import Decoder
from nnunetv2_raemd.architecture.encoder import Encoder, Parts, StageShape
from nnunetv2_raemd.architecture.slices import fold_slices, unfold_slices

PerStage = int | Sequence[int]


class RAEMDNet(nn.Module):
    """Residual-attention enhanced multi-scale dense network over a sequence of CT slices.

    A U-Net whose encoder stages are a multi-scale block (equations 3.1-3.2) and a dense block (3.3), with a
    bidirectional ConvLSTM over the slices (3.4) that the deepest `n_recurrent_stages` stages see and residual
    attention (3.5-3.9) in every decoder stage. With all parts off it is nnU-Net's plain 2D U-Net, slice by
    slice.

    The arguments up to `deep_supervision` are those of nnU-Net's own networks, as its plans carry them; a
    three-entry kernel size or stride must begin with 1, since slices are neither pooled nor convolved. The
    others are those of `Parts`.

    (B, input_channels, T, H, W) to logits (B, num_classes, T, H, W) for any T; with deep supervision, to a
    list of logits, one per decoder stage, finest first. H and W must be multiples of the product of strides.

    Raises:
        ValueError: for arguments that do not fit together, or an input of the wrong rank or with NaN.
    """

    def __init__(  # noqa: PLR0913 - these are the entries of an nnU-Net plan
        self,
        input_channels: int,
        num_classes: int,
        *,
        n_stages: int,
        features_per_stage: PerStage,
        kernel_sizes: int | Sequence[PerStage],
        strides: int | Sequence[PerStage],
        n_conv_per_stage: PerStage,
        n_conv_per_stage_decoder: PerStage,
        conv_bias: bool = True,
        norm_op: Callable[..., nn.Module] | None = nn.InstanceNorm2d,
        norm_op_kwargs: dict[str, Any] | None = None,
        dropout_op: Callable[..., nn.Module] | None = None,
        dropout_op_kwargs: dict[str, Any] | None = None,
        nonlin: Callable[..., nn.Module] | None = nn.LeakyReLU,
        nonlin_kwargs: dict[str, Any] | None = None,
        deep_supervision: bool = False,
        multi_scale: bool = True,
        dense: bool = True,
        attention: bool = True,
        n_recurrent_stages: int = 2,
        growth_divisor: int = 4,
        hidden_divisor: int = 4,
    ) -> None:
        super().__init__()
        if n_stages < 2:
            raise ValueError(f"a U-Net needs at least 2 stages, got n_stages={n_stages}")
        if not 0 <= n_recurrent_stages <= n_stages:
            raise ValueError(f"n_recurrent_stages={n_recurrent_stages} is not between 0 and {n_stages}")
        channels = per_stage("features_per_stage", features_per_stage, n_stages)
        kernels = per_stage("kernel_sizes", kernel_sizes, n_stages)
        steps = per_stage("strides", strides, n_stages)
        n_convs = per_stage("n_conv_per_stage", n_conv_per_stage, n_stages)
        n_decoder_convs = per_stage("n_conv_per_stage_decoder", n_conv_per_stage_decoder, n_stages - 1)
        shapes = [
            StageShape(channels[i], in_plane(kernels[i]), in_plane(steps[i]), n_convs[i])
            for i in range(n_stages)
        ]
        style = ConvStyle(
            conv_bias=conv_bias,
            norm_op=norm_op,
            norm_op_kwargs=norm_op_kwargs or {},
            dropout_op=dropout_op,
            dropout_op_kwargs=dropout_op_kwargs or {},
            nonlin=nonlin,
            nonlin_kwargs=nonlin_kwargs or {},
        )
        parts = Parts(multi_scale, dense, attention, n_recurrent_stages, growth_divisor, hidden_divisor)
        self.input_channels = input_channels
        self.encoder = Encoder(input_channels, shapes, style, parts)
        self.decoder = Decoder(
            shapes, num_classes, n_decoder_convs, style, parts, deep_supervision=deep_supervision
        )

    def forward(self, x: Tensor) -> Tensor | list[Tensor]:
        self._check_input(x)
        n_slices = x.shape[2]
        logits = self.decode(self.recur(self.encode(fold_slices(x)), n_slices))
        logits = [unfold_slices(stage, n_slices) for stage in logits]
        return logits if self.decoder.deep_supervision else logits[0]

    def encode(self, slices: Tensor) -> list[Tensor]:
        """First third of `forward`: slices (N, input_channels, H, W), in any order and number.

        Returns:
            the features of the stages up to the recurrence, finest first: (N, channels, H / s, W / s) with
            the stage's channels and product of strides s.
        """
        return self.encoder.before_recurrence(slices)

    def recur(self, features: Sequence[Tensor], n_slices: int) -> list[Tensor]:
        """Second third: the only one in which slices see each other.

        Args:
            features: of `encode`, for B sequences of `n_slices` neighbouring slices, N = B * n_slices.

        Returns:
            as many of the same shapes; all but the last are handed through unread.
        """
        return self.encoder.across_slices(features, n_slices)

    def decode(self, features: Sequence[Tensor]) -> list[Tensor]:
        """Last third, slice by slice again, with any N: features of `recur` to logits.

        Returns:
            (N, num_classes, H / s, W / s) per decoder stage, finest first; only the finest, without deep
            supervision.
        """
        return self.decoder(self.encoder.after_recurrence(features))

    def _check_input(self, x: Tensor) -> None:
        if x.ndim != 5:
            raise ValueError(f"expected (batch, channel, slice, row, column), got shape {tuple(x.shape)}")
        # One NaN spreads over the slice in the first normalisation and would come out as plain background.
        # Training sees it in the loss; compiled graphs and shape inference cannot branch on data.
        if not self.training and not torch.compiler.is_compiling() and not x.is_meta and x.isnan().any():
            raise ValueError("the image contains NaN: replace such voxels (in CT, with air at -1024 HU)")

    def compute_conv_feature_map_size(self, input_size: Sequence[int]) -> int:
        """Half of the values that training keeps for its backward pass, for one sequence (T, H, W).

        nnU-Net's measure of the memory that training takes are the values that all convolutions put out. Its
        own networks keep each of them twice, before and after the normalisation, and little else. RAEMD-Net
        also keeps concatenations and the recurrence's gates, so that here all that is kept is counted, in a
        forward pass without data.
        """
        kept: dict[int, Tensor] = {}

        def keep(tensor: Tensor) -> Tensor:
            kept[tensor.untyped_storage()._cdata] = tensor
            return tensor

        weights = {name: weight.to("meta") for name, weight in self.named_parameters()}
        with torch.enable_grad(), torch.autograd.graph.saved_tensors_hooks(keep, lambda tensor: tensor):
            sequence = torch.empty((1, self.input_channels, *input_size), device="meta")
            torch.func.functional_call(self, weights, (sequence,))
        for weight in weights.values():
            kept.pop(weight.untyped_storage()._cdata, None)
        n_bytes = sum(tensor.untyped_storage().nbytes() for tensor in kept.values())
        return n_bytes // (2 * torch.float32.itemsize)

    @staticmethod
    def initialize(module: nn.Module) -> None:
        """nnU-Net's He initialisation for LeakyReLU; the recurrence keeps its own. Use with `apply`.

        What the recurrence adds begins at nothing: training starts from a network that reads slice by slice,
        and brings in the neighbours as they turn out to help.
        """
        if isinstance(module, nn.Conv2d | nn.ConvTranspose2d):
            nn.init.kaiming_normal_(module.weight, a=1e-2)
            if module.bias is not None:
                nn.init.zeros_(module.bias)
        elif isinstance(module, BidirectionalConvLSTM):
            module.reset_parameters()
        elif isinstance(module, RecurrentFusion):  # after its projection, which is a convolution
            nn.init.zeros_(module.projection.weight)


def per_stage(name: str, value: Any, n_stages: int) -> list[Any]:
    """One value per stage, given as such or as one number for all of them."""
    if isinstance(value, int):
        return [value] * n_stages
    if len(value) != n_stages:
        raise ValueError(f"{name} must have {n_stages} entries, got {len(value)}: {value}")
    return list(value)


def in_plane(size: PerStage) -> tuple[int, int]:
    """The in-plane part (rows, columns) of a kernel size or stride of one, two or three entries."""
    entries = (size, size) if isinstance(size, int) else tuple(size)
    if len(entries) == 3 and entries[0] == 1:
        entries = entries[1:]
    if len(entries) != 2:
        raise ValueError(f"kernel sizes and strides must be [r, c] or [1, r, c], got {list(entries)}")
    return entries[0], entries[1]
