"""The demonstration: phantom data through the whole of nnU-Net, with RAEMD-Net and with its own 2d."""
