"""`raemd report`: what is on the page, what it says is missing, and how it ends."""

from __future__ import annotations

import json
import os
import re
import shutil
from datetime import datetime
from html.parser import HTMLParser
from pathlib import Path

import pytest
from trained_folders import TrainedFolders, ball
from typer.testing import CliRunner

from nnunetv2_raemd.cli import app
from nnunetv2_raemd.errors import UserError
from nnunetv2_raemd.evaluation.evaluation_json import load_results
from nnunetv2_raemd.evaluation.metrics import RATED_METRICS
from nnunetv2_raemd.evaluation.overlap import count_overlap, overlap_metrics

UID = "1.3.6.1.4.1.14519.5.2.1.6279.6001.105756658031515062000744821260"


class ParsedPage(HTMLParser):
    """Visible text, embedded JSON by id, and every address that a browser might ask for."""

    def __init__(self, html: str) -> None:
        super().__init__()
        self.text = ""
        self.tags: set[str] = set()
        self.json: dict[str, str] = {}
        self.addresses: list[str] = []
        self._inside: dict[str, str | None] = {}
        self.feed(html)

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.add(tag)
        self._inside = {"tag": tag, **dict(attrs)}
        self.addresses += [value or "" for name, value in attrs if name in ("src", "href", "srcset", "data")]

    def handle_endtag(self, tag: str) -> None:
        self._inside = {}

    def handle_data(self, data: str) -> None:
        tag, name = self._inside.get("tag"), self._inside.get("id")
        if tag == "script" and self._inside.get("type") == "application/json" and name:
            self.json[name] = self.json.get(name, "") + data
        elif tag not in ("script", "style"):
            self.text += data + " "


def raemd(*arguments: object) -> tuple[int, str]:
    """Exit status and output of `raemd report` on the dataset; a `UserError` is raised."""
    command = ["report", "-d", "702", "-c", "2d", "-np", "1", *map(str, arguments)]
    result = CliRunner().invoke(app, command)
    if isinstance(result.exception, UserError):
        raise result.exception
    assert result.exception is None or isinstance(result.exception, SystemExit), result.output
    return result.exit_code, result.output


def report_of(folders: TrainedFolders, *arguments: object) -> tuple[int, ParsedPage]:
    """Exit status and page for both trainers."""
    file = folders.root / "page.html"
    code, _ = raemd("-tr", "TrainerBase", "TrainerOurs", "-o", file, *arguments)
    return code, ParsedPage(file.read_text(encoding="utf-8"))


def test_everything_is_on_the_page(three_trainers: TrainedFolders, page: Path) -> None:
    parsed = ParsedPage(page.read_text(encoding="utf-8"))
    for text in (
        "Mean ± SD",
        "Against TrainerBase",
        "Training curves",
        "Settings and versions",
        "8 × 32 × 32",
        "need JavaScript",
    ):
        assert text in parsed.text
    assert "Missing" not in parsed.text
    assert {f"case-{i}" for i in range(6)} <= parsed.json.keys()
    evaluation = load_results(three_trainers.results / "evaluation__2d" / "evaluation.json")
    box = json.loads(parsed.json["figure-box-0-0"])
    assert [trace["name"] for trace in box["data"]] == ["TrainerBase", "TrainerOther", "TrainerOurs"]
    assert box["data"][1]["y"] == pytest.approx(list(evaluation.systems[1].values("nodule", "dice").values()))


def test_the_values_are_those_of_the_masks(three_trainers: TrainedFolders, page: Path) -> None:
    parsed = ParsedPage(page.read_text(encoding="utf-8"))
    names = json.loads(parsed.json["case-names"])["TrainerBase"]
    dice = json.loads(parsed.json["figure-box-0-0"])["data"][0]["y"]
    nodule, predicted = three_trainers.nodule(4), three_trainers.nodule(4, 3 + 1)
    counts = count_overlap(nodule, predicted, n_voxels=nodule.size)
    expected = overlap_metrics(counts, voxel_mm3=1)["dice"]
    assert dice[names.index("case_1_1 (fold 1)")] == pytest.approx(expected, rel=1e-5)


def test_the_page_asks_for_nothing(page: Path) -> None:
    parsed = ParsedPage(page.read_text(encoding="utf-8"))
    assert all(address.startswith(("#", "data:")) for address in parsed.addresses)
    html = page.read_text(encoding="utf-8")
    assert "default-src 'none'" in html and html.count("plotly.js v") == 1
    assert "form-action 'none'" in html  # default-src does not rule forms


