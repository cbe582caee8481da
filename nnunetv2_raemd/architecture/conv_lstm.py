"""Bidirectional convolutional LSTM over the slices of a sequence, equation 3.4 of the paper."""

from __future__ import annotations

import torch
from torch import Tensor, nn

from nnunetv2_raemd.architecture.conv_block import same_conv


class BidirectionalConvLSTM(nn.Module):
    """Equation 3.4 with convolutions for the matrix products, run up and down the slices.

    With x_t the features of slice t, h and c the hidden and the cell state, `*` a convolution (1 x 1 of x_t,
    which convolutions have made already; `kernel_size` of h), per direction:

        i, f, o = sigmoid(W_x * x_t + W_h * h_{t-1} + b)     (three gates, each with its own weights)
        g       = tanh(W_xg * x_t + W_hg * h_{t-1} + b_g)    (the candidate)
        c_t     = f c_{t-1} + i g
        h_t     = o tanh(c_t)

    Both states start at zero. The channels of both convolutions are ordered direction, then gate (i, f, o,
    g), then hidden feature. What does not depend on the previous slice (W_x * x_t of all slices, gates and
    directions) is one convolution; the loop holds one grouped convolution for both directions.

    (B, T, in_channels, H, W) to (B, T, 2 * hidden_channels, H, W): forward features, then backward ones.
    """

    def __init__(self, in_channels: int, hidden_channels: int, kernel_size: tuple[int, int]) -> None:
        super().__init__()
        self.hidden_channels = hidden_channels
        self.input_conv = nn.Conv2d(in_channels, 8 * hidden_channels, 1)
        self.recurrent_conv = same_conv(
            2 * hidden_channels, 8 * hidden_channels, kernel_size, groups=2, bias=False
        )
        self.reset_parameters()

    def reset_parameters(self) -> None:
        """Small weights, so that no gate starts saturated, and forget gates that start open (bias 1)."""
        self.input_conv.reset_parameters()
        self.recurrent_conv.reset_parameters()
        bias = self.input_conv.bias
        assert bias is not None
        with torch.no_grad():
            bias.unflatten(0, (2, 4, self.hidden_channels))[:, 1].fill_(1.0)

    def forward(self, x: Tensor) -> Tensor:
        gates = self.input_conv(x.flatten(0, 1)).unflatten(0, (-1, x.shape[1]))
        up, down = (direction.unbind(1) for direction in gates.chunk(2, dim=2))
        hidden: Tensor | None = None
        cell: Tensor | None = None
        outputs = []
        for both in zip(up, reversed(down), strict=True):
            gates_of_step = torch.cat(both, dim=1)
            if hidden is not None:
                gates_of_step = gates_of_step + self.recurrent_conv(hidden)
            hidden, cell = self._update(gates_of_step, cell)
            outputs.append(hidden)
        upward, downward = zip(*(hidden.chunk(2, dim=1) for hidden in outputs), strict=True)
        in_order = zip(upward, reversed(downward), strict=True)
        return torch.stack([torch.cat(both, dim=1) for both in in_order], dim=1)

    def _update(self, gates: Tensor, cell: Tensor | None) -> tuple[Tensor, Tensor]:
        """Gates (B, 8 * hidden, H, W) and the cell state to the next hidden and cell state.

        The cell state sums over slices, so under autocast it is kept in single precision.
        """
        by_gate = gates.unflatten(1, (2, 4, self.hidden_channels))
        input_gate, forget_gate, output_gate = by_gate[:, :, :3].sigmoid().unbind(2)
        candidate = by_gate[:, :, 3].tanh()
        new_cell = (input_gate * candidate).to(torch.promote_types(gates.dtype, torch.float32))
        if cell is not None:
            new_cell = new_cell + forget_gate * cell
        hidden = (output_gate * new_cell.tanh()).to(gates.dtype)
        return hidden.flatten(1, 2), new_cell


class RecurrentFusion(nn.Module):
    """Adds what neighbouring slices say to the features of each slice.

    The paper's Algorithm 1 records the LSTM's h_t but never uses it; here a 1 x 1 convolution brings it back
    to the features' width and it is added to them, before the attention.

    (B*T, channels, H, W) to (B*T, channels, H, W).
    """

    def __init__(self, channels: int, hidden_channels: int, kernel_size: tuple[int, int]) -> None:
        super().__init__()
        self.lstm = BidirectionalConvLSTM(channels, hidden_channels, kernel_size)
        self.projection = nn.Conv2d(2 * hidden_channels, channels, 1)

    def forward(self, x: Tensor, n_slices: int) -> Tensor:
        recurrent = self.lstm(x.unflatten(0, (-1, n_slices))).flatten(0, 1)
        fused: Tensor = x + self.projection(recurrent)
        return fused
