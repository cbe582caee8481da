"""What is done to a case before and after the network, by nnU-Net's own code and in worker processes."""

from __future__ import annotations

import tempfile
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
from nnunetv2.utilities.plans_handling.plans_handler import ConfigurationManager, PlansManager

from nnunetv2_raemd.lesions.scan_files import ScanFiles
from nnunetv2_raemd.nnunet_files.finite_voxels import check_nifti_is_finite
from nnunetv2_raemd.nnunet_files.segmentation_file import SIMPLE_ITK
from nnunetv2_raemd.nnunet_files.whole_image import check_is_whole
from nnunetv2_raemd.prediction.input_cases import InputCase
from nnunetv2_raemd.prediction.lean_preprocessing import LUNGS_REMARK, VALUES_REMARK, LeanPreprocessing
from nnunetv2_raemd.prediction.lesion_lists import SUFFIX, LesionLister
from nnunetv2_raemd.prediction.network_result import NetworkResult
from nnunetv2_raemd.prediction.pass_spread import SpreadMap
from nnunetv2_raemd.prediction.scan_orientation import turn_back, turn_file
from nnunetv2_raemd.prediction.segmentation_export import Postprocessor, export_prediction_from_logits
from nnunetv2_raemd.prediction.uncertainty_maps import FOLDER as UNCERTAINTY
from nnunetv2_raemd.prediction.uncertainty_maps import write_maps
from nnunetv2_raemd.whole_files import folder_in_the_making, whole_files

Properties = dict[str, Any]
"""What nnU-Net remembers of an image to bring its segmentation back to it."""


@dataclass(frozen=True)
class CaseWork:
    """Preprocessing and export of a model's cases.

    Attributes:
        output: folder of the segmentations; it exists.
        previous_stage: predictions of the previous stage of a cascade.
        lungs: whether to predict what lies round the lungs only, of CT.
        lister: lists the lesions of each segmentation; None where none are to be listed.
        uncertainty: whether maps of it are to come with the logits.
        origins: where the image of a case came from, for those that lie in a temporary folder.
        postprocessor: of the model; None where segmentations are written as the network gives them.
    """

    plans_manager: PlansManager
    configuration_manager: ConfigurationManager
    dataset_json: dict[str, Any]
    output: Path
    previous_stage: Path | None = None
    save_probabilities: bool = False
    verbose: bool = False
    lungs: bool = False
    lister: LesionLister | None = None
    uncertainty: bool = False
    origins: Mapping[str, str] = field(default_factory=dict)
    postprocessor: Postprocessor | None = None

    def preprocess(self, case: InputCase) -> tuple[np.ndarray, Properties]:
        """The image (C, Z, Y, X) as the network takes it, of a cascade with the previous stage's labels.

        An array, because torch hands tensors between processes through shared memory, which is scarce.

        Raises:
            UserError: if a file is cut off, damaged, or contains NaN.
        """
        previous = self.previous_stage and self.previous_stage / self._name(case)
        for file in (*case.images, *([previous] if previous else [])):
            check_is_whole(file)
            check_nifti_is_finite(file)
        preprocessing = LeanPreprocessing(
            self.plans_manager, self.configuration_manager, self.dataset_json, self.lungs, self.verbose
        )
        # an interrupt ends this process here, and the next that turns images removes what it left
        with folder_in_the_making(Path(tempfile.gettempdir())) as folder:
            images = tuple(self._turned(image, case, folder) for image in case.images)
            turned = previous and self._turned(previous, case, folder)
            image, properties = preprocessing.read(images, turned)
        for remark in filter(None, map(properties.get, (LUNGS_REMARK, VALUES_REMARK))):
            print(f"{case.case_id}: {remark}")
        return image, properties

    def _turned(self, file: Path, case: InputCase, folder: Path) -> Path:
        """The file itself, or a copy of it turned to how the training's are stored."""
        if case.turn_to is None:
            return file
        # without compression, and the one in double precision where the reader takes both
        ending = ".mha" if self.plans_manager.plans["image_reader_writer"] == SIMPLE_ITK else ".nii"
        turned = folder / f"{file.name.removesuffix(self._file_ending)}{ending}"
        turn_file(file, turned, case.turn_to)
        return turned

    def export(self, result: NetworkResult, properties: Properties, case: InputCase) -> None:
        """Write the segmentation and what else is wanted, whole or not at all.

        The segmentation comes last: where it is, the case is done. The logits are let go of once it is made.
        """
        with whole_files(self.output, last=self._name(case)) as making:
            export_prediction_from_logits(
                result.take_logits(),
                properties,
                self.configuration_manager,
                self.plans_manager,
                self.dataset_json,
                str(making / case.case_id),
                self.save_probabilities or (self.lister is not None and self.lister.needs_probabilities),
                postprocessor=self.postprocessor,
            )
            if case.turn_to is not None:
                turn_back(making / self._name(case), case.images[0])
            self._list_lesions(making, case)
            if result.maps:
                self._write_maps(result.maps, properties, making, case)

    def _list_lesions(self, unfinished: Path, case: InputCase) -> None:
        """Beside the unfinished segmentation; the probabilities are removed where they were for this only."""
        if self.lister is None:
            return
        probabilities = unfinished / f"{case.case_id}.npz"
        scan = ScanFiles(case.case_id, unfinished / self._name(case), self._ct(case), probabilities)
        file = unfinished / f"{case.case_id}{SUFFIX}"
        origin = self.origins.get(case.case_id)
        self.lister.save(scan, file, segmentation=self.output / self._name(case), origin=origin)
        if not self.save_probabilities:
            for ending in (".npz", ".pkl"):
                probabilities.with_suffix(ending).unlink(missing_ok=True)

    def _ct(self, case: InputCase) -> Path | None:
        """The image of the channel that holds HU; None where there is no such channel."""
        names = self.dataset_json.get("channel_names", self.dataset_json.get("modality", {}))
        channels = [number for number, name in names.items() if str(name).casefold() == "ct"]
        return case.images[int(channels[0])] if channels else None

    def _write_maps(
        self, maps: Sequence[SpreadMap], properties: Properties, unfinished: Path, case: InputCase
    ) -> None:
        """The maps of uncertainty, in a folder of their own beside the segmentation."""
        folder = unfinished / UNCERTAINTY
        folder.mkdir()
        stem = folder / case.case_id
        for file in write_maps(maps, properties, self.plans_manager, self.configuration_manager, stem):
            if case.turn_to is not None:
                turn_back(file, case.images[0])

    def _name(self, case: InputCase) -> str:
        return f"{case.case_id}{self._file_ending}"

    @property
    def _file_ending(self) -> str:
        return str(self.dataset_json["file_ending"])
