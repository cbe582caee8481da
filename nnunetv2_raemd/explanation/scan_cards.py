"""The lesion cards of predicted scans: each lesion looked at again, on its own."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property

import numpy as np
import SimpleITK as sitk
import torch
from torch import nn

from nnunetv2_raemd.architecture.residual_attention import ResidualAttention
from nnunetv2_raemd.errors import UserError, reason_of
from nnunetv2_raemd.explanation.card_page import (
    CardPage,
    LesionCard,
    channels_sentence,
    facts_of,
    render,
)
from nnunetv2_raemd.explanation.lesion_explanation import (
    ABOUT,
    ATTENTION,
    GRAD_CAM,
    INTEGRATED,
    LesionExplanation,
    explain,
)
from nnunetv2_raemd.explanation.lesion_views import views
from nnunetv2_raemd.explanation.lesion_window import lesion_window
from nnunetv2_raemd.explanation.preprocessed_space import PreprocessedSpace
from nnunetv2_raemd.extras import require
from nnunetv2_raemd.lesions.lesion_list import load_scan
from nnunetv2_raemd.lesions.measured_lesion import MeasuredLesion, ScanLesions
from nnunetv2_raemd.lesions.measurement import LesionMask, lesion_masks
from nnunetv2_raemd.nnunet_files.label_set import LabelSet, labels_of
from nnunetv2_raemd.prediction.case_work import CaseWork
from nnunetv2_raemd.prediction.input_cases import InputCase
from nnunetv2_raemd.prediction.lesion_lists import SUFFIX
from nnunetv2_raemd.prediction.predictor import WholeScanPredictor
from nnunetv2_raemd.whole_files import write_text

ENDING = ".lesions.html"
MOST_CARDS = 20
NOT_SHOWN = "No maps: on its own, in a single window, the network does not predict this lesion."


@dataclass(frozen=True)
class ScanExplainer:
    """Writes the cards of scans beside their segmentations.

    Attributes:
        kinds: of maps, out of those of `lesion_explanation`.
    """

    kinds: frozenset[str]

    def explain(self, predictor: WholeScanPredictor, work: CaseWork, case: InputCase) -> str | None:
        """Write CASE.lesions.html, whole or not at all; returns what went wrong."""
        try:
            page = self._page(predictor, work, case)
            write_text(work.output / f"{case.case_id}{ENDING}", render(page))
        except Exception as error:  # one bad scan must not end a run of hundreds
            return f"{case.case_id}: it has no lesion cards: {reason_of(error)}"
        return None

    def _page(self, predictor: WholeScanPredictor, work: CaseWork, case: InputCase) -> CardPage:
        scan = load_scan(work.output / f"{case.case_id}{SUFFIX}")
        shown = sorted(scan.lesions, key=lambda lesion: (not lesion.listed, -(lesion.confidence or 0)))[
            :MOST_CARDS
        ]
        network = predictor.first_network().to("cpu").eval()  # the maps are few
        overlays = [
            kind for kind in ABOUT if kind in self.kinds and (kind != ATTENTION or _has_attention(network))
        ]
        image, properties = work.preprocess(case)
        subject = _Subject(
            network,
            torch.from_numpy(image),
            PreprocessedSpace.of(properties, work.plans_manager.transpose_forward, image.shape[1:]),
            _as_predicted(case),
            sitk.ReadImage(str(scan.segmentation)),
            labels_of(work.dataset_json),
            predictor.label_manager.has_regions,
            tuple(work.configuration_manager.patch_size),
        )
        cards = [subject.card(lesion, scan, frozenset(overlays)) for lesion in shown]
        about = [ABOUT[kind] for kind in overlays]
        about.append(
            "Maps and curves are of one fold's network, without mirroring, in one window round the lesion."
        )
        return CardPage(scan, cards, overlays, about, len(scan.lesions) - len(cards))


@dataclass(frozen=True)
class _Subject:
    """A scan with its network.

    Attributes:
        scan: as the network gets it, turned where it is stored in another order than the training's.
        segmentation: as it is stored.
    """

    network: nn.Module
    image: torch.Tensor
    space: PreprocessedSpace
    scan: sitk.Image
    segmentation: sitk.Image
    labels: LabelSet
    regions: bool
    patch_size: tuple[int, ...]

    def card(self, lesion: MeasuredLesion, scan: ScanLesions, kinds: frozenset[str]) -> LesionCard:
        found = self._explanation(lesion, kinds)
        overlays = (
            {}
            if found is None
            else {
                name: self.space.in_patient(values.numpy(), found.window.start, self.scan)
                for name, values in found.maps.items()
            }
        )
        shown = views(self.scan, self._mask(lesion, scan), lesion.centre_mm, lesion.long_axis_mm, overlays)
        channels = found.channels if found is not None else None
        return LesionCard(
            lesion,
            facts_of(lesion),
            shown,
            None if found is None else found.reliance,
            "" if channels is None else channels_sentence(channels.tolist()),
            NOT_SHOWN if found is None else "",
        )

    def _explanation(self, lesion: MeasuredLesion, kinds: frozenset[str]) -> LesionExplanation | None:
        names = [target.name for target in self.labels.targets]
        head = names.index(lesion.label) + (not self.regions)
        voxel = self.scan.TransformPhysicalPointToContinuousIndex(lesion.centre_mm)
        centre = self.space.from_scan(voxel[::-1])
        window = lesion_window(
            self.network, self.image, centre, self._window_size(), head=head, regions=self.regions
        )
        return None if window is None else explain(self.network, window, kinds=kinds)

    def _window_size(self) -> tuple[int, ...]:
        if len(self.patch_size) != 3:
            raise UserError("explanations are for RAEMD-Net, which sees several slices at once")
        return self.patch_size

    @cached_property
    def _masks(self) -> dict[str, list[LesionMask]]:
        """The lesions of each label: the same components, in the same order, that were measured."""
        labels = sitk.GetArrayViewFromImage(self.segmentation)
        return {target.name: lesion_masks(np.isin(labels, target.values)) for target in self.labels.targets}

    def _mask(self, lesion: MeasuredLesion, scan: ScanLesions) -> sitk.Image:
        """The voxels of a lesion, as an image of its box."""
        first = min(one.number for one in scan.lesions if one.label == lesion.label)
        component = self._masks[lesion.label][lesion.number - first]
        image = sitk.GetImageFromArray(component.mask.astype(np.uint8))
        image.SetSpacing(self.segmentation.GetSpacing())
        image.SetDirection(self.segmentation.GetDirection())
        start = [side.start for side in reversed(component.box)]
        image.SetOrigin(self.segmentation.TransformIndexToPhysicalPoint(start))
        return image


def scan_explainer(kinds: Sequence[str] = (INTEGRATED, GRAD_CAM)) -> ScanExplainer:
    """An explainer, once it is known that what it needs is installed.

    Spatial attention is not among the maps unless asked for: it names what the network used no better than
    chance (docs/explanation.md).

    Raises:
        UserError: if captum is not.
    """
    if {INTEGRATED, GRAD_CAM} & set(kinds):
        require("captum", extra="explain", what="--explain")
    return ScanExplainer(frozenset(kinds))


def _as_predicted(case: InputCase) -> sitk.Image:
    image = sitk.ReadImage(str(case.images[0]))
    return image if case.turn_to is None else sitk.DICOMOrient(image, case.turn_to)


def _has_attention(network: nn.Module) -> bool:
    return any(isinstance(module, ResidualAttention) for module in network.modules())
