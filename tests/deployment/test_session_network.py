"""What prediction makes of the results of sessions, without a runtime."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import pytest
import torch

from nnunetv2_raemd.deployment.session_network import ReplacingSessionNetwork, SlicedSessionNetwork


class Sevens:
    """A session that gives 7 for everything."""

    def __init__(self, *, channels_last: bool) -> None:
        self.channels_last = channels_last

    def __call__(self, inputs: Sequence[np.ndarray]) -> list[np.ndarray]:
        return [np.full_like(values, 7) for values in inputs]


@pytest.mark.parametrize("channels_last", [True, False])
@pytest.mark.parametrize(("kind", "expected"), [(SlicedSessionNetwork, 9), (ReplacingSessionNetwork, 7)])
def test_what_the_second_third_gives_is_added_unless_the_model_is_of_the_former_format(
    kind: type[SlicedSessionNetwork], expected: int, channels_last: bool
) -> None:
    network = kind({"recur": Sevens(channels_last=channels_last)}, positions=(-1,), n_slices=3)
    finer, last = torch.ones(3, 4, 8, 6), torch.full((3, 5, 4, 3), 2.0)
    found = network.recur([finer, last], 3)
    assert found[0] is finer
    torch.testing.assert_close(found[1], torch.full((3, 5, 4, 3), float(expected)))
    assert (last == 2).all()  # windows overlap: the next one reads it again


def test_only_one_sequence_of_the_exported_length_is_taken() -> None:
    network = SlicedSessionNetwork({"recur": Sevens(channels_last=True)}, positions=(-1,), n_slices=3)
    for n_given, n_slices in ((2, 2), (6, 3)):
        with pytest.raises(ValueError, match=f"one sequence of 3 slices, and is given {n_given}"):
            network.recur([torch.ones(n_given, 5, 4, 3)], n_slices)
