"""DICOM: an index by headers, CT series, structure sets and segmentations."""
