"""The network plan: presets, and the function from an nnU-Net plan to a RAEMD plan."""
