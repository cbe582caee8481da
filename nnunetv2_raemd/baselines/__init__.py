"""Networks to compare RAEMD-Net with, built for the patches that nnU-Net plans."""
