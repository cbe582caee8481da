"""Tables as Markdown, and as LaTeX with booktabs."""

from __future__ import annotations

from collections.abc import Callable

from nnunetv2_raemd.evaluation.tables import Table

_LATEX = str.maketrans(
    {
        "\\": r"\textbackslash{}",
        "&": r"\&",
        "%": r"\%",
        "$": r"\$",
        "#": r"\#",
        "_": r"\_",
        "{": r"\{",
        "}": r"\}",
        "~": r"\textasciitilde{}",
        "^": r"\textasciicircum{}",
        "<": "$<$",
        "±": r"$\pm$",
        "≥": r"$\geq$",
        "∞": r"$\infty$",
        "–": "--",
    }
)


def markdown(table: Table) -> str:
    """A heading, the table and its note."""

    def line(cells: tuple[str, ...]) -> str:
        return "| " + " | ".join(cell.replace("|", r"\|") for cell in cells) + " |"

    rule = line(("---", *("---:" for _ in table.headings[1:])))
    body = [line(row) for row in _stressed(table, lambda cell: f"**{cell}**")]
    return "\n".join([f"### {table.title}", "", line(table.headings), rule, *body, "", table.note, ""])


def latex(table: Table, *, caption: str, label: str) -> str:
    """A floating table; its preamble needs `\\usepackage{booktabs}`."""

    def line(cells: tuple[str, ...]) -> str:
        return "    " + " & ".join(cells) + r" \\"

    escaped = Table(
        table.title,
        tuple(map(_escaped, table.headings)),
        tuple(tuple(map(_escaped, row)) for row in table.rows),
        bold=table.bold,
    )
    body = [line(row) for row in _stressed(escaped, lambda cell: rf"\textbf{{{cell}}}")]
    return "\n".join(
        [
            r"\begin{table}[htbp]",
            r"  \centering",
            rf"  \caption{{{_escaped(f'{caption} {table.note}'.strip())}}}",
            rf"  \label{{{label}}}",
            rf"  \begin{{tabular}}{{l{'r' * (len(table.headings) - 1)}}}",
            r"    \toprule",
            line(escaped.headings),
            r"    \midrule",
            *body,
            r"    \bottomrule",
            r"  \end{tabular}",
            r"\end{table}",
            "",
        ]
    )


def _escaped(text: str) -> str:
    return text.translate(_LATEX)


def _stressed(table: Table, stress: Callable[[str], str]) -> list[tuple[str, ...]]:
    return [
        tuple(stress(cell) if (i, j) in table.bold else cell for j, cell in enumerate(row))
        for i, row in enumerate(table.rows)
    ]
