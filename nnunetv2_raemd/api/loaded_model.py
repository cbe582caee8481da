"""A model that is ready to predict."""

from __future__ import annotations

from collections.abc import Sequence
from contextlib import redirect_stdout
from dataclasses import replace
from io import StringIO
from pathlib import Path
from typing import Any

import numpy as np
import SimpleITK as sitk
import torch

from nnunetv2_raemd.api.image_turning import geometry_of, turning_of
from nnunetv2_raemd.api.scan_result import Prediction
from nnunetv2_raemd.confidence.rated_lesions import NOTHING_PROMISED
from nnunetv2_raemd.deployment.exported_model import ExportedModel
from nnunetv2_raemd.deployment.model_description import FILE_NAME
from nnunetv2_raemd.deployment.network_backend import Backend
from nnunetv2_raemd.errors import UserError
from nnunetv2_raemd.nnunet_files.label_set import labels_of
from nnunetv2_raemd.nnunet_files.segmentation_file import Geometry
from nnunetv2_raemd.prediction.batch_request import Batch
from nnunetv2_raemd.prediction.lean_preprocessing import LUNGS_REMARK, VALUES_REMARK, LeanPreprocessing
from nnunetv2_raemd.prediction.lesion_lists import lister_for
from nnunetv2_raemd.prediction.pipeline import Processes
from nnunetv2_raemd.prediction.prediction_batch import predict_batch
from nnunetv2_raemd.prediction.predictor import WholeScanPredictor
from nnunetv2_raemd.prediction.scan_part import part_of
from nnunetv2_raemd.prediction.segmentation_export import SegmentationExport
from nnunetv2_raemd.prediction.trained_model import AnyModel, TrainedFolder
from nnunetv2_raemd.scans.single_image import read_single_image
from nnunetv2_raemd.volumes.plausible_spacing import implausible_spacing

IN_THIS_PROCESS = Processes(0, 0)
_IDENTITY = (1.0, 0.0, 0.0, 0.0, 1.0, 0.0, 0.0, 0.0, 1.0)


def load_model(  # noqa: PLR0913 - all but the first are settings with a default
    folder: str | Path,
    *,
    backend: str | None = None,
    folds: Sequence[str | int] = (),
    checkpoint: str = "checkpoint_final.pth",
    device: str = "cpu",
    threads: int | None = None,
    mirroring: bool = True,
    step_size: float = 0.5,
    progress: bool = False,
    postprocessing: bool = True,
    trust_checkpoint: bool = False,
) -> LoadedModel:
    """Load an exported model, or one as nnU-Net's training leaves it.

    Args:
        folder: that `raemd export` wrote, or nnU-Net's TRAINER__PLANS__CONFIGURATION.
        backend: "torch", "openvino" or "onnxruntime", for exported models; by default the fastest there is.
        folds: to average; by default all that there are.
        checkpoint: file name in nnU-Net's fold folders.
        device: torch's, such as "cuda"; backends other than torch run on the CPU.
        threads: CPU threads; by default as many as torch takes. The setting is torch's, for the process.
        mirroring: whether to average predictions of the mirrored scan: slower, more accurate.
        step_size: of the sliding window, as a fraction of it.
        progress: whether to show a bar, also in notebooks.
        postprocessing: whether what an exported model brings with it is done to its segmentations.
        trust_checkpoint: whether nnU-Net's files may run code; for models whose maker you trust.

    Raises:
        UserError: if there is no model, or it is damaged, changed, or would run code.
    """
    if threads is not None:
        torch.set_num_threads(threads)
    chosen = _model_in(Path(folder), backend, tuple(map(str, folds)), checkpoint)
    if isinstance(chosen, ExportedModel):
        chosen = replace(chosen, postprocessing=postprocessing)
    with redirect_stdout(StringIO()):  # nnU-Net tells how it looks for trainers
        predictor = chosen.load(
            trust_checkpoint=trust_checkpoint,
            device=torch.device(device),
            use_mirroring=mirroring,
            tile_step_size=step_size,
            allow_tqdm=progress,
        )
    predictor.hold_folds()
    return LoadedModel(predictor)


def _model_in(folder: Path, backend: str | None, folds: tuple[str, ...], checkpoint: str) -> AnyModel:
    if (folder / FILE_NAME).is_file():
        known = [known.value for known in Backend]
        if backend is not None and backend not in known:
            raise UserError(f"there is no backend {backend}: choose among {', '.join(known)}")
        return ExportedModel(folder, None if backend is None else Backend(backend), folds)
    if backend not in (None, Backend.TORCH.value):
        raise UserError(f"{folder} is not an exported model: {backend} needs one, see raemd export")
    return TrainedFolder(folder, folds, checkpoint)


