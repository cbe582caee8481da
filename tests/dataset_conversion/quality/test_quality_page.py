"""`--qc`: a picture for each case, kept while the case is the same, and a page of them all."""

from __future__ import annotations

import re
from html.parser import HTMLParser
from pathlib import Path
from typing import Any

import pytest
from luna_folder import LunaFolder
from nnunetv2.experiment_planning.verify_dataset_integrity import verify_dataset_integrity

from nnunetv2_raemd.dataset_conversion.archives.luna16.luna16_scans import DESCRIPTION, find_luna16_cases
from nnunetv2_raemd.dataset_conversion.archives.luna16.mask_sources import Spheres
from nnunetv2_raemd.dataset_conversion.dataset_folder import dataset_folder
from nnunetv2_raemd.dataset_conversion.dataset_writing.conversion import ConversionResult, RunOptions, convert
from nnunetv2_raemd.dataset_conversion.quality import case_picture


class Page(HTMLParser):
    """Cases in the order of the page, its pictures, and tags that were not closed."""

    def __init__(self, text: str) -> None:
        super().__init__()
        self.cases: list[str] = []
        self.pictures: list[str] = []
        self.open: list[str] = []
        self.links: list[str] = []
        self.feed(text)

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        given = dict(attrs)
        self.links += [str(given[name]) for name in ("src", "href") if name in given]
        if tag == "img":
            self.pictures.append(str(given["src"]))
        if tag not in ("img", "meta", "input"):
            self.open.append(tag)

    def handle_endtag(self, tag: str) -> None:
        assert self.open.pop() == tag

    def handle_data(self, data: str) -> None:
        if self.open and self.open[-1] == "h3":
            self.cases.append(data)


def run(folder: Path, *, qc: bool = True, **options: Any) -> ConversionResult:
    return convert(
        find_luna16_cases(folder, Spheres()),
        dataset_folder(501, "Test"),
        DESCRIPTION,
        settings={"archive": "LUNA16"},
        options=RunOptions(qc=qc, **options),
    )


def page_of(result: ConversionResult) -> Page:
    return Page((result.folder / "qc" / "index.html").read_text(encoding="utf-8"))


def files(result: ConversionResult) -> dict[str, tuple[bytes, int]]:
    """Content and time of the pictures."""
    return {f.name: (f.read_bytes(), f.stat().st_mtime_ns) for f in (result.folder / "qc").glob("*.jpg")}


def test_every_case_has_a_picture_and_failures_come_first(
    luna_of_five: LunaFolder, nnunet_folders: Path
) -> None:
    luna_of_five.voxels("1.3").unlink()
    page = page_of(run(luna_of_five.path))
    assert page.open == []
    # 1.3 failed, 1.4 has a check (no annotation), the rest is fine
    assert page.cases == ["1.3", "1.4", "1.0", "1.1", "1.2"]
    assert page.pictures == ["1.4.jpg", "1.0.jpg", "1.1.jpg", "1.2.jpg"]


def test_page_needs_nothing_but_its_folder(luna_of_five: LunaFolder, nnunet_folders: Path) -> None:
    result = run(luna_of_five.path)
    page = page_of(result)
    assert all((result.folder / "qc" / link).is_file() for link in page.links if not link.startswith("#"))
    assert "http" not in (result.folder / "qc" / "index.html").read_text(encoding="utf-8")


def test_pictures_are_kept_while_their_case_is_the_same(
    luna_of_five: LunaFolder, nnunet_folders: Path
) -> None:
    first = files(run(luna_of_five.path))
    assert files(run(luna_of_five.path)) == first and len(first) == 5
    luna_of_five.rows[2] = (*luna_of_five.rows[2][:4], 4.0)  # a smaller nodule in 1.2
    luna_of_five.write_annotations()
    now = files(run(luna_of_five.path))
    assert {name for name in now if now[name] != first[name]} == {"1.2.jpg"}
    assert now["1.2.jpg"][0] != first["1.2.jpg"][0]


def test_missing_and_damaged_pictures_are_drawn_anew(luna_of_five: LunaFolder, nnunet_folders: Path) -> None:
    result = run(luna_of_five.path)
    first = files(result)
    (result.folder / "qc" / "1.0.jpg").unlink()
    damaged = result.folder / "qc" / "1.1.jpg"
    damaged.write_bytes(damaged.read_bytes()[:500])
    again = files(run(luna_of_five.path))
    assert {n: content for n, (content, _) in again.items()} == {n: c for n, (c, _) in first.items()}


def test_picture_of_a_case_that_is_gone_goes_too(luna_of_five: LunaFolder, nnunet_folders: Path) -> None:
    run(luna_of_five.path)
    luna_of_five.voxels("1.0").unlink()
    result = run(luna_of_five.path)
    assert "1.0.jpg" not in files(result) and page_of(result).cases[0] == "1.0"


def test_finished_dataset_gets_its_pictures_later(luna_of_five: LunaFolder, nnunet_folders: Path) -> None:
    assert not (run(luna_of_five.path, qc=False).folder / "qc").exists()
    later = run(luna_of_five.path, limit=1)
    assert len(page_of(later).pictures) == 5
    whole = {name: content for name, (content, _) in files(later).items()}
    at_once = run(luna_of_five.path, overwrite=True, workers=2)
    assert {name: content for name, (content, _) in files(at_once).items()} == whole


def test_page_that_is_out_of_date_is_mentioned(luna_of_five: LunaFolder, nnunet_folders: Path) -> None:
    run(luna_of_five.path, limit=2)
    assert any("when --qc was last given" in r for r in run(luna_of_five.path, qc=False).remarks)
    assert not any("--qc" in r for r in run(luna_of_five.path).remarks)


def test_picture_that_cannot_be_drawn_is_told(
    luna_of_five: LunaFolder, nnunet_folders: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    drawn = case_picture.draw_case

    def fail(image: object, label: object, title: str, **options: Any) -> bytes:
        if title == "1.1":
            raise ValueError("no <colour> & no form")
        return drawn(image, label, title, **options)

    monkeypatch.setattr(case_picture, "draw_case", fail)
    result = run(luna_of_five.path)
    assert result.undrawn == {"1.1": "ValueError: no <colour> & no form"}
    assert page_of(result).cases[0] == "1.1" and len(files(result)) == 4
    text = (result.folder / "qc" / "index.html").read_text(encoding="utf-8")
    assert "no picture: ValueError: no &lt;colour&gt; &amp; no form" in text


@pytest.mark.usefixtures("nnunet_in_threads")
def test_nnunet_does_not_mind_the_folder(luna_of_five: LunaFolder, nnunet_folders: Path) -> None:
    verify_dataset_integrity(str(run(luna_of_five.path).folder), num_processes=1)


def test_page_holds_the_report_of_each_case(luna_of_five: LunaFolder, nnunet_folders: Path) -> None:
    text = (run(luna_of_five.path).folder / "qc" / "index.html").read_text(encoding="utf-8")
    card = next(part for part in re.split("<article", text) if "<h3>1.0</h3>" in part)
    assert "lesions: 1" in card and "annotated_diameters_mm</th><td>6.0</td>" in card