def test_the_viewer_has_the_slices_of_the_nodule(page: Path) -> None:
    parsed = ParsedPage(page.read_text(encoding="utf-8"))
    case = json.loads(parsed.json["case-0"])
    with_reference = [s["number"] for s in case["slices"] if s["outlines"]["Reference"]]
    expected = [z + 1 for z in range(12) if ball((5, 20, 18), 6.5)[z].any()]
    assert with_reference == expected
    assert [s["number"] for s in case["slices"]] == list(range(expected[0] - 2, expected[-1] + 3))
    assert all(s["image"] for s in case["slices"]) and (case["width"], case["height"]) == (40, 48)


def test_a_page_that_misses_nothing_names_no_folder_of_this_machine(
    three_trainers: TrainedFolders, page: Path
) -> None:
    assert str(three_trainers.root) not in page.read_text(encoding="utf-8")


def test_long_names_of_cases_keep_their_ends(folders: TrainedFolders) -> None:
    for file in [*folders.root.rglob("case_0_0*"), *folders.root.rglob("splits_final.json")]:
        if file.name == "splits_final.json":
            file.write_text(file.read_text(encoding="utf-8").replace("case_0_0", UID), encoding="utf-8")
        else:
            file.rename(file.with_name(file.name.replace("case_0_0", UID)))
    _, parsed = report_of(folders)
    assert f"…{UID[-20:]}" in parsed.text and "case_1_1" in parsed.text


def test_results_that_are_up_to_date_are_read(folders: TrainedFolders) -> None:
    report_of(folders)
    saved = folders.results / "evaluation__2d" / "evaluation.json"
    content = json.loads(saved.read_text(encoding="utf-8"))
    content["settings"]["candidate_threshold"] = "0.321"
    saved.write_text(json.dumps(content), encoding="utf-8")
    _, parsed = report_of(folders)
    assert "Read from" in parsed.text and "a probability of 0.321" not in parsed.text
    content["settings"]["froc"] = "True"
    saved.write_text(json.dumps(content), encoding="utf-8")
    _, parsed = report_of(folders)
    assert "Read from" in parsed.text and "a component above a probability of 0.321" in parsed.text


def test_the_page_says_what_it_is_in_words(three_trainers: TrainedFolders, page: Path) -> None:
    parsed = ParsedPage(page.read_text(encoding="utf-8"))
    assert "TrainerOurs against TrainerBase on Dataset702_Report" in parsed.text
    today = datetime.now().astimezone()
    assert f"{today.day} {today:%B %Y}" in parsed.text
    for metric in RATED_METRICS:
        assert parsed.text.count(metric.meaning) == 1
    assert "Dice + cross-entropy" in parsed.text and "DC_and_CE" not in parsed.text
    assert "at least one of its voxels is predicted" in parsed.text
    values = re.findall(
        r"(?:True|None|False)(?![ -][a-z])|Recipe\(|{'|_loss", parsed.text
    )  # not False lesions
    assert values == []


def test_a_title_of_ones_own(folders: TrainedFolders) -> None:
    _, parsed = report_of(folders, "--title", "Nodules & <more>")
    assert "Nodules & <more>" in parsed.text


def test_plots_of_shares_run_from_0_to_1_and_epochs_are_whole(page: Path) -> None:
    figures = ParsedPage(page.read_text(encoding="utf-8")).json
    for metric, found in enumerate(RATED_METRICS):
        for figure, axes in (("box", ["yaxis"]), ("paired", ["xaxis", "yaxis"])):
            layout = json.loads(figures[f"figure-{figure}-0-{metric}"])["layout"]
            for axis in axes:
                assert layout[axis].get("range") == ([-0.02, 1.02] if found.is_share else None), found.key
    curves = json.loads(figures["figure-curves"])["layout"]
    assert all(curves[axis]["dtick"] == 1 for axis in ("xaxis", "xaxis2", "xaxis6"))
    assert [curves[axis].get("range") for axis in ("yaxis", "yaxis3", "yaxis4")] == [
        None,
        [-0.02, 1.02],
        [-0.02, 1.02],
    ]


@pytest.mark.parametrize("change", ["newer prediction", "other trainers", "damaged"])
def test_results_that_are_not_are_left_alone(folders: TrainedFolders, change: str) -> None:
    saved = folders.results / "evaluation__2d" / "evaluation.json"
    raemd("-tr", "TrainerBase", *(["TrainerOurs"] if change != "other trainers" else []))
    if change == "newer prediction":
        prediction = folders.fold("TrainerOurs", 0) / "validation" / "case_0_0.nii.gz"
        os.utime(prediction, (saved.stat().st_mtime + 5,) * 2)
    if change == "damaged":
        saved.write_text("{", encoding="utf-8")
    before = saved.read_bytes()
    code, parsed = report_of(folders)
    assert code == 0 and "Evaluated for this report alone" in parsed.text
    assert saved.read_bytes() == before


