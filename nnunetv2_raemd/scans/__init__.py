"""Scans as users have them (DICOM, zip files, single images), made into images that nnU-Net predicts."""
