"""How far a prediction can be trusted: calibration, confidence of lesions, operating point, unlike scans."""
