"""Raw data to nnU-Net datasets."""