def test_missing_pieces_are_said(folders: TrainedFolders) -> None:
    shutil.rmtree(folders.fold("TrainerBase", 1) / "validation")
    (folders.fold("TrainerOurs", 1) / "checkpoint_final.pth").unlink()
    (folders.fold("TrainerOurs", 0) / "validation" / "case_0_1.nii.gz").unlink()
    shutil.rmtree(folders.raw / "imagesTr")
    code, parsed = report_of(folders, "--folds", 0, 1, 2)
    assert code == 1
    for text in (
        "TrainerBase, fold 1: not validated",
        "TrainerBase, fold 2: not trained",
        "TrainerOurs: no training curve",
        "TrainerOurs, case case_0_1: left out",
        "case_0_0_0000.nii.gz does not exist",
    ):
        assert text in parsed.text
    case = json.loads(parsed.json["case-0"])
    assert case["slices"][0]["image"] is None and "Not shown" in case["note"]


def test_nothing_validated_yet(folders: TrainedFolders) -> None:
    for trainer in ("TrainerBase", "TrainerOurs"):
        for fold in (0, 1):
            shutil.rmtree(folders.fold(trainer, fold) / "validation")
    code, parsed = report_of(folders)
    assert code == 1 and "No fold of any trainer is validated yet." in parsed.text
    assert "figure-curves" in parsed.json


def test_predictions_of_no_case(folders: TrainedFolders) -> None:
    for file in folders.results.glob("*/*/validation/*"):
        file.unlink()
    code, parsed = report_of(folders)
    assert code == 1 and "No case to show." in parsed.text


def test_a_single_trainer(folders: TrainedFolders) -> None:
    file = folders.root / "one.html"
    code, _ = raemd("-tr", "TrainerOurs", "-o", file, "--cases", 2)
    parsed = ParsedPage(file.read_text(encoding="utf-8"))
    assert code == 0 and "figure-paired-0-0" not in parsed.json
    assert "Baseline" not in parsed.text and "Proposed" not in parsed.text
    assert {name for name in parsed.json if name.startswith("case-") and name != "case-names"} == {
        "case-0",
        "case-1",
    }


def test_texts_are_escaped(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    for kind in ("raw", "preprocessed", "results"):
        monkeypatch.setenv(f"nnUNet_{kind}", str(tmp_path / kind))
    folders = TrainedFolders(tmp_path)
    case = "a<b>&'c"
    folders.add_dataset([[case]], label="</script><blink>x")
    folders.add_training("Trainer<i>", 0, [case], shift=1, first=0)
    file = tmp_path / "page.html"
    code, _ = raemd("-tr", "Trainer<i>", "-o", file)
    parsed = ParsedPage(file.read_text(encoding="utf-8"))
    assert code == 0 and not parsed.tags & {"blink", "b"}
    assert case in parsed.text and "</script><blink>x" in parsed.text and "Trainer<i>" in parsed.text
    assert json.loads(parsed.json["target-names"]) == ["</script><blink>x"]


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["-tr", "TrainerNobody"], "TrainerNobody__nnUNetPlans__2d does not exist"),
        (["-tr", "TrainerOurs", "--against", "TrainerNobody"], "no system TrainerNobody"),
        (["-tr", "TrainerOurs", "--folds", "7"], "no fold 7"),
        (["-tr", "TrainerOurs__2d"], "TRAINER__PLANS__CONFIGURATION"),
    ],
)
def test_what_does_not_exist_is_named(folders: TrainedFolders, arguments: list[str], message: str) -> None:
    with pytest.raises(UserError, match=message):
        raemd(*arguments, "-o", folders.root / "page.html")
    assert not (folders.root / "page.html").exists()


def test_the_page_is_written_whole_or_not_at_all(
    folders: TrainedFolders, monkeypatch: pytest.MonkeyPatch
) -> None:
    file = folders.root / "page.html"
    file.write_text("the last report", encoding="utf-8")
    whole = Path.replace

    def disk_full(source: Path, target: Path) -> Path:
        if target == file:
            raise OSError("No space left on device")
        return whole(source, target)

    monkeypatch.setattr(Path, "replace", disk_full)
    with pytest.raises(UserError, match=r"page\.html cannot be written"):
        raemd("-tr", "TrainerOurs", "-o", file)
    assert file.read_text(encoding="utf-8") == "the last report"


def test_the_page_lies_beside_the_trainers(folders: TrainedFolders) -> None:
    code, output = raemd("-tr", "TrainerOurs")
    assert code == 0 and str(folders.results / "report__2d.html") in output
    assert (folders.results / "report__2d.html").stat().st_size > 1e6
