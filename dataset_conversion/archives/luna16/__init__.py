"""LUNA16: its scans, subsets and lung masks, and the masks of its nodules."""
