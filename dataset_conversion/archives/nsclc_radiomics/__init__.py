"""NSCLC-Radiomics (Lung1): DICOM CT series with the tumour contoured as GTV-1 in an RTSTRUCT.

Aerts et al., "Decoding tumour phenotype by noninvasive imaging using a quantitative radiomics approach",
Nature Communications 5 (2014).
"""
