"""Prediction of whole scans that computes each slice once."""