class LoadedModel:
    """Predicts scans; several threads may use it at once."""

    def __init__(self, predictor: WholeScanPredictor) -> None:
        self.predictor = predictor
        # nnU-Net's objects look things up when they are first asked for: once, before threads do
        self._export = SegmentationExport(
            predictor.plans_manager,
            predictor.configuration_manager,
            predictor.label_manager,
            predictor.postprocessor,
        )
        labels = labels_of(dict(predictor.dataset_json))
        self._lister = lister_for(predictor.model_folder, labels, NOTHING_PROMISED)

    @property
    def labels(self) -> dict[str, Any]:
        """Values of the labels, or of the labels in each region, by name."""
        return dict(self.predictor.dataset_json["labels"])

    @property
    def channels(self) -> tuple[str, ...]:
        """Names of the images that make a scan."""
        dataset = self.predictor.dataset_json
        return tuple((dataset.get("channel_names") or dataset["modality"]).values())

    def predict_array(
        self,
        image_hu: np.ndarray,
        spacing_mm: Sequence[float],
        *,
        probabilities: bool = False,
        lungs: bool = False,
    ) -> Prediction:
        """Segment a scan given as an array.

        Args:
            image_hu: (Z, Y, X), or (channels, Z, Y, X); of CT in HU, slices from the feet to the head.
            spacing_mm: (z, y, x).
            probabilities: whether to return them too.
            lungs: whether to predict inside the box round the lungs only, of CT.

        Raises:
            UserError: if shape or spacing are not those of a scan, or voxels are not finite.
        """
        image = np.asarray(image_hu)
        if image.ndim == 3:
            image = image[None]
        if image.ndim != 4 or len(image) != len(self.channels) or image.size == 0:
            raise UserError(
                f"the image has the shape {np.shape(image_hu)}: expected (Z, Y, X), or (channels, Z, Y, X) "
                f"with the channels {', '.join(self.channels)}"
            )
        z, y, x = (float(mm) for mm in _three(spacing_mm))
        geometry = Geometry(image.shape[1:], (z, y, x), (0.0, 0.0, 0.0), _IDENTITY)
        return self._predict(image, geometry, probabilities=probabilities, lungs=lungs)

    def predict_image(
        self, image: sitk.Image | Sequence[sitk.Image], *, probabilities: bool = False, lungs: bool = False
    ) -> Prediction:
        """Segment an image of SimpleITK, or one for each channel; otherwise as `predict_array`.

        CT that is stored in another order of axes than axial slices is turned, as by `raemd predict`, and the
        result is turned back.
        """
        images = [image] if isinstance(image, sitk.Image) else list(image)
        if not images or any(one.GetDimension() != 3 for one in images):
            raise UserError("give an image of three dimensions, or one for each channel")
        if any(one.GetNumberOfComponentsPerPixel() != 1 for one in images):
            raise UserError("give an image with one number a voxel, or one such image for each channel")
        first = images[0]
        for other in images[1:]:
            if other.GetSize() != first.GetSize() or not np.allclose(other.GetSpacing(), first.GetSpacing()):
                raise UserError("the images of a scan must have the same size and spacing")
        reader = str(self.predictor.plans_manager.plans["image_reader_writer"])
        turning = turning_of(first, reader, self.predictor.dataset_json)
        turned = images if turning is None else turning.images(images)
        array = np.stack([sitk.GetArrayFromImage(one) for one in turned])
        found = self._predict(array, geometry_of(turned[0]), probabilities=probabilities, lungs=lungs)
        return found if turning is None else turning.back(found, first)

    def predict_file(
        self, file: str | Path | Sequence[str | Path], *, probabilities: bool = False, lungs: bool = False
    ) -> Prediction:
        """Segment a file that SimpleITK reads, or one for each channel; otherwise as `predict_array`.

        Raises:
            UserError: also if a file cannot be read, or is cut off or damaged.
        """
        files = [file] if isinstance(file, str | Path) else list(file)
        images = [read_single_image(Path(one)) for one in files]
        return self.predict_image(images, probabilities=probabilities, lungs=lungs)

    def predict_folder(
        self, batch: Batch, *, preprocessing_processes: int = 0, export_processes: int = 0
    ) -> None:
        """Segment many files, as `raemd predict` does; see `Batch` for what can be said of them.

        Raises:
            UserError: at the end, if scans had to be left out; all others are written.
        """
        predict_batch(self.predictor, batch, Processes(preprocessing_processes, export_processes))

    def _predict(
        self, image: np.ndarray, geometry: Geometry, *, probabilities: bool, lungs: bool
    ) -> Prediction:
        if not np.isfinite(image).all():
            raise UserError("the image contains NaN or infinite voxels: replace them (in CT, with -1024 HU)")
        if (why := implausible_spacing(geometry.spacing_mm, geometry.shape)) is not None:
            raise UserError(f"the image has {why}")
        predictor = self.predictor
        properties = _properties(geometry)
        preprocessing = LeanPreprocessing(
            predictor.plans_manager, predictor.configuration_manager, predictor.dataset_json, lungs=lungs
        )
        preprocessed, properties = preprocessing.run([image], None, properties)
        predictor = predictor.within(part_of(properties))
        logits = predictor.predict_logits_from_preprocessed_data(torch.from_numpy(preprocessed)).numpy()
        return Prediction(
            self._export.segmentation(logits, properties),
            self._export.probabilities(logits, properties) if probabilities else None,
            geometry,
            predictor.dataset_json,
            tuple(filter(None, map(properties.get, (LUNGS_REMARK, VALUES_REMARK)))),
            image[0],
            self._lister,
        )


def _three(spacing_mm: Sequence[float]) -> Sequence[float]:
    if len(spacing_mm) != 3 or not all(np.isfinite(mm) and mm > 0 for mm in spacing_mm):
        raise UserError(f"spacing_mm is {tuple(spacing_mm)}: expected three positive numbers, (z, y, x)")
    return spacing_mm


def _properties(geometry: Geometry) -> dict[str, Any]:
    """What nnU-Net's SimpleITKIO keeps of an image."""
    assert geometry.origin_mm is not None
    assert geometry.direction is not None
    return {
        "sitk_stuff": {
            "spacing": geometry.spacing_mm[::-1],
            "origin": geometry.origin_mm,
            "direction": geometry.direction,
        },
        "spacing": list(geometry.spacing_mm),
    }
