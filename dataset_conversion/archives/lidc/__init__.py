"""The annotations of LIDC's readers: from two sources to nodules and the voxels that readers agree on."""
