"""Parameters of the networks that RAEMD-Net is compared with, and what they keep for the backward pass.

    python benchmarks/baseline_sizes.py

One patch, without mixed precision, on the CPU. Needs the extra `baselines`.
"""

from __future__ import annotations

import torch
from dynamic_network_architectures.architectures.unet import PlainConvUNet
from torch import Tensor, nn

from nnunetv2_raemd.baselines.attention_unet import attention_unet
from nnunetv2_raemd.baselines.segnet import segnet
from nnunetv2_raemd.baselines.swin_unetr import swin_unetr
from nnunetv2_raemd.baselines.topology import Topology
from nnunetv2_raemd.baselines.unet_plus_plus import unet_plus_plus

# patch size, stages and most features, as nnU-Net's default planner chooses them for these patches
PATCHES = (((256, 256), 7, 512), ((64, 64, 64), 5, 320))


def unet(topology: Topology, input_channels: int, output_channels: int) -> nn.Module:
    """nnU-Net's, with deep supervision."""
    flat = topology.spatial_dims == 2
    return PlainConvUNet(
        input_channels,
        n_stages=len(topology.features),
        features_per_stage=topology.features,
        conv_op=nn.Conv2d if flat else nn.Conv3d,
        kernel_sizes=3,
        strides=topology.strides,
        n_conv_per_stage=2,
        num_classes=output_channels,
        n_conv_per_stage_decoder=2,
        conv_bias=True,
        norm_op=nn.InstanceNorm2d if flat else nn.InstanceNorm3d,
        norm_op_kwargs={"eps": 1e-5, "affine": True},
        nonlin=nn.LeakyReLU,
        nonlin_kwargs={"inplace": True},
        deep_supervision=True,
    )


def kept_for_backward(network: nn.Module, image: Tensor) -> int:
    """Bytes, without weights and the image."""
    kept: dict[int, int] = {}

    def keep(tensor: Tensor) -> Tensor:
        kept[tensor.untyped_storage().data_ptr()] = tensor.untyped_storage().nbytes()
        return tensor

    with torch.autograd.graph.saved_tensors_hooks(keep, lambda tensor: tensor):
        logits = network(image)
    for tensor in (*network.parameters(), image):
        kept.pop(tensor.untyped_storage().data_ptr(), None)
    del logits
    return sum(kept.values())


def main() -> None:
    """Print a table for 2D and one for 3D."""
    for patch, n_stages, most in PATCHES:
        features = tuple(min(32 * 2**stage, most) for stage in range(n_stages))
        dims = len(patch)
        topology = Topology(features, ((1,) * dims, *[(2,) * dims] * (n_stages - 1)))
        print(f"\n{' x '.join(map(str, patch))}")
        print("| network | parameters, M | kept, MB | relative |\n|---|---|---|---|")
        reference = None
        for build in (unet, attention_unet, unet_plus_plus, segnet, swin_unetr):
            network = build(topology, 1, 2)
            n_weights = sum(weight.numel() for weight in network.parameters())
            kept = kept_for_backward(network, torch.zeros(1, 1, *patch))
            reference = reference or kept
            print(f"| {build.__name__} | {n_weights / 1e6:.1f} | {kept / 1e6:.0f} | {kept / reference:.2f} |")


if __name__ == "__main__":
    main()
