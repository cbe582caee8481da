"""RAEMD-Net for lung nodule and lung tumor segmentation in CT, as a plugin of nnU-Net v2."""

from pathlib import Path

from nnunetv2_raemd.version import __version__

__all__ = ["__version__"]

# In a checkout, `dataset_conversion` and `plans` lie beside this folder; installations have them in it.
# Links would do as well, were they checked out on Windows.
if not Path(__file__).with_name("plans").is_dir():
    __path__.append(str(Path(__file__).resolve().parents[1]))
