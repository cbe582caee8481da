"""RAEMD-Net beside the networks that a user would take instead: time, memory, arithmetic, bytes."""
