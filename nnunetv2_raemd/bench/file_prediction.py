"""A CT from its file to that of its segmentation: reading, preprocessing, network, export."""

from __future__ import annotations

import contextlib
import io
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import SimpleITK as sitk
import torch
from nnunetv2.inference.predict_from_raw_data import nnUNetPredictor
from nnunetv2.utilities.plans_handling.plans_handler import PlansManager
from torch import nn

from nnunetv2_raemd.bench.peers import Peer
from nnunetv2_raemd.bench.prediction_times import new_predictor
from nnunetv2_raemd.bench.sized_plans import DATASET_JSON, Plan
from nnunetv2_raemd.errors import UserError
from nnunetv2_raemd.nnunet_files.image_writing import write_whole_image
from nnunetv2_raemd.prediction.batch_request import Batch
from nnunetv2_raemd.prediction.nnunet_predictor import AnyNetworkPredictor
from nnunetv2_raemd.prediction.pipeline import Processes
from nnunetv2_raemd.prediction.prediction_batch import predict_batch
from nnunetv2_raemd.volumes.lung_box import anatomy_of, find_lung_box

IN_THIS_PROCESS = Processes(0, 0)
CASE = "scan"
_INTENSITY = {"mean": -600.0, "std": 400.0, "percentile_00_5": -1000.0, "percentile_99_5": 400.0}
_RESAMPLING = {"is_seg": False, "order": 3, "order_z": 0, "force_separate_z": None}
PREPROCESSING: dict[str, Any] = {
    "normalization_schemes": ["CTNormalization"],
    "use_mask_for_norm": [False],
    "resampling_fn_data": "resample_data_or_seg_to_shape",
    "resampling_fn_data_kwargs": _RESAMPLING,
    "resampling_fn_seg": "resample_data_or_seg_to_shape",
    "resampling_fn_seg_kwargs": _RESAMPLING | {"is_seg": True, "order": 1},
    "resampling_fn_probabilities": "resample_data_or_seg_to_shape",
    "resampling_fn_probabilities_kwargs": _RESAMPLING | {"order": 1},
}
"""as nnU-Net's planner writes it for CT"""


@dataclass(frozen=True)
class ScanFile:
    """A scan in a folder that both commands predict; networks are planned for its own spacing.

    Attributes:
        folder: holds the folders of images and of predictions.
    """

    folder: Path
    spacing_mm: tuple[float, float, float]

    @classmethod
    def copied(cls, file: Path, folder: Path) -> ScanFile:
        """A copy named and stored as nnU-Net wants it; raises `UserError` where it cannot be read."""
        try:
            image = sitk.ReadImage(str(file))
        except RuntimeError as error:
            raise UserError(f"{file} cannot be read: {str(error).strip().splitlines()[-1]}") from error
        if image.GetDimension() != 3:
            raise UserError(f"{file} is not a volume: give a CT of three dimensions")
        scan = cls(folder, image.GetSpacing()[::-1])
        scan.image.parent.mkdir(parents=True)
        write_whole_image(image, scan.image)
        return scan

    @property
    def image(self) -> Path:
        return self.folder / "images" / f"{CASE}_0000{DATASET_JSON['file_ending']}"

    def check_lungs(self) -> None:
        """Raise a `UserError` where `--lungs` would predict the whole scan."""
        image = sitk.ReadImage(str(self.image))
        anatomy = anatomy_of(image.GetDirection())
        found = find_lung_box(sitk.GetArrayViewFromImage(image), self.spacing_mm, anatomy)
        if found.box is None:
            raise UserError(f"--scan is for a CT of the chest, but {found.reason}: choose another")

    def as_nnunet(self, peer: Peer, network: nn.Module, device: torch.device) -> Callable[[], None]:
        """As nnUNetv2_predict does it without worker processes (-npp 0 -nps 0)."""
        predictor = self._predictor(peer, network, device, nnUNetPredictor)
        truncated = self._output("nnunet") / CASE

        def run() -> None:
            with contextlib.redirect_stdout(io.StringIO()):
                predictor.predict_from_files_sequential([[str(self.image)]], [str(truncated)])

        return run

    def as_raemd(
        self, peer: Peer, network: nn.Module, device: torch.device, *, lungs: bool = False
    ) -> Callable[[], None]:
        """As `raemd predict` does it once the model is loaded."""
        predictor = self._predictor(peer, network, device, AnyNetworkPredictor)
        predictor.fold_networks = [network]
        batch = Batch(self.image.parent, self._output("raemd"), lungs=lungs)

        def run() -> None:
            with contextlib.redirect_stdout(io.StringIO()):
                predict_batch(predictor, batch, IN_THIS_PROCESS)

        return run

    def _output(self, name: str) -> Path:
        folder = self.folder / name
        folder.mkdir(exist_ok=True)
        return folder

    def _predictor(
        self, peer: Peer, network: nn.Module, device: torch.device, kind: type[nnUNetPredictor]
    ) -> Any:
        plans = PlansManager(plan_for_files(peer, self.spacing_mm))
        predictor = new_predictor(device, mirroring=False, kind=kind)
        predictor.manual_initialization(
            network,
            plans,
            plans.get_configuration(peer.configuration_name),
            [network.state_dict()],
            DATASET_JSON,
            "",
            peer.mirror_axes,
        )
        return predictor


def plan_for_files(peer: Peer, spacing_mm: Sequence[float]) -> Plan:
    """That of the network, with what preprocessing reads: scans of this spacing are not resampled.

    Args:
        spacing_mm: (z, y, x).
    """
    configuration = peer.configuration | PREPROCESSING | {"spacing": list(spacing_mm[1:])}
    return peer.plan | {
        "configurations": {peer.configuration_name: configuration},
        "foreground_intensity_properties_per_channel": {"0": _INTENSITY},
    }


def without_lesions(network: nn.Module) -> nn.Module:
    """A network to which all is background, as nearly all of a scan is to a trained one.

    Random ones find a lesion in every other voxel, and each would be measured.
    """
    *_, head = network.get_submodule("decoder.seg_layers").children()
    with torch.no_grad():
        head.get_parameter("bias").copy_(torch.tensor([100.0, -100.0]))
    return network.eval()
