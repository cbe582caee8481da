"""RAEMD-Net in plain torch: one file per building block of the paper, and the assembled network."""

from nnunetv2_raemd.architecture.raemd_net import RAEMDNet

__all__ = ["RAEMDNet"]
