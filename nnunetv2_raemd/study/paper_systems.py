"""The systems that the paper's tables compare, as nnU-Net's trainers."""

from __future__ import annotations

from nnunetv2_raemd.errors import UserError

# trainers, some with a configuration of their own
TABLES: dict[int, tuple[tuple[str, str | None], ...]] = {
    3: (
        ("nnUNetTrainerUNet", None),
        ("nnUNetTrainerAttentionUNet", None),
        ("nnUNetTrainerUNet", "3d_fullres"),  # the 3D U-Net
        ("nnUNetTrainerUNetPlusPlus", None),
        ("nnUNetTrainerSegNet", None),
        ("nnUNetTrainerSwinUNETR", None),
        ("nnUNetTrainerRAEMD", None),
    ),
    4: (
        ("nnUNetTrainerAblation1UNet", None),
        ("nnUNetTrainerAblation2MultiScale", None),
        ("nnUNetTrainerAblation3Dense", None),
        ("nnUNetTrainerAblation4Attention", None),
        ("nnUNetTrainerAblation5LSTM", None),
        ("nnUNetTrainerRAEMD", None),
    ),
}


def models_of_table(number: int, plans: str, configuration: str) -> list[str]:
    """The models of a table, each once, named as TRAINER__PLANS__CONFIGURATION.

    Raises:
        UserError: if there is no comparison in that table.
    """
    if number not in TABLES:
        raise UserError(f"--table {number}: choose {' and '.join(map(str, TABLES))}")
    models = [f"{trainer}__{plans}__{own or configuration}" for trainer, own in TABLES[number]]
    return list(dict.fromkeys(models))
