"""DICOM objects made of a segmentation and its CT series: SEG, RTSTRUCT and SR, for viewers and archives."""
