"""Tables as Markdown, and as LaTeX with booktabs."""

from __future__ import annotations

from nnunetv2_raemd.evaluation.result_tables import Table

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
# what nearly all names begin with, and a paper has no room for
_TRAINER, _PLANS = "nnUNetTrainer", "nnUNetPlans__"


def markdown(table: Table) -> str:
    """A heading, the table and its note."""

    def line(cells: tuple[str, ...]) -> str:
        return "| " + " | ".join(cell.replace("|", r"\|") for cell in cells) + " |"

    rule = line(("---", *("---:" for _ in table.headings[1:])))
    body = [
        line(tuple(f"**{cell}**" if (i, j) in table.bold else cell for j, cell in enumerate(row)))
        for i, row in enumerate(table.rows)
    ]
    return "\n".join([f"### {table.title}", "", line(table.headings), rule, *body, "", table.note, ""])


def latex(table: Table, *, caption: str, label: str) -> str:
    """A floating table; its preamble needs `\\usepackage{booktabs}`.

    Each system has two lines, its means and beneath them the deviations, that eight metrics fit on a page.
    """
    headings, _, units = zip(*(heading.partition(" ") for heading in table.headings), strict=True)
    return "\n".join(
        [
            r"\begin{table}[htbp]",
            r"  \centering",
            rf"  \caption{{{f'{caption} {table.note}'.strip().translate(_LATEX)}}}",
            rf"  \label{{{label}}}",
            r"  \footnotesize\setlength{\tabcolsep}{3pt}",
            rf"  \begin{{tabular}}{{@{{}}l{'r' * (len(table.headings) - 1)}@{{}}}}",
            r"    \toprule",
            _line(headings),
            *([_line(units)] if any(units) else []),
            r"    \midrule",
            "\n    \\addlinespace[3pt]\n".join(_system(table, i) for i in range(len(table.rows))),
            r"    \bottomrule",
            r"  \end{tabular}",
            r"\end{table}",
            "",
        ]
    )


def _system(table: Table, row: int) -> str:
    """Means and deviations; the plans and the configuration, if they are named, stand below the trainer."""
    name, *cells = table.rows[row]
    trainer, _, rest = name.partition("__")
    means, _, deviations = zip(*(cell.partition(" ± ") for cell in cells), strict=True)
    best = frozenset(column for line, column in table.bold if line == row)
    first = _line((trainer.removeprefix(_TRAINER) or trainer, *means), best)
    if not rest and not any(deviations):
        return first
    model = rest.removeprefix(_PLANS).replace("__", ", ")
    second = (model, *(f"± {deviation}" if deviation else "" for deviation in deviations))
    return first + "\n" + _line(second, font=r"\scriptsize ")


def _line(cells: tuple[str, ...], bold: frozenset[int] = frozenset(), *, font: str = "") -> str:
    escaped = (font + cell.translate(_LATEX) if cell else "" for cell in cells)
    stressed = (rf"\textbf{{{cell}}}" if column in bold else cell for column, cell in enumerate(escaped))
    return "    " + " & ".join(stressed) + r" \\"
