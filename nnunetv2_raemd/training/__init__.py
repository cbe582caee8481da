"""The nnU-Net trainer of RAEMD-Net, its variants, losses and schedule."""
