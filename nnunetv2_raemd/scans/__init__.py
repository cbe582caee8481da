"""Scans as users have them (DICOM folders, zip files, single images) made into images that nnU-Net predicts."""
