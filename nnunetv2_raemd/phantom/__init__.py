"""Synthetic thorax CT with exact masks, written as the archives write theirs."""
