"""The software as the equipment that made an object (PS3.3 C.7.5.1)."""

from __future__ import annotations

from nnunetv2_raemd.dicom_objects.deterministic_uids import derived_uid

MANUFACTURER = "nnunetv2-raemd"
MODEL_NAME = "RAEMD-Net for nnU-Net v2"
# An installation has no serial number, which enhanced equipment must have (PS3.3 C.7.5.2).
SERIAL_NUMBER = "0"
DEVICE_UID = derived_uid(MANUFACTURER)
# Numbers of series, far above those of scanners, in one block.
SEG_SERIES, RTSTRUCT_SERIES, SR_SERIES, PROBABILITY_SERIES, UNCERTAINTY_SERIES = range(9101, 9106)
