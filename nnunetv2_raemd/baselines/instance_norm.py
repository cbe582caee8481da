"""Instance normalisation for networks that come with batch normalisation."""

from __future__ import annotations

from torch import nn

INSTANCE_NORM: dict[type[nn.Module], type[nn.Module]] = {
    nn.BatchNorm2d: nn.InstanceNorm2d,
    nn.BatchNorm3d: nn.InstanceNorm3d,
}


def use_instance_norm(network: nn.Module) -> nn.Module:
    """Replace all batch normalisation in place; returns the network.

    nnU-Net's batches, of two patches in 3D, are too small for statistics over them, and all other networks
    compared here normalise by instance.
    """
    for name, child in network.named_children():
        if type(child) in INSTANCE_NORM:
            norm = INSTANCE_NORM[type(child)](child.num_features, eps=child.eps, affine=True)
            setattr(network, name, norm)
        else:
            use_instance_norm(child)
    return network
