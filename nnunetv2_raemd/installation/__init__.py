"""What stands behind `raemd info`: is this installation usable, and if not, what to do."""
