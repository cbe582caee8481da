"""Whether the plan of a model is enough to build its network."""

from __future__ import annotations

import torch

from nnunetv2_raemd.deployment.plan_network import plan_network
from nnunetv2_raemd.deployment.source_model import SourceModel, with_weights


def is_of_plan(source: SourceModel) -> bool:
    """Whether the plan's network makes of random numbers exactly what the trained one makes of them.

    A trainer may build another, even one that takes the same weights.
    """
    predictor = source.predictor
    sizes = [2 * multiple for multiple in source.size_multiple]
    depth = [] if source.n_slices is None else [source.n_slices]
    example = torch.randn((2, source.n_channels, *depth, *sizes), generator=torch.Generator().manual_seed(0))
    try:
        network = plan_network(
            predictor.plans_manager, predictor.configuration_manager, predictor.dataset_json
        )
        network = with_weights(network, source.weights_of(source.folds[0]))
        with torch.inference_mode():
            return bool(torch.equal(network(example), source.network(example)))
    except Exception:  # of networks that their trainers alone can build, anything
        return False
