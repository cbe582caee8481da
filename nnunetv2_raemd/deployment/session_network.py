"""Networks whose parts are run by sessions, in the place of torch's networks."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import numpy as np
import torch
from torch import Tensor, nn

from nnunetv2_raemd.deployment.graph_sessions import Session
from nnunetv2_raemd.deployment.model_description import DECODE, ENCODE, RECUR, WHOLE


class WholeSessionNetwork(nn.Module):
    """A network that is one graph: images (N, channels, ...) to logits (N, classes, ...)."""

    def __init__(self, sessions: Mapping[str, Session]) -> None:
        super().__init__()
        self.session = sessions[WHOLE]

    def forward(self, images: Tensor) -> Tensor:
        return _run(self.session, [images])[0]


class SlicedSessionNetwork(nn.Module):
    """The three thirds of a `SlicedNetwork`.

    Args:
        positions: of the features that the second third adds to, counted from the last; none without one.
        n_slices: length of the sequences that it was exported for.
    """

    def __init__(self, sessions: Mapping[str, Session], positions: Sequence[int], n_slices: int) -> None:
        super().__init__()
        self.sessions, self.positions, self.n_slices = dict(sessions), tuple(positions), n_slices

    def encode(self, slices: Tensor) -> list[Tensor]:
        """As `SlicedNetwork.encode`."""
        return _run(self.sessions[ENCODE], [slices])

    def recur(self, features: Sequence[Tensor], n_slices: int) -> list[Tensor]:
        """As `SlicedNetwork.recur`, of one sequence; raises `ValueError` for another length than exported."""
        if not self.positions:
            return list(features)
        n_given = len(features[-1])
        if not n_given == n_slices == self.n_slices:
            raise ValueError(
                f"the network was exported for one sequence of {self.n_slices} slices, and is given "
                f"{n_given} in sequences of {n_slices}"
            )
        result = list(features)
        read = [features[i] for i in self.positions]
        for i, values in zip(self.positions, self._recurred(read), strict=True):
            result[i] = values
        return result

    def _recurred(self, features: Sequence[Tensor]) -> list[Tensor]:
        added = _run(self.sessions[RECUR], features)
        return [values.add_(before) for values, before in zip(added, features, strict=True)]

    def decode(self, features: Sequence[Tensor]) -> list[Tensor]:
        """As `SlicedNetwork.decode`."""
        return _run(self.sessions[DECODE], features)


class ReplacingSessionNetwork(SlicedSessionNetwork):
    """Of models of format 1, whose second third gives what replaces features."""

    def _recurred(self, features: Sequence[Tensor]) -> list[Tensor]:
        return _run(self.sessions[RECUR], features)


def _run(session: Session, inputs: Sequence[Tensor]) -> list[Tensor]:
    """Tensors (N, channels, ...) through a session, without copies where they lie as it takes them."""
    if not session.channels_last:
        return [torch.from_numpy(output) for output in session([_plain(value) for value in inputs])]
    outputs = session([_plain(value.movedim(1, -1)) for value in inputs])
    return [torch.from_numpy(output).movedim(-1, 1) for output in outputs]


def _plain(value: Tensor) -> np.ndarray:
    array: np.ndarray = np.ascontiguousarray(value.numpy())
    return array
