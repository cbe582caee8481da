"""What options alone can tell to be wrong is refused before torch, which takes seconds to import."""

from __future__ import annotations

import os

import pytest
from before_torch import refusals_before_torch

# each with what the refusal says
REFUSED = {
    "export -o OUT -d 501 -c 2d --int8 --format onnx": "--int8 makes graphs of OpenVINO",
    "export -o OUT -d 501 -c 2d --bf16 --format safetensors": "bfloat16 needs graphs",
    "export -o OUT -d 501 -c 2d --calibrate 8": "--calibrate is for --int8",
    "export -o OUT -d 501 -c 2d --soup -f 0": "--soup averages the weights of several folds",
    "export -o FOLDER -d 501 -c 2d": "FOLDER exists already",
    "export -o OUT -d 501 -c 2d": "nnUNet_results is not set",
    "bench --backends --plot PICTURE": "--plot is for the comparison of networks",
    "bench --size 7": "--size must be at least 8",
    "bench --slices 3 --sequence 8": "--slices 3 do not make whole sequences",
    "bench --patch-3d 3 4": "--patch-3d takes slices, rows and columns",
    "bench --peers nobody": "there is no network called nobody",
    "bench --scaling size:a": "--scaling size:a: give one of",
    "bench --device tpu": "--device tpu is unknown",
    "bench -o NOWHERE/figures.json": "NOWHERE/figures.json cannot be written",
    "bench -o FOLDER": "FOLDER cannot be written: it is a folder",
    "predict -i FOLDER -o OUT -d 501 -c 2d --store https://pacs/dicom-web": "--store sends DICOM objects",
    "predict -i FOLDER -o OUT -d 501 -c 2d --sensitivity 2": "--sensitivity 2: give",
    "predict -i FOLDER -o OUT -d 501 -c 2d --explain --sensitivity 2": "--sensitivity 2: give",
    "predict -i FOLDER -o OUT -d 501 -c 2d --false-positives nan": "--false-positives nan: give a number",
    "predict -i FOLDER -o OUT -d 501 -c 2d --explain": "nnUNet_results is not set",
    "predict -i FOLDER -o OUT -d 501 -c 2d --scheduler nonsense://": "there is no scheduler at nonsense://",
    "evaluate -d 501": "give either -d and -tr",
    "evaluate -d 501 -tr A --hit-rule overlap": "--hit-rule is for --froc",
    "evaluate -i FOLDER -ref FOLDER -l 1 --against B": "FOLDER contains no segmentations",
    "evaluate -d 501 -tr A": "nnUNet_",
    "study -d 501": "give either --table 3",
    "study -d 501 --table 5": "--table 5: choose 3 and 4",
    "study -d 501 -tr A --folds x": "--folds x: folds are numbers",
    "study -d 501 -tr A": "nnUNet_",
    "report -d 501 -tr A": "nnUNet_",
    "calibrate -d 501 -c 2d": "nnUNet_",
    "postprocess determine -d 501 -tr A B": "-tr: give one trainer",
    "postprocess apply -i FOLDER -o OUT -pp_file FILE": "FILE",
    "plan -d 501 --preset nobody": "no preset 'nobody': give one of",
    "lesions -o OUT -i FOLDER --days 3": "--dates, --days and --aligned are for --compare",
    "convert luna16 -i FOLDER -d 501": "nnUNet_raw is not set",
    "lesions -o OUT --compare FILE FILE --days inf": "--days inf: give a number",
    "phantom luna16 -o OUT --diameter 3 nan": "--diameter nan: give a number",
    "phantom luna16 -o OUT --diameter 20 3": "phantom lesion diameter must be a range",
}


@pytest.fixture(scope="module")
def refusals(tmp_path_factory: pytest.TempPathFactory) -> dict[str, str]:
    """How each of the commands ends."""
    folder = tmp_path_factory.mktemp("refusals")
    (folder / "FOLDER").mkdir()
    (folder / "FILE").write_text("{}", encoding="utf-8")
    variables = {name: value for name, value in os.environ.items() if not name.startswith("nnUNet_")}
    found = refusals_before_torch([command.split() for command in REFUSED], folder, variables)
    assert {path.name for path in folder.iterdir()} == {"FOLDER", "FILE"}
    return dict(zip(REFUSED, found, strict=True))


@pytest.mark.parametrize("command", REFUSED)
def test_it_is_refused_before_torch_is_imported(command: str, refusals: dict[str, str]) -> None:
    assert refusals[command].startswith("UserError: ") and REFUSED[command] in refusals[command]
