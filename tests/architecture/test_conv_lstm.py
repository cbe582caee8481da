"""Equation 3.4: gates, candidate and states, in both directions."""

import pytest
import torch
from torch import Tensor
from torch.nn import functional as F

from nnunetv2_raemd.architecture.conv_lstm import BidirectionalConvLSTM, RecurrentFusion

HIDDEN = 3
GATES = {"i": 0, "f": 1, "o": 2, "c": 3}


def gate(lstm: BidirectionalConvLSTM, direction: int, name: str, x: Tensor, h: Tensor) -> Tensor:
    """W_x * x + W_h * h + b of one gate of one direction; W_x is 1 x 1, W_h 3 x 3."""
    rows = slice((4 * direction + GATES[name]) * HIDDEN, (4 * direction + GATES[name] + 1) * HIDDEN)
    assert lstm.input_conv.bias is not None
    from_input = F.conv2d(x, lstm.input_conv.weight[rows], lstm.input_conv.bias[rows])
    return from_input + F.conv2d(h, lstm.recurrent_conv.weight[rows], padding=1)


def literal_lstm(lstm: BidirectionalConvLSTM, x: Tensor, direction: int) -> Tensor:
    """Equation 3.4, one slice and one gate after the other; direction 1 walks down the slices."""
    order = range(x.shape[1]) if direction == 0 else reversed(range(x.shape[1]))
    h = c = torch.zeros(x.shape[0], HIDDEN, *x.shape[3:], dtype=x.dtype)
    outputs: dict[int, Tensor] = {}
    for t in order:
        i, f, o = (torch.sigmoid(gate(lstm, direction, name, x[:, t], h)) for name in "ifo")
        candidate = torch.tanh(gate(lstm, direction, "c", x[:, t], h))
        c = f * c + i * candidate
        h = o * torch.tanh(c)
        outputs[t] = h
    return torch.stack([outputs[t] for t in range(x.shape[1])], dim=1)


@pytest.fixture
def lstm() -> BidirectionalConvLSTM:
    torch.manual_seed(0)
    return BidirectionalConvLSTM(2, HIDDEN, (3, 3)).double()


@pytest.mark.parametrize("n_slices", [1, 2, 5])
@pytest.mark.parametrize("direction", [0, 1])
def test_equals_the_literal_recurrence(lstm: BidirectionalConvLSTM, n_slices: int, direction: int) -> None:
    x = torch.randn(2, n_slices, 2, 5, 6, dtype=torch.float64)
    channels = slice(direction * HIDDEN, (direction + 1) * HIDDEN)
    torch.testing.assert_close(lstm(x)[:, :, channels], literal_lstm(lstm, x, direction))


def test_reversing_the_slices_exchanges_the_directions(lstm: BidirectionalConvLSTM) -> None:
    exchanged = BidirectionalConvLSTM(2, HIDDEN, (3, 3)).double()
    exchanged.load_state_dict(
        {name: torch.cat(weight.chunk(2)[::-1]) for name, weight in lstm.state_dict().items()}
    )
    x = torch.randn(2, 4, 2, 5, 6, dtype=torch.float64)
    forward, backward = lstm(x).chunk(2, dim=2)
    torch.testing.assert_close(
        exchanged(x.flip(1)).flip(1), torch.cat((backward, forward), dim=2), rtol=1e-12, atol=1e-12
    )


def test_every_slice_sees_every_other(lstm: BidirectionalConvLSTM) -> None:
    x = torch.randn(1, 5, 2, 4, 4, dtype=torch.float64, requires_grad=True)
    for t in range(5):
        (gradient,) = torch.autograd.grad(lstm(x)[:, t].sum(), x)
        assert (gradient.abs().sum((0, 2, 3, 4)) > 0).all()


def test_forget_gates_start_open() -> None:
    bias = BidirectionalConvLSTM(2, HIDDEN, (3, 3)).input_conv.bias
    assert bias is not None
    assert (bias.reshape(2, 4, HIDDEN)[:, GATES["f"]] == 1).all()
    assert (bias.reshape(2, 4, HIDDEN)[:, GATES["i"]] != 1).all()


def test_cell_state_does_not_overflow_in_half_precision() -> None:
    """A gate that only adds counts slices; half precision could not count beyond 2048."""
    lstm = BidirectionalConvLSTM(1, 1, (1, 1))
    with torch.no_grad():
        for parameter in lstm.parameters():
            parameter.zero_()
        assert lstm.input_conv.bias is not None
        lstm.input_conv.bias.fill_(40.0)
    x = torch.zeros(1, 3000, 1, 1, 1)
    cells: list[Tensor] = []
    update = lstm._update

    def spy(gates: Tensor, cell: Tensor | None) -> tuple[Tensor, Tensor]:
        hidden, new_cell = update(gates, cell)
        cells.append(new_cell)
        return hidden, new_cell

    lstm._update = spy  # type: ignore[method-assign]
    with torch.no_grad(), torch.autocast("cpu", dtype=torch.float16):
        output = lstm(x)
    assert output.dtype == torch.float16
    assert cells[-1].dtype == torch.float32
    assert cells[-1].flatten()[0] == 3000


def test_gradients(lstm: BidirectionalConvLSTM) -> None:
    x = torch.randn(1, 3, 2, 3, 3, dtype=torch.float64, requires_grad=True)
    assert torch.autograd.gradcheck(lstm, x)


def test_fusion_adds_the_projected_recurrence() -> None:
    fusion = RecurrentFusion(4, HIDDEN, (3, 3)).double()
    x = torch.randn(6, 4, 5, 5, dtype=torch.float64)
    recurrent = fusion.lstm(x.reshape(2, 3, 4, 5, 5)).reshape(6, 2 * HIDDEN, 5, 5)
    weight, bias = fusion.projection.weight[:, :, 0, 0], fusion.projection.bias
    assert bias is not None
    expected = x + torch.einsum("kc,nchw->nkhw", weight, recurrent) + bias[None, :, None, None]
    torch.testing.assert_close(fusion(x, 3), expected)
