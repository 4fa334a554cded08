"""The HTML report of a cohort before any model: who is in it, what is missing, what looks wrong."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np
import pandas as pd
from markupsafe import Markup
from matplotlib.figure import Figure

from evaluation.cohort import HIDDEN, STRUCTURAL, UNKNOWN, readable_endpoints
from evaluation.report.page import html_table
from evaluation.report.section import (
    Record,
    Section,
    boxed,
    note,
    paragraph,
    pictures,
    sections_of,
    table,
    write_record,
)

FINDING_COLUMNS = ("check", "severity", "what", "count", "why", "remedy")

# Each severity has a word, a shape and a colour.
_LEVELS = {
    "error": ("fail", "error"),
    "warning": ("warn", "warning"),
    "note": ("note",),
}
_SHAPES = {"error": "\N{BLACK SQUARE}", "warning": "\N{BLACK UP-POINTING TRIANGLE}",
           "note": "\N{BLACK CIRCLE}"}  # fmt: skip


@dataclass(frozen=True)
class DataReport:
    """What a data report shows. A part that is None or empty is left out.

    Attributes
    ----------
    title : str
    provenance : str
        Printed on top when the patients are not real.
    verdict : str
        One line: may this table be used?
    facts : mapping of label -> text
    findings : DataFrame with FINDING_COLUMNS
        What the guards found, one row a finding; severity fail, warn or note.
    attrition : DataFrame with `evaluation.cohort.attrition.ATTRITION_COLUMNS`, or None
    table_one : DataFrame, as `evaluation.cohort.table_one.table_one` returns it
    missingness : DataFrame, as `evaluation.cohort.missingness.missingness_counts` returns it
    endpoints : DataFrame, as `evaluation.cohort.endpoint_summary.endpoint_summary` returns it
    dictionary : DataFrame, as `evaluation.cohort.dictionary_page.dictionary_table` returns it
    pictures : mapping of section -> mapping of caption -> Figure
        Sections attrition, missingness and endpoints.
    """

    title: str
    provenance: str
    verdict: str
    facts: Mapping[str, str]
    findings: pd.DataFrame
    attrition: pd.DataFrame | None
    table_one: pd.DataFrame
    missingness: pd.DataFrame
    endpoints: pd.DataFrame
    dictionary: pd.DataFrame
    pictures: Mapping[str, Mapping[str, Figure]] = field(default_factory=dict)


def write_data_report(path: Path, report: DataReport) -> None:
    """Write the report as one HTML file, pictures inside, nothing loaded from elsewhere."""
    absent = [c for c in FINDING_COLUMNS if c not in report.findings]
    if absent:
        raise ValueError(f"findings lack the columns {', '.join(absent)}")
    record = Record(
        "cohort",
        title=report.title,
        provenance=report.provenance,
        facts=report.facts,
        sections=sections_of(SECTIONS, report),
    )
    write_record(path, record)


def findings(found: DataReport) -> Section:
    """What the checks found, the gravest first, under one line that says what it means."""
    levels = [_level(severity) for severity in found.findings["severity"]]
    worst = next((level for level in _LEVELS if level in levels), "none")
    shape = f"{_SHAPES[worst]} " if worst in _SHAPES else ""
    verdict = Markup('<div class="verdict {}"><strong>{}{}</strong></div>\n').format(
        worst, shape, found.verdict
    )
    rows = _findings(found.findings, levels)
    listed = _listed(rows) if rows else paragraph("No finding.")
    return Section("findings", "What the checks found", [verdict, listed], "Findings")


def attrition(found: DataReport) -> Section | None:
    """From all patients to those analysed."""
    headers = {"removed_missing": "of them undecided", "kept_missing": "kept undecided"}
    rows = table(found.attrition, "attrition", read=lambda own: own.rename(columns=headers))
    if rows is None:
        return None
    shown = pictures("attrition", found.pictures.get("attrition"))
    text = note("Undecided: a missing value leaves the rule open.")
    title = "From all patients to those analysed"
    return Section("attrition", title, [shown, rows, text], "Attrition")


def patients(found: DataReport) -> Section:
    """Table 1."""
    text = (
        "Numbers: median [first to third quartile] of the known values. Others: patients (% of "
        "those whose value is known). Missing: patients (% of all in the column). SMD: absolute "
        "standardised mean difference, above 0.1 commonly called an imbalance; it compares means, "
        "for levels it is Yang and Dalton's. No p-values: they say more of the sample's size than "
        "of balance."
    )
    if (found.table_one == HIDDEN).to_numpy().any():
        text += " Small counts, and what would give them away, are hidden."
    rows = boxed(html_table(_once(found.table_one, "covariate")), "tableone")
    return Section("table-one", "Table 1: the patients", [rows, note(text)], "Table 1")


def missingness(found: DataReport) -> Section:
    """Which values are missing."""
    rows = table(found.missingness, read=readable_missingness)
    shown = pictures("missingness", found.pictures.get("missingness"))
    blocks = [shown, rows or paragraph("No value is missing.")]
    return Section("missingness", "Missing values", blocks, "Missing values")


def endpoints(found: DataReport) -> Section:
    """How long patients were followed, and what happened to them."""
    text = (
        "Follow-up: reverse Kaplan-Meier. Medians: Kaplan-Meier; intervals on the log-log scale; "
        "NR: not reached."
    )
    rows = boxed(html_table(_once(readable_endpoints(found.endpoints), "endpoint")))
    shown = pictures("endpoints", found.pictures.get("endpoints"))
    return Section("endpoints", "Endpoints", [shown, rows, note(text)], "Endpoints")


def dictionary(found: DataReport) -> Section:
    """What the covariates mean."""
    rows = boxed(html_table(readable_dictionary(found.dictionary)), "dictionary")
    return Section("dictionary", "What the covariates mean", [rows], "Covariates")


SECTIONS = (findings, attrition, patients, missingness, endpoints, dictionary)


def readable_missingness(missingness: pd.DataFrame) -> pd.DataFrame:
    """Covariates with missing values, most often unknown first."""
    share = missingness["share_unknown"].astype("Float64")
    shown = pd.DataFrame(
        {
            "covariate": missingness["label"],
            "unknown": _counts(missingness[UNKNOWN]),
            "unknown, % of those in whom it can exist": [
                "" if pd.isna(s) else f"{100 * s:.0f}" for s in share
            ],
            "cannot exist": _counts(missingness[STRUCTURAL]),
        }
    )
    order = np.argsort(-share.fillna(0).to_numpy(dtype=float), kind="stable")
    some = ~((missingness[UNKNOWN] == 0) & (missingness[STRUCTURAL] == 0)).fillna(False)
    return shown.iloc[[i for i in order if some.iloc[i]]]


def readable_dictionary(dictionary: pd.DataFrame) -> pd.DataFrame:
    """Put the dictionary under headers that a reader understands, empty columns left out."""
    headers = {"unusual": "unusual outside", "source": "recorded in",
               "missing": "may have no value",
               "source_column": "column in the table", "source_unit": "its unit"}  # fmt: skip
    return dictionary.loc[:, (dictionary != "").any()].rename(columns=headers)


def _level(severity: str) -> str:
    word = str(severity).strip().lower()
    return next((level for level, words in _LEVELS.items() if word in words), "other")


def _findings(findings: pd.DataFrame, levels: list[str]) -> list[dict[str, object]]:
    """Findings as the page shows them, the gravest first."""
    rows = [
        row | {"level": level, "shape": _SHAPES.get(level, "\N{WHITE CIRCLE}")}
        for row, level in zip(findings.fillna("").to_dict("records"), levels, strict=True)
    ]
    order = [*_LEVELS, "other"]
    return sorted(rows, key=lambda row: order.index(str(row["level"])))


def _listed(rows: list[dict[str, object]]) -> Markup:
    """Findings as a table whose severities have a word, a shape and a colour."""
    cell = Markup(
        '<tr><td class="severity {level}">{shape} {severity}</td><td>{check}</td><td>{what}</td>'
        '<td class="count">{count}</td><td>{why}</td><td>{remedy}</td></tr>\n'
    )
    order = ("severity", "check", "what", "count", "why", "remedy")
    head = Markup("").join(Markup("<th>{}</th>").format(name) for name in order)
    body = Markup("").join(cell.format(**row) for row in rows)
    return boxed(
        Markup(
            '<table class="table findings">\n<thead><tr>{}</tr></thead>\n<tbody>\n{}</tbody>\n'
            "</table>"
        ).format(head, body)
    )


def _counts(counts: pd.Series) -> list[str]:
    return [HIDDEN if pd.isna(count) else str(count) for count in counts]


def _once(table: pd.DataFrame, column: str) -> pd.DataFrame:
    """Say a repeated value on the first of its lines only."""
    return table.assign(**{column: table[column].mask(table[column].duplicated(), "")})
