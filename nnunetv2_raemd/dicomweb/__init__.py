"""DICOMweb: series fetched from an archive (QIDO-RS, WADO-RS) and objects stored in one (STOW-RS)."""
