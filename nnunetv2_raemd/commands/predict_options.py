"""The options of `raemd predict` by what they are about; the fields of each class are options."""

from __future__ import annotations

from dataclasses import dataclass
from enum import Enum
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from nnunetv2_raemd.commands import nnunet_options as options
from nnunetv2_raemd.dicom_objects.object_kinds import ObjectKind

if TYPE_CHECKING:
    from nnunetv2_raemd.prediction.scan_request import ScanRequest


class Device(str, Enum):
    """Where the network runs, as nnU-Net calls it."""

    CUDA = "cuda"
    CPU = "cpu"
    MPS = "mps"


@dataclass(frozen=True)
class Scans:
    """What is predicted, and what becomes of it outside the folder of segmentations."""

    source: Annotated[
        str,
        typer.Option(
            "-i",
            metavar="FOLDER|FILE|URL",
            help="Folder of images named CASE_0000.nii.gz etc.; folder of DICOM of any depth, or a .zip of "
            "it; one image (.nii.gz, .mha, .nrrd); or the URL of a study or series in an archive (DICOMweb).",
        ),
    ]
    series: Annotated[
        list[str] | None,
        typer.Option(
            "--series",
            metavar="UID",
            help="DICOM series to predict; by default of each study the one most like those of the training.",
        ),
    ] = None
    dicom: Annotated[
        list[ObjectKind] | None,
        typer.Option(
            "--dicom",
            help="DICOM objects to write beside the segmentations, as in --dicom seg rtstruct sr.",
        ),
    ] = None
    store: Annotated[
        str,
        typer.Option(
            "--store",
            metavar="URL",
            help="DICOMweb service to send these objects to, as https://HOST/dicom-web. User and password "
            "come from RAEMD_DICOMWEB_USER and RAEMD_DICOMWEB_PASSWORD, or from ~/.netrc.",
        ),
    ] = ""

    anonymize: Annotated[
        bool,
        typer.Option(
            "--anonymize",
            help="Name scans scan_001 and so on; files and DICOM objects then hold no names, dates and UIDs "
            "of the patients. Who they are is written to OUTPUT_private.json beside the folder.",
        ),
    ] = False

    def request(self, *, uncertainty: bool) -> ScanRequest:
        """As the prediction takes it; a path is made absolute, for workers on other machines.

        Args:
            uncertainty: whether maps of it are asked for.

        Raises:
            UserError: if objects are to be sent and none are to be written.
        """
        from nnunetv2_raemd.dicomweb.address import is_url
        from nnunetv2_raemd.prediction.scan_request import ScanRequest

        source = self.source if is_url(self.source) else str(Path(self.source).absolute())
        return ScanRequest(
            source,
            tuple(self.series or ()),
            frozenset(self.dicom or ()),
            self.store,
            uncertainty=uncertainty,
            anonymize=self.anonymize,
        )


@dataclass(frozen=True)
class Results:
    """What is written of each scan."""

    output: Annotated[
        Path,
        typer.Option(
            "-o",
            file_okay=False,
            callback=options.absolute,
            help="Folder for the segmentations; made if absent.",
        ),
    ]
    save_probabilities: Annotated[
        bool, typer.Option("--save_probabilities", help="Also write class probabilities, for ensembles.")
    ] = False
    false_positives: Annotated[
        float | None,
        typer.Option(
            help="List only lesions so confident that at most NUMBER false ones per scan are expected; needs "
            "raemd calibrate.",
        ),
    ] = None
    sensitivity: Annotated[
        float | None,
        typer.Option(
            help="Or list as many as it takes for this share of a scan's lesions to be expected among them, "
            "as 0.9; needs raemd calibrate.",
        ),
    ] = None
    uncertainty: Annotated[
        bool,
        typer.Option(
            "--uncertainty",
            help="Also write, into the folder uncertainty, maps of the entropy and of what folds and "
            "mirrored passes disagree about (mutual information); with --dicom as parametric maps too.",
        ),
    ] = False
    explain: Annotated[
        bool,
        typer.Option(
            "--explain",
            help="Also write CASE.lesions.html: a card for each lesion with three views, measures, what "
            "speaks for it and which slices it rests on; needs the extra explain.",
        ),
    ] = False


@dataclass(frozen=True)
class CasesInTurn:
    """Which of the cases are predicted, and by how many processes beside the one with the network."""

    continue_prediction: Annotated[
        bool, typer.Option("--continue_prediction", help="Leave out cases that are predicted already.")
    ] = False
    n_preprocessing: Annotated[
        int, typer.Option("-npp", min=0, envvar="nnUNet_npp", help="Processes that preprocess.")
    ] = 3
    n_export: Annotated[
        int, typer.Option("-nps", min=0, envvar="nnUNet_nps", help="Processes that write segmentations.")
    ] = 3
    previous_stage: Annotated[
        Path | None,
        typer.Option(
            "-prev_stage_predictions",
            exists=True,
            file_okay=False,
            callback=options.absolute,
            help="Predictions of the previous stage of a cascade.",
        ),
    ] = None
    num_parts: Annotated[int, typer.Option("-num_parts", min=1, help="Share the cases among N calls.")] = 1
    part_id: Annotated[int, typer.Option("-part_id", min=0, help="Which of them this is, from 0.")] = 0

    def check(self) -> None:
        """Raise a `typer.BadParameter` where there is no such part."""
        if self.part_id >= self.num_parts:
            raise typer.BadParameter(f"-part_id {self.part_id} must be below -num_parts {self.num_parts}")


@dataclass(frozen=True)
class NetworkUse:
    """How the network is used, and where."""

    step_size: Annotated[
        float, typer.Option("-step_size", min=0.01, max=1, help="Step of the sliding window in windows.")
    ] = 0.5
    disable_tta: Annotated[
        bool, typer.Option("--disable_tta", help="No mirroring: four times faster, less accurate.")
    ] = False
    lungs: Annotated[
        bool,
        typer.Option(
            "--lungs",
            help="CT: predict inside the box around the lungs only, which is faster. Lesions are those of "
            "the whole scan, unless the model's patch is as large as a slice. Where both lungs are not "
            "found, the whole scan is predicted and the report says so.",
        ),
    ] = False
    scheduler: options.SchedulerAddress = None
    device: Annotated[
        Device | None,
        typer.Option(
            "-device", "--device", help="Where the network runs; by default cuda, of an exported model cpu."
        ),
    ] = None
    not_on_device: Annotated[
        bool, typer.Option("--not_on_device", help="Keep results in main memory, for very large scans.")
    ] = False
    disable_progress_bar: Annotated[
        bool, typer.Option("--disable_progress_bar", help="A line each tenth of a scan instead, for logs.")
    ] = False
    verbose: Annotated[bool, typer.Option("--verbose", help="Say more.")] = False

    def settings(self) -> dict[str, Any]:
        """The settings of nnU-Net's predictor, without the device."""
        return {
            "tile_step_size": self.step_size,
            "use_mirroring": not self.disable_tta,
            "perform_everything_on_device": not self.not_on_device,
            "verbose": self.verbose,
            "verbose_preprocessing": self.verbose,
            "allow_tqdm": not self.disable_progress_bar,
        }
