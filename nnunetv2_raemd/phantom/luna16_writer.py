"""Phantoms laid out as LUNA16: MetaImage scans in ten subsets, one table of nodules, lung masks.

Layout: https://luna16.grand-challenge.org/Data/. Beside it the readers' contours, as LIDC-IDRI has them.
"""

from __future__ import annotations

import csv
from pathlib import Path

import numpy as np
from pydicom.uid import generate_uid

from nnunetv2_raemd.phantom.lidc_xml_writer import write_lidc_xml
from nnunetv2_raemd.phantom.phantom_archive import ORACLE_FOLDER, CaseRecord
from nnunetv2_raemd.phantom.thorax import Thorax
from nnunetv2_raemd.phantom.world import as_image, lesion_records, patient_origin_mm, turned, write_image
from nnunetv2_raemd.whole_files import whole_file

SUBSETS = 10
TURNED_EVERY = 4  # some of LUNA16's scans are stored with direction -1, -1, 1
ANNOTATION_COLUMNS = ("seriesuid", "coordX", "coordY", "coordZ", "diameter_mm")
LUNG_FOLDER = "seg-lungs-LUNA16"
XML_FOLDER = "lidc-xml"


class Luna16Layout:
    """Writes `subset0` to `subset9`, `annotations.csv`, `seg-lungs-LUNA16`, `lidc-xml` and the oracle."""

    name = "luna16"

    def case_id(self, seed: int, case: int) -> str:
        """The SeriesInstanceUID."""
        return generate_uid(entropy_srcs=["raemd phantom", self.name, str(seed), str(case)])

    def write_case(self, folder: Path, thorax: Thorax, seed: int, case: int) -> CaseRecord:
        """Write scan, lung mask, contours, oracle mask; every fourth scan is stored turned by 180 degrees."""
        uid = self.case_id(seed, case)
        origin = patient_origin_mm(thorax, seed, case)
        scan = as_image(thorax.hu, thorax, origin)
        lungs = as_image(thorax.lung_labels.astype(np.int16), thorax, origin)
        labels = as_image(thorax.lesion_labels, thorax, origin)
        lesions = lesion_records(thorax, scan)
        if case % TURNED_EVERY == TURNED_EVERY - 1:
            scan, lungs, labels = turned(scan), turned(lungs), turned(labels)
        write_image(scan, folder / f"subset{case % SUBSETS}" / f"{uid}.mhd", compressed=False)
        write_image(lungs, folder / LUNG_FOLDER / f"{uid}.mhd", compressed=True)
        write_lidc_xml(folder / XML_FOLDER / f"{uid}.xml", uid, labels)
        write_image(labels > 0, folder / ORACLE_FOLDER / f"{uid}.nii.gz", compressed=True)
        return {"id": uid, "case": case, "lesions": lesions}

    def finish(self, folder: Path, records: list[CaseRecord]) -> None:
        """Write `annotations.csv`: centroid and volume-equivalent diameter of every nodule's mask."""
        with whole_file(folder / "annotations.csv") as making, making.open("w", newline="") as file:
            writer = csv.writer(file)
            writer.writerow(ANNOTATION_COLUMNS)
            for record in records:
                for lesion in record["lesions"]:
                    row = [*lesion["centre_mm"], lesion["equivalent_diameter_mm"]]
                    writer.writerow([record["id"], *(f"{value:.9g}" for value in row)])
