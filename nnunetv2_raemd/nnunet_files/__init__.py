"""What nnU-Net lays on disk: datasets, trained models, label sets, segmentations, probability maps."""
