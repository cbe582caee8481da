"""Planar contours to voxels; arrays only, and of use to others."""
