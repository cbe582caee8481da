"""RAEMD-Net's recurrence as runtimes compute it fastest, for its graph."""

from __future__ import annotations

from collections.abc import Sequence

import torch
from torch import Tensor
from torch.nn import functional

from nnunetv2_raemd.architecture.conv_lstm import BidirectionalConvLSTM, RecurrentFusion


def added_by_neighbors(recurrence: RecurrentFusion, features: Tensor) -> Tensor:
    """What `recurrence` adds to the features of one sequence (T, channels, H, W); of the same shape.

    Its own way, grouped convolutions and an axis for the gates, suits training. OpenVINO computes with the
    channels last: for each axis more than four, and for each sum of what goes in with what has been computed,
    it reorders all values, which took half of the recurrence's time.
    """
    n_slices = len(features)
    up = _hidden(recurrence.lstm, features, 0, range(n_slices))
    down = _hidden(recurrence.lstm, features, 1, range(n_slices)[::-1])
    in_order = [torch.cat((up[i], down[i]), dim=1) for i in range(n_slices)]
    added: Tensor = recurrence.projection(torch.cat(in_order))
    return added


def _hidden(
    lstm: BidirectionalConvLSTM, features: Tensor, direction: int, order: Sequence[int]
) -> dict[int, Tensor]:
    """The hidden state (1, hidden, H, W) at each slice in one direction, equation 3.4."""
    of_features, of_hidden, n = lstm.input_conv, lstm.recurrent_conv, lstm.hidden_channels
    own = slice(4 * n * direction, 4 * n * (direction + 1))
    assert of_features.bias is not None
    gates = functional.conv2d(features, of_features.weight[own], of_features.bias[own]).split(1)
    outputs: dict[int, Tensor] = {}
    hidden = cell = None
    for i in order:
        of_slice = gates[i]
        if hidden is not None:
            of_slice = of_slice + functional.conv2d(hidden, of_hidden.weight[own], padding=of_hidden.padding)
        input_gate, forget_gate, output_gate = of_slice[:, : 3 * n].sigmoid().split(n, dim=1)
        new = input_gate * of_slice[:, 3 * n :].tanh()
        cell = new if cell is None else new + forget_gate * cell
        hidden = output_gate * cell.tanh()
        outputs[i] = hidden
    return outputs
