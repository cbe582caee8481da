"""For use from Python: load a model, predict arrays, images and files, train, evaluate.

    from nnunetv2_raemd.api import load_model

    model = load_model("MODEL_DIR")
    prediction = model.predict_array(image_hu, spacing_mm=(1.25, 0.7, 0.7))
    prediction.labels, prediction.lesions()

Nothing here reads environment variables, and a model may predict in several threads at once.
"""

from nnunetv2_raemd.api.evaluation_calls import evaluate_folders
from nnunetv2_raemd.api.loaded_model import LoadedModel, load_model
from nnunetv2_raemd.api.scan_result import Prediction
from nnunetv2_raemd.api.training_calls import NnunetFolders, preprocess, train

__all__ = [
    "LoadedModel",
    "NnunetFolders",
    "Prediction",
    "evaluate_folders",
    "load_model",
    "preprocess",
    "train",
]
