"""The post-processing that goes with an exported model."""

from __future__ import annotations

from pathlib import Path

from nnunetv2_raemd.deployment.model_description import ModelDescription
from nnunetv2_raemd.postprocessing.postprocessing_steps import Postprocessing
from nnunetv2_raemd.postprocessing.postprocessor import Postprocessor, postprocessor_for
from nnunetv2_raemd.postprocessing.settings_file import settings_in


def postprocessor_of(description: ModelDescription, origin: str) -> Postprocessor | None:
    """What was chosen on cross-validation; None where nothing was.

    Args:
        origin: where the description was read, for messages.

    Raises:
        UserError: if the settings are damaged, or of other labels.
    """
    if description.postprocessing is None:
        return None
    settings = settings_in(description.postprocessing, Path(origin))
    chosen = postprocessor_for(settings, description.dataset, origin)
    return chosen if any(label.settings != Postprocessing() for label in settings) else None
