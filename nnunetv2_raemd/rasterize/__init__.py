"""Planar contours to voxels; numpy only, and of use to others."""
