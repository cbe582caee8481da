"""Cases of any archive written as a raw nnU-Net dataset: folder, batch, splits, report, new names."""
