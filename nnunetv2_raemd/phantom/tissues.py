"""Mean CT numbers of tissues in Hounsfield units (HU), for a scan without contrast medium."""

from __future__ import annotations

AIR = -1000.0
LUNG = -850.0
FAT = -100.0
MUSCLE = 50.0
BLOOD = 42.0
HEART = 40.0
LIVER = 58.0
CORD = 35.0
DISC = 80.0
MARROW = 230.0
CORTEX = 550.0
BRONCHIAL_WALL = 0.0

# Vessels and nodules share one range, so that the CT number alone does not tell them apart.
SOLID_IN_LUNG = (25.0, 60.0)
