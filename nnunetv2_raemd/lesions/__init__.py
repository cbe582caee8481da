"""The lesions of a segmentation, without a reference: found, measured and listed; compared over time."""
