"""`qc/index.html`: all cases of a dataset with their pictures, those to look at first on top."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from html import escape
from pathlib import Path
from typing import Any

from PIL import Image

from nnunetv2_raemd.dataset_conversion.dataset_folder import DatasetFolder
from nnunetv2_raemd.dataset_conversion.quality.case_picture import LUNG, MEDIASTINUM, colour_of
from nnunetv2_raemd.dataset_conversion.quality.quality_pictures import page, picture
from nnunetv2_raemd.whole_files import write_text

# group of a case, its heading, in the order of the page
_GROUPS = {
    "failed": "Failed",
    "excluded": "Excluded",
    "noted": "With remarks",
    "fine": "No findings",
}
_SHOWN_ELSEWHERE = ("case", "status", "reason", "checks")


def write_page(folder: DatasetFolder, problems: Mapping[str, str]) -> None:
    """Write the page from `conversion_report.json`; `problems` say by case why there is no picture.

    The page needs nothing but the pictures beside it, and holds no date, so that the same dataset gives the
    same bytes.
    """
    report = json.loads((folder.path / "conversion_report.json").read_text(encoding="utf-8"))
    labels = _labels(folder.path / "dataset.json")
    groups: dict[str, list[Mapping[str, Any]]] = {name: [] for name in _GROUPS}
    for row in report["cases"]:
        groups[_group(row, problems)].append(row)
    body = "".join(_section(name, rows, folder, problems) for name, rows in groups.items() if rows)
    title = escape(folder.path.name)
    write_text(
        page(folder),
        f'<!DOCTYPE html>\n<html lang="en"><head><meta charset="utf-8"><title>{title}</title>\n'
        f'<meta name="viewport" content="width=device-width"><style>{_STYLE}</style></head><body>\n'
        f"<header><h1>{title}</h1>{_counts(groups)}{_legend(labels)}{_FILTER}</header>\n"
        f"<main>{body}</main><script>{_SCRIPT}</script></body></html>\n",
    )


def _group(row: Mapping[str, Any], problems: Mapping[str, str]) -> str:
    if row["status"] in _GROUPS:
        return str(row["status"])
    if row["case"] in problems:
        return "failed"
    return "noted" if row.get("checks") else "fine"


def _section(
    group: str, rows: Sequence[Mapping[str, Any]], folder: DatasetFolder, problems: Mapping[str, str]
) -> str:
    cards = "".join(_card(row, group, folder, problems.get(row["case"], "")) for row in rows)
    return f'<section><h2 id="{group}">{_GROUPS[group]} ({len(rows)})</h2>{cards}</section>\n'


def _card(row: Mapping[str, Any], group: str, folder: DatasetFolder, problem: str) -> str:
    remarks = [row["reason"]] if row["reason"] else []
    remarks += [f"no picture: {problem}"] if problem else []
    remarks += _as_list(row.get("checks"))
    listed = "".join(f"<li>{escape(str(remark))}</li>" for remark in remarks)
    return (
        f'<article class="{group}"><h3>{escape(row["case"])}</h3><p>{_facts(row)}</p>'
        f"{f'<ul>{listed}</ul>' if listed else ''}{_image(folder, row['case'])}{_details(row)}</article>\n"
    )


def _facts(row: Mapping[str, Any]) -> str:
    facts = [row["status"], row.get("part", "")]
    if row["status"] == "in dataset":
        facts += [f"lesions: {row.get('lesions')}", f"{row.get('volume_ml', 0):.3g} ml"]
        if row.get("diameter_mm"):
            facts.append(f"largest: equivalent diameter {row['diameter_mm']:.1f} mm")
    return " · ".join(escape(str(fact)) for fact in facts if fact)


def _image(folder: DatasetFolder, case_id: str) -> str:
    file = picture(folder, case_id)
    if not file.is_file():
        return ""
    with Image.open(file) as opened:
        width, height = opened.size
    name = escape(file.name)
    return (
        f'<a href="{name}"><img src="{name}" width="{width}" height="{height}" loading="lazy" '
        f'alt="{escape(case_id)}"></a>'
    )


def _details(row: Mapping[str, Any]) -> str:
    """All else that the report says, folded away."""
    cells = "".join(
        f"<tr><th>{escape(key)}</th><td>{escape('; '.join(str(v) for v in _as_list(value)))}</td></tr>"
        for key, value in row.items()
        if key not in _SHOWN_ELSEWHERE and value not in ("", None, [])
    )
    return f"<details><summary>Report</summary><table>{cells}</table></details>" if cells else ""


def _as_list(value: object) -> list[object]:
    if value is None or value == "":
        return []
    return list(value) if isinstance(value, (list, tuple)) else [value]


def _counts(groups: Mapping[str, Sequence[object]]) -> str:
    links = (f'<a href="#{name}">{_GROUPS[name]}: {len(rows)}</a>' for name, rows in groups.items() if rows)
    return f"<p>{' · '.join(links)}</p>"


def _legend(labels: Mapping[str, int]) -> str:
    marks = " ".join(
        f'<b style="color:{colour_of(value)}">{escape(name)}</b>' for name, value in labels.items()
    )
    windows = ", ".join(f"{w.name} {w.low_hu} to {w.high_hu} HU" for w in (LUNG, MEDIASTINUM))
    return (
        f"<p>Outlines: {marks}. Windows: {windows}. Each lesion has a row: the whole axial slice in which it "
        "is largest; its close-up without and with the outline, in both windows; coronal; sagittal.</p>"
    )


def _labels(dataset_json: Path) -> dict[str, int]:
    """Names and values of the classes; of a region, the value of its own."""
    if not dataset_json.is_file():
        return {}
    labels = json.loads(dataset_json.read_text(encoding="utf-8"))["labels"]
    values = {name: value[-1] if isinstance(value, list) else value for name, value in labels.items()}
    return {name: int(value) for name, value in values.items() if value}


_FILTER = '<p><input type="search" placeholder="Filter: case, patient, remark" autofocus></p>'
_STYLE = (
    ":root{color-scheme:dark}body{background:#111;color:#ddd;font:14px/1.4 system-ui,sans-serif;margin:0}"
    "header{position:sticky;top:0;background:#1c1c1e;padding:.4em 1em;border-bottom:1px solid #333}"
    "header p{margin:.2em 0}h1{font-size:1.2em;margin:0}h2{margin:1em 0 .3em;scroll-margin-top:9em}"
    "main{padding:0 1em}a{color:#8ab4f8}input{width:24em;max-width:100%;font:inherit}"
    "article{background:#000;border-left:4px solid #3a3a3c;margin:0 0 1em;padding:.4em .8em;max-width:1840px}"
    "article.failed{border-color:#ff453a}article.excluded{border-color:#8e8e93}"
    "article.noted{border-color:#ffd60a}h3{margin:0;font-size:1em;overflow-wrap:anywhere}article p{margin:0}"
    "ul{margin:.2em 0;padding-left:1.2em}article.failed li{color:#ff8a80}article.noted li{color:#ffe082}"
    "img{max-width:100%;height:auto;display:block;margin:.3em 0}summary{cursor:pointer;color:#8e8e93}"
    "th{text-align:left;font-weight:normal;color:#8e8e93;padding-right:1em;vertical-align:top}"
    "td{overflow-wrap:anywhere}"
)
_SCRIPT = (
    "document.querySelector('input').addEventListener('input',e=>{const t=e.target.value.toLowerCase();"
    "document.querySelectorAll('article').forEach(a=>{a.hidden=!a.textContent.toLowerCase().includes(t)})})"
)
