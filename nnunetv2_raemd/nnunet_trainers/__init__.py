"""The only folder that nnU-Net searches for trainers of ours: re-exports, no logic.

nnU-Net imports every module of this folder under its bare name and forgets it again, so a class defined here
could not be pickled.
"""
