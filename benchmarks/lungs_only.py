"""What `raemd predict --lungs` finds, beside what it finds in the whole scan.

    python benchmarks/lungs_only.py --model MODEL_DIR --scan CT.nii.gz [DICOM_FOLDER ...] [--phantoms 3]

Each scan, and each series of a DICOM folder, is predicted twice by a trained model, without mirroring. In the
lungs is what lies in the lungs' box without its margin. Lesions are those of the whole scan whose centre lies
there; found again are those of which the second prediction holds a voxel; new are its own there that the
first has nothing of. Voxels that differ, and the Dice between the two predictions, are of that box, which
has a share of the pixels of the scan that is named. The time is the second's relative to the first's.
"""

from __future__ import annotations

import argparse
import time
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import SimpleITK as sitk
import torch

from nnunetv2_raemd.api import LoadedModel, load_model
from nnunetv2_raemd.dicom.ct_series import order_series
from nnunetv2_raemd.dicom.dicom_index import index_folder
from nnunetv2_raemd.evaluation.overlap import count_overlap, overlap_metrics
from nnunetv2_raemd.phantom.configuration import PhantomConfiguration
from nnunetv2_raemd.phantom.thorax import make_thorax
from nnunetv2_raemd.phantom.world import as_image
from nnunetv2_raemd.scans.series_volume import series_image
from nnunetv2_raemd.volumes.boxes import Box
from nnunetv2_raemd.volumes.components import find_components, shared_voxels
from nnunetv2_raemd.volumes.lung_box import MARGIN_MM, anatomy_of, find_lung_box

PHANTOM = PhantomConfiguration(shape=(40, 200, 200), spacing_mm=(4.0, 1.9, 1.9), seed=5)


@dataclass(frozen=True)
class Comparison:
    """One scan."""

    inside: int
    found_again: int
    new: int
    voxels: int
    differing: int
    dice: float
    share: float
    time_ratio: float


def compared(model: LoadedModel, image: sitk.Image) -> Comparison | str:
    """Both predictions; why not, where no lungs are found."""
    box = tight_box(image)
    if isinstance(box, str):
        return box
    processor_s, labels = [], []
    for lungs in (False, True):
        start = time.process_time()
        labels.append(model.predict_image(image, lungs=lungs).labels > 0)
        processor_s.append(time.process_time() - start)
    whole, part = labels
    lesions, again = find_components(whole), find_components(part)
    shared = shared_voxels(lesions, again).toarray() > 0
    inside = np.array([_holds(box, centre) for centre in lesions.centres], bool)
    inside_again = np.array([_holds(box, centre) for centre in again.centres], bool)
    overlap = count_overlap(whole[box], part[box], n_voxels=whole[box].size)
    return Comparison(
        int(inside.sum()),
        int((inside & shared.any(axis=1)).sum()),
        int((inside_again & ~shared.any(axis=0)).sum()),
        int(whole[box].sum()),
        int((whole[box] != part[box]).sum()),
        overlap_metrics(overlap, voxel_mm3=1.0)["dice"],
        whole[box].size / whole.size,
        processor_s[1] / processor_s[0],
    )


def _holds(box: Box, centre: np.ndarray) -> bool:
    return all(side.start <= at < side.stop for side, at in zip(box, centre, strict=True))


def tight_box(image: sitk.Image) -> Box | str:
    """Without the margin; why not, where there is none."""
    spacing_mm = image.GetSpacing()[::-1]
    found = find_lung_box(sitk.GetArrayFromImage(image), spacing_mm, anatomy_of(image.GetDirection()))
    if found.box is None:
        return found.reason
    margins = [int(MARGIN_MM / mm) for mm in spacing_mm]
    whole = zip(found.box, image.GetSize()[::-1], margins, strict=True)
    z, y, x = (
        slice(side.start + margin * (side.start > 0), side.stop - margin * (side.stop < length))
        for side, length, margin in whole
    )
    return z, y, x


def scans(files: list[Path], n_phantoms: int) -> Iterator[tuple[str, sitk.Image]]:
    """Names and images."""
    for file in files:
        if file.is_dir():
            yield from series_in(file)
        else:
            yield file.name, sitk.ReadImage(str(file))
    for case in range(n_phantoms):
        thorax = make_thorax(PHANTOM, case)
        yield f"phantom {case}", as_image(thorax.hu, thorax, (0.0, 0.0, 0.0))


def series_in(folder: Path) -> Iterator[tuple[str, sitk.Image]]:
    """The CT series in a folder, as `raemd predict` reads them."""
    for instances in index_folder(folder).ct.values():
        series = order_series(instances)
        image, _ = series_image(series)
        yield f"{series.slices[0].patient_id}, {len(series.slices)} slices", image


def main() -> None:
    """Print a row for each scan."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawTextHelpFormatter)
    parser.add_argument("--model", type=Path, required=True)
    parser.add_argument("--backend")
    parser.add_argument("--folds", nargs="+", default=[], help="by default all")
    parser.add_argument("--scan", type=Path, nargs="*", default=[])
    parser.add_argument("--phantoms", type=int, default=0)
    parser.add_argument("--step-size", type=float, default=0.5)
    options = parser.parse_args()
    torch.set_num_threads(1)
    model = load_model(
        options.model,
        backend=options.backend,
        folds=options.folds,
        mirroring=False,
        step_size=options.step_size,
        threads=1,
    )
    print("| scan | lesions in the lungs | found again | new | voxels | that differ | Dice | share | time |")
    print("|---|---|---|---|---|---|---|---|---|")
    for name, image in scans(options.scan, options.phantoms):
        result = compared(model, image)
        if isinstance(result, str):
            print(f"| {name} | predicted whole: {result} |", flush=True)
            continue
        counts = (
            f"{result.inside} | {result.found_again} | {result.new} | {result.voxels} | {result.differing}"
        )
        ratios = f"{result.dice:.3f} | {result.share:.2f} | {result.time_ratio:.2f}"
        print(f"| {name} | {counts} | {ratios} |", flush=True)


if __name__ == "__main__":
    main()
