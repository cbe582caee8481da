"""RAEMD-Net in plain torch: one file per building block of the paper, and the assembled network."""
