"""Whether operating points keep their promise on scans that neither training nor calibration has seen.

    raemd predict -i HELD_OUT/imagesTr -o PREDICTED -d 501 ...    # by a calibrated model
    python benchmarks/held_out_points.py --model MODEL --predicted PREDICTED --references HELD_OUT/labelsTr

Lesions come from the lists that `raemd predict` writes, with their confidences; the thresholds are those that
it would choose for each promise. A listed lesion is false if it has no voxel in the reference; a lesion of
the reference is found if a listed one touches it. Intervals are of the mean over scans, by bootstrap.
"""

from __future__ import annotations

import argparse
from collections.abc import Callable, Iterator
from pathlib import Path

import numpy as np

from nnunetv2_raemd.confidence.calibration import Calibration
from nnunetv2_raemd.confidence.calibration_file import FILE_NAME, load_calibration
from nnunetv2_raemd.confidence.lesion_evidence import ScoredCase
from nnunetv2_raemd.confidence.risk_control import (
    OperatingPoint,
    UnreachableError,
    for_false_positives,
    for_sensitivity,
)
from nnunetv2_raemd.lesions.lesion_list import load_scan
from nnunetv2_raemd.lesions.measured_lesion import ScanLesions
from nnunetv2_raemd.lesions.measurement import lesion_masks
from nnunetv2_raemd.nnunet_files.segmentation_file import read_segmentation
from nnunetv2_raemd.volumes.components import find_components

N_BOOTSTRAP = 2000


def scored(scan: ScanLesions, reference: Path, values: tuple[int, ...]) -> ScoredCase:
    """The lesions of a list, and which ones of the reference each of them touches."""
    truth = find_components(np.isin(read_segmentation(reference).labels, values))
    masks = lesion_masks(np.isin(read_segmentation(scan.segmentation).labels, values))
    touched = [np.unique(truth.numbers[mask.box][mask.mask]) for mask in masks]
    assert len(masks) == len(scan.lesions)
    return ScoredCase(
        tuple(float(lesion.confidence or 0) for lesion in scan.lesions),
        tuple(tuple(int(number) - 1 for number in numbers if number) for numbers in touched),
        len(truth),
    )


def held_out(calibration: Calibration, predicted: Path, references: Path) -> Iterator[ScoredCase]:
    """The scans of a folder; of a model with one label."""
    (label,) = calibration.labels
    for file in sorted(predicted.glob("*.lesions.json")):
        scan = load_scan(file)
        yield scored(scan, references / Path(scan.segmentation).name, label.target.values)


def promises(calibrated: tuple[ScoredCase, ...]) -> Iterator[tuple[str, OperatingPoint]]:
    """Those that can be made."""
    ways: tuple[tuple[str, Callable[..., OperatingPoint], tuple[float, ...]], ...] = (
        ("--false-positives", for_false_positives, (0.25, 0.5, 1.0, 2.0)),
        ("--sensitivity", for_sensitivity, (0.95, 0.9, 0.8, 0.7)),
    )
    for option, choose, wanted in ways:
        for value in wanted:
            try:
                yield f"{option} {value:g}", choose(calibrated, value)
            except UnreachableError as error:
                print(f"| {option} {value:g} | {error} | | |")


def interval(values: np.ndarray) -> str:
    """Mean and 95 % interval."""
    rng = np.random.default_rng(0)
    means = values[rng.integers(len(values), size=(N_BOOTSTRAP, len(values)))].mean(axis=1)
    low, high = np.quantile(means, [0.025, 0.975])
    return f"{values.mean():.3f} ({low:.3f} to {high:.3f})"


def main() -> None:
    """Print a row for each promise."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawTextHelpFormatter)
    parser.add_argument("--model", type=Path, required=True, help="the folder that holds the calibration")
    parser.add_argument("--predicted", type=Path, required=True)
    parser.add_argument("--references", type=Path, required=True)
    options = parser.parse_args()
    calibration = load_calibration(options.model / FILE_NAME)
    cases = list(held_out(calibration, options.predicted, options.references))
    n_lesions, n_predicted = sum(c.n_lesions for c in cases), sum(len(c.confidences) for c in cases)
    print(f"{len(cases)} scans with {n_lesions} lesions; predicted {n_predicted}")
    print("| promised | threshold | false lesions a scan | share of a scan's lesions listed |")
    print("|---|---|---|---|")
    for name, point in promises(calibration.labels[0].cases):
        false = np.array([case.false_positives(point.threshold) for case in cases], float)
        found = np.array([1 - case.missed_share(point.threshold) for case in cases if case.n_lesions])
        print(f"| {name} | {point.threshold:.3f} | {interval(false)} | {interval(found)} |")


if __name__ == "__main__":
    main()
