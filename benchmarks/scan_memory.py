"""Peak memory of `raemd predict --model` by the number of slices, with every backend.

    python benchmarks/scan_memory.py --size 128 --slices 100 400 [--backends torch openvino]

Scans of noise are predicted by an exported RAEMD-Net with random weights, each in a process of its own.
Printed are its peak (resident memory; one scan needs no worker processes), what each voxel adds, and what
that makes for 1000 slices of 512 x 512, if memory that grows with the slices grows with their pixels.
"""

from __future__ import annotations

import argparse
import subprocess
import sys
import tempfile
import time
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import SimpleITK as sitk
import torch
from nnunetv2.utilities.plans_handling.plans_handler import PlansManager

from nnunetv2_raemd.bench.file_prediction import plan_for_files, without_lesions
from nnunetv2_raemd.bench.peers import make_peers
from nnunetv2_raemd.bench.sized_plans import DATASET_JSON, SPACING_MM
from nnunetv2_raemd.bench.sizes import Sizes
from nnunetv2_raemd.deployment.export_choices import ExportOptions
from nnunetv2_raemd.deployment.model_description import GraphFormat, Precision
from nnunetv2_raemd.deployment.model_export import export_model
from nnunetv2_raemd.deployment.preprocessed_cases import PreprocessedCases
from nnunetv2_raemd.deployment.source_model import SourceModel
from nnunetv2_raemd.prediction.nnunet_predictor import AnyNetworkPredictor

SEQUENCE = 8
WHOLE_SCAN = 1000 * 512 * 512
WAYS = {
    "torch": (GraphFormat.ONNX, Precision.FLOAT32, ("--backend", "torch")),
    "onnxruntime": (GraphFormat.ONNX, Precision.FLOAT32, ("--backend", "onnxruntime")),
    "openvino": (GraphFormat.OPENVINO, Precision.FLOAT32, ("--backend", "openvino")),
    "openvino, bfloat16": (GraphFormat.OPENVINO, Precision.BFLOAT16, ("--backend", "openvino")),
    "openvino, int8": (GraphFormat.OPENVINO, Precision.INT8, ("--backend", "openvino")),
}


STARTER = """
import resource, subprocess, sys
subprocess.run(sys.argv[1:], stdout=subprocess.DEVNULL, check=True)
print(resource.getrusage(resource.RUSAGE_CHILDREN).ru_maxrss)
"""


@dataclass(frozen=True)
class Noise:
    """In the place of preprocessed cases, of which exports in int8 and bfloat16 want to see some."""

    size: int

    def load_case(self, case_id: str) -> tuple[np.ndarray, np.ndarray, None, dict[str, Any]]:
        """Image (1, Z, Y, X), labels without a lesion, and what nnU-Net's dataset gives beside them."""
        shape = (1, SEQUENCE, self.size, self.size)
        image = np.random.default_rng(int(case_id)).normal(0, 1, shape).astype(np.float32)
        return image, np.zeros(shape, np.int8), None, {}


def untrained(size: int, features: int) -> SourceModel:
    """A RAEMD-Net planned for slices of that size."""
    (peer,) = make_peers(["raemd"], Sizes(size, SEQUENCE, SEQUENCE, features))
    plans = PlansManager(plan_for_files(peer, SPACING_MM))
    network = without_lesions(peer.build(deep_supervision=False))
    predictor = AnyNetworkPredictor(
        device=torch.device("cpu"), perform_everything_on_device=False, allow_tqdm=False
    )
    configuration = plans.get_configuration("2d")
    weights, axes = [network.state_dict()], peer.mirror_axes
    predictor.manual_initialization(
        network, plans, configuration, weights, DATASET_JSON, "nnUNetTrainerRAEMD", axes
    )
    cases = PreprocessedCases(Noise(size), ("0", "1"), ("2",))
    return SourceModel(predictor, "2d", ("0",), {"0": cases})


def write_scan(n_slices: int, size: int, folder: Path) -> None:
    """Noise in HU, 16 bit as CT is, in a folder of its own."""
    noise = np.random.default_rng(0).integers(-1000, 400, (8, size, size), np.int16)
    image = sitk.GetImageFromArray(np.resize(noise, (n_slices, size, size)))
    image.SetSpacing(SPACING_MM[::-1])
    folder.mkdir(parents=True)
    sitk.WriteImage(image, str(folder / "scan_0000.nii.gz"), True)


def exported(source: SourceModel, way: str, folder: Path) -> Path:
    """The model as that way of `WAYS` predicts with it, exported into the folder unless it is there."""
    graph_format, precision, _ = WAYS[way]
    model = folder / f"{graph_format.value}_{precision.value}"
    if not model.exists():
        say(f"exporting for {way}")
        export_model(source, model, ExportOptions(graph_format, precision), verify=unverified)
        say(f"exported after {time.process_time():.0f} s of processor time")
    return model


def unverified(*_: Any) -> dict[str, Any]:
    """Logits are not compared with torch's, which takes minutes of large slices: tests do so."""
    return {"backends": {}}


def say(line: str) -> None:
    """What is being done, at once, and not among the figures."""
    print(line, file=sys.stderr, flush=True)


def predict_command(model: Path, images: Path, output: Path, *options: str) -> list[str]:
    """`raemd predict` by an exported model, without its first word."""
    quietly = ["--disable_tta", "-device", "cpu", "--disable_progress_bar"]
    return ["predict", "--model", str(model), "-i", str(images), "-o", str(output), *quietly, *options]


def peak_mb_of(command: list[str]) -> float:
    """Of the process that a command starts, started by a small one: Linux counts the peak of whoever starts a
    process as its own.
    """
    finished = subprocess.run(
        [sys.executable, "-c", STARTER, *command], stdout=subprocess.PIPE, text=True, check=False
    )
    if finished.returncode:
        raise SystemExit(f"{command[1:]} has failed: {finished.returncode}")
    return int(finished.stdout) / 1000


def main() -> None:
    """Print a row for every backend."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawTextHelpFormatter)
    parser.add_argument("--size", type=int, default=128)
    parser.add_argument("--slices", type=int, nargs="+", default=[100, 400])
    parser.add_argument("--features", type=int, default=8)
    parser.add_argument("--backends", nargs="+", default=list(WAYS), choices=list(WAYS))
    parser.add_argument("--threads", type=int, default=1)
    options = parser.parse_args()
    torch.set_num_threads(options.threads)
    source = untrained(options.size, options.features)
    with tempfile.TemporaryDirectory(prefix="raemd_memory_") as name:
        folder = Path(name)
        for n_slices in options.slices:
            write_scan(n_slices, options.size, folder / str(n_slices))
        print("| backend | " + " | ".join(f"{n} slices, MB" for n in options.slices), end=" | ")
        print("bytes for each voxel | 1000 x 512 x 512, GB |", flush=True)
        for way in options.backends:
            model = exported(source, way, folder)
            peaks = []
            for n in options.slices:
                say(f"predicting {n} slices by {way}")
                command = predict_command(model, folder / str(n), folder / "out", *WAYS[way][-1])
                peaks.append(peak_mb_of([sys.executable, "-m", "nnunetv2_raemd.cli", *command]))
            print(f"| {way} | " + " | ".join(f"{peak:.0f}" for peak in peaks), end=" | ")
            voxels = [n * options.size**2 for n in options.slices]
            slope, start = np.polyfit(voxels, [1e6 * peak for peak in peaks], 1) if len(peaks) > 1 else (0, 0)
            print(f"{slope:.1f} | {(start + slope * WHOLE_SCAN) / 1e9:.2f} |", flush=True)


if __name__ == "__main__":
    main()
