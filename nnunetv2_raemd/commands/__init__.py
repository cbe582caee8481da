"""The subcommands of `raemd`, a file each: options and help here, the work in the rooms they call.

Rooms are imported inside the commands so that `raemd --help` does not wait for torch.
"""
