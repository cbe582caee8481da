"""RAEMD-Net for lung nodule and lung tumour segmentation in CT, as a plugin of nnU-Net v2."""

from nnunetv2_raemd.version import __version__

__all__ = ["__version__"]
