"""`raemd predict`: the arguments of `nnUNetv2_predict`."""

from __future__ import annotations

from enum import Enum
from pathlib import Path
from typing import Annotated

import typer

from nnunetv2_raemd.commands import nnunet_options as options
from nnunetv2_raemd.commands.model_choice import BackendChoice, ModelFolder, NnunetNames, chosen_model
from nnunetv2_raemd.commands.trust_option import trust_option
from nnunetv2_raemd.dicom_objects.object_kinds import ObjectKind


class Device(str, Enum):
    """Where the network runs, as nnU-Net calls it."""

    CUDA = "cuda"
    CPU = "cpu"
    MPS = "mps"


def predict(
    source: Annotated[
        str,
        typer.Option(
            "-i",
            metavar="FOLDER|FILE|URL",
            help="Folder of images named CASE_0000.nii.gz etc.; folder of DICOM of any depth, or a .zip of "
            "it; one image (.nii.gz, .mha, .nrrd); or https://HOST/dicom-web/studies/UID[/series/UID].",
        ),
    ],
    output: Annotated[
        Path,
        typer.Option(
            "-o",
            file_okay=False,
            callback=options.absolute,
            help="Folder for the segmentations; made if absent.",
        ),
    ],
    dataset: options.OptionalDataset = None,
    configuration: Annotated[
        str | None, typer.Option("-c", metavar="CONFIGURATION", help="nnU-Net configuration, such as 2d.")
    ] = None,
    trainer: options.Trainer = options.DEFAULT_TRAINER,
    plans: options.Plans = options.DEFAULT_PLANS,
    folds: options.Folds = None,
    model: ModelFolder = None,
    backend: BackendChoice = None,
    step_size: Annotated[
        float, typer.Option("-step_size", min=0.01, max=1, help="Step of the sliding window in windows.")
    ] = 0.5,
    disable_tta: Annotated[
        bool, typer.Option("--disable_tta", help="No mirroring: four times faster, less accurate.")
    ] = False,
    verbose: Annotated[bool, typer.Option("--verbose", help="Say more.")] = False,
    save_probabilities: Annotated[
        bool, typer.Option("--save_probabilities", help="Also write class probabilities, for ensembles.")
    ] = False,
    continue_prediction: Annotated[
        bool, typer.Option("--continue_prediction", help="Leave out cases that are predicted already.")
    ] = False,
    checkpoint: Annotated[str, typer.Option("-chk", help="Checkpoint to use.")] = "checkpoint_final.pth",
    false_positives: Annotated[
        float | None,
        typer.Option(
            help="List lesions by such a confidence that at most so many false ones per scan are expected; "
            "needs raemd calibrate.",
        ),
    ] = None,
    sensitivity: Annotated[
        float | None,
        typer.Option(
            help="Or such that this share of a scan's lesions is expected to be listed, as 0.9; needs raemd "
            "calibrate.",
        ),
    ] = None,
    uncertainty: Annotated[
        bool,
        typer.Option(
            "--uncertainty",
            help="Also write, into the folder uncertainty, maps of the entropy and of what folds and "
            "mirrored passes disagree about (mutual information).",
        ),
    ] = False,
    explain: Annotated[
        bool,
        typer.Option(
            "--explain",
            help="Also write CASE.lesions.html: a card for each lesion with three views, measures, what "
            "speaks for it and which slices it rests on; needs the extra explain.",
        ),
    ] = False,
    n_preprocessing: Annotated[
        int, typer.Option("-npp", min=0, envvar="nnUNet_npp", help="Processes that preprocess.")
    ] = 3,
    n_export: Annotated[
        int, typer.Option("-nps", min=0, envvar="nnUNet_nps", help="Processes that write segmentations.")
    ] = 3,
    series: Annotated[
        list[str] | None,
        typer.Option(
            "--series",
            metavar="UID",
            help="DICOM series to predict; by default of each study the one most like those of the training.",
        ),
    ] = None,
    dicom: Annotated[
        list[ObjectKind] | None,
        typer.Option(
            "--dicom",
            help="DICOM objects to write beside the segmentations, as in --dicom seg rtstruct sr.",
        ),
    ] = None,
    store: Annotated[
        str,
        typer.Option(
            "--store",
            metavar="URL",
            help="DICOMweb service to send these objects to, as https://HOST/dicom-web. User and password "
            "come from RAEMD_DICOMWEB_USER and RAEMD_DICOMWEB_PASSWORD, or from ~/.netrc.",
        ),
    ] = "",
    previous_stage: Annotated[
        Path | None,
        typer.Option(
            "-prev_stage_predictions",
            exists=True,
            file_okay=False,
            callback=options.absolute,
            help="Predictions of the previous stage of a cascade.",
        ),
    ] = None,
    lungs: Annotated[
        bool,
        typer.Option(
            "--lungs",
            help="Predict inside the box round the lungs only, of CT: faster. Where both lungs are not "
            "found, the whole scan is predicted, and said so.",
        ),
    ] = False,
    num_parts: Annotated[int, typer.Option("-num_parts", min=1, help="Share the cases among N calls.")] = 1,
    part_id: Annotated[int, typer.Option("-part_id", min=0, help="Which of them this is, from 0.")] = 0,
    trust_checkpoint: Annotated[bool, trust_option] = False,
    scheduler: options.SchedulerAddress = None,
    device: Annotated[
        Device | None,
        typer.Option(
            "-device", "--device", help="Where the network runs; by default cuda, of an exported model cpu."
        ),
    ] = None,
    disable_progress_bar: Annotated[
        bool, typer.Option("--disable_progress_bar", help="A line each tenth of a scan instead, for logs.")
    ] = False,
    not_on_device: Annotated[
        bool, typer.Option("--not_on_device", help="Keep results in main memory, for very large scans.")
    ] = False,
) -> None:
    """Predict as nnUNetv2_predict does, with each slice computed once instead of twice.

    For models of RAEMD-Net; others are predicted by nnU-Net's own sliding window. Arguments and files
    are those of nnUNetv2_predict. A scan that cannot be predicted is named at the end, with exit status 1,
    and costs no other.
    """
    from nnunetv2_raemd.confidence.rated_lesions import Promise
    from nnunetv2_raemd.dicomweb.address import is_url
    from nnunetv2_raemd.execution.scheduler import Scheduler
    from nnunetv2_raemd.prediction.batch_request import Batch
    from nnunetv2_raemd.prediction.cluster_prediction import Cluster
    from nnunetv2_raemd.prediction.model_loading import torch_device
    from nnunetv2_raemd.prediction.pipeline import Processes
    from nnunetv2_raemd.prediction.scan_prediction import predict_any
    from nnunetv2_raemd.prediction.scan_request import ScanRequest

    if explain:
        from nnunetv2_raemd.explanation.scan_cards import scan_explainer
    if part_id >= num_parts:
        raise typer.BadParameter(f"-part_id {part_id} must be below -num_parts {num_parts}")
    names = NnunetNames(dataset, trainer, plans, configuration, checkpoint)
    network_device = device or (Device.CUDA if model is None else Device.CPU)
    source = source if is_url(source) else str(Path(source).absolute())
    cluster = None if scheduler is None else Cluster(Scheduler(scheduler), network_device.value)
    if cluster is not None:
        cluster.scheduler.check()
    batch = Batch(
        Path(source),
        output,
        previous_stage,
        save_probabilities=save_probabilities,
        overwrite=not continue_prediction,
        lungs=lungs,
        num_parts=num_parts,
        part_id=part_id,
        promise=Promise(false_positives, sensitivity),
        uncertainty=uncertainty,
        explainer=scan_explainer() if explain else None,
    )
    predict_any(
        ScanRequest(source, tuple(series or ()), frozenset(dicom or ()), store),
        chosen_model(model, backend, names, folds),
        batch,
        Processes(n_preprocessing, n_export),
        cluster=cluster,
        trust_checkpoint=trust_checkpoint,
        tile_step_size=step_size,
        use_mirroring=not disable_tta,
        perform_everything_on_device=not not_on_device,
        device=torch_device((network_device if cluster is None else Device.CPU).value),
        verbose=verbose,
        verbose_preprocessing=verbose,
        allow_tqdm=not disable_progress_bar,
    )
