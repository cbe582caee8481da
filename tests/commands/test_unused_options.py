"""What is given and would have no effect is refused, before anything is looked for."""

from __future__ import annotations

from pathlib import Path

import pytest
from typer.testing import CliRunner

from nnunetv2_raemd.cli import app
from nnunetv2_raemd.errors import UserError


@pytest.mark.parametrize(
    ("command", "refused"),
    [
        ("evaluate -d 501 -tr A -l 1", "-l is for -i and -ref"),
        ("evaluate -d 501 -tr A -djfile FILE", "-djfile is for -i and -ref"),
        ("evaluate -i FOLDER -ref FOLDER -f 0", "--folds is for -d and -tr"),
        ("evaluate -i FOLDER -ref FOLDER -p other", "-p is for -d and -tr"),
        ("evaluate -d 501 -tr A --hit-rule overlap", "--hit-rule is for --froc"),
        ("evaluate -d 501 -tr A --candidate-threshold 0.3", "--candidate-threshold is for --froc"),
        ("postprocess determine -d 501 -tr A -il 3", "-il is for -i and -ref"),
        (
            "convert luna16 -i FOLDER -d 501 --masks sphere --consensus 0.7",
            "--consensus is about contours, which --masks sphere does not use",
        ),
        ("convert luna16 -i FOLDER -d 501 --masks sphere --keep-failing", "--keep-failing is about contours"),
        ("convert luna16 -i FOLDER -d 501 --lungs-margin 5", "--lungs-margin is for --lungs crop"),
        (
            "convert luna16 -i FOLDER -d 501 --lungs class --lungs-margin 5",
            "--lungs-margin is for --lungs crop",
        ),
        (
            "convert luna16 -i FOLDER -d 501 --split subsets --seed 3",
            "--seed has no effect on LUNA16's own subsets",
        ),
        (
            "convert nsclc-radiomics -i FOLDER -d 501 --split holdout --folds 3",
            "--folds is for --split folds",
        ),
        ("lesions -o OUT --luna16 FILE -l 1", "-l is for segmentations"),
        ("lesions -o OUT --luna16 FILE --images FOLDER", "--images is for segmentations"),
        ("export -o OUT -d 501 -c 2d --calibrate 8", "--calibrate is for --int8"),
        ("bench --backends --plot PICTURE", "--plot is for the comparison of networks"),
        ("bench --backends --peers raemd", "--peers is for the comparison of networks"),
    ],
)
def test_it_is_named_with_what_it_is_for(
    command: str, refused: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    for variable in ("nnUNet_raw", "nnUNet_preprocessed", "nnUNet_results"):
        monkeypatch.delenv(variable, raising=False)
    (tmp_path / "FOLDER").mkdir()
    (tmp_path / "FILE").write_text("{}", encoding="utf-8")
    monkeypatch.chdir(tmp_path)
    result = CliRunner().invoke(app, command.split())
    assert isinstance(result.exception, UserError), result.output
    assert str(result.exception).startswith(refused)
    assert {path.name for path in tmp_path.iterdir()} == {"FOLDER", "FILE"}
