"""`raemd convert luna16`."""

from __future__ import annotations

from nnunetv2_raemd.commands.convert_archive import convert_archive
from nnunetv2_raemd.commands.convert_options import ConvertOptions, DatasetName
from nnunetv2_raemd.commands.luna16_options import Lungs, NoduleMasks
from nnunetv2_raemd.commands.shared_options import with_options_of


@with_options_of(ConvertOptions, NoduleMasks, Lungs)
def convert_luna16(
    chosen: ConvertOptions, nodules: NoduleMasks, lungs: Lungs, *, name: DatasetName = "LUNA16"
) -> None:
    """LUNA16 (.mhd scans and annotations.csv) to $nnUNet_raw/DatasetXXX_NAME.

    Bad cases are reported and left out, and the exit status is then 1. An interrupted run is continued by
    the same command.
    """
    from nnunetv2_raemd.dataset_conversion.archives.luna16.luna16_archive import Luna16

    nodules.check()
    lungs.check()
    kind = nodules.kind(chosen.input_folder)
    archive = Luna16(kind, nodules.annotations, lungs.choice(), lungs.lungs_dir)
    convert_archive(archive, chosen, name=name)
