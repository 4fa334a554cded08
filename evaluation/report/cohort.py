"""The HTML report of a cohort before any model: who is in it, what is missing, what looks wrong."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np
import pandas as pd
from matplotlib.figure import Figure

from evaluation.cohort.endpoint_summary import readable_endpoints
from evaluation.cohort.missingness import STRUCTURAL, UNKNOWN
from evaluation.cohort.small_cells import HIDDEN
from evaluation.report.page import embed_figure, html_table, write_page

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
    pictures = {
        section: {caption: embed_figure(figure) for caption, figure in figures.items()}
        for section, figures in report.pictures.items()
    }
    levels = [_level(severity) for severity in report.findings["severity"]]
    worst = next((level for level in _LEVELS if level in levels), "none")
    missing = readable_missingness(report.missingness)
    write_page(
        path,
        "data_report.html",
        report=report,
        pictures=pictures,
        findings=_findings(report.findings, levels),
        worst=worst,
        shape=_SHAPES.get(worst, ""),
        attrition=_attrition(report.attrition),
        table_one=html_table(_once(report.table_one, "covariate")),
        hidden=bool((report.table_one == HIDDEN).to_numpy().any()),
        missingness=html_table(missing),
        some_missing=not missing.empty,
        endpoints=html_table(_once(readable_endpoints(report.endpoints), "endpoint")),
        dictionary=html_table(readable_dictionary(report.dictionary)),
    )


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
    """Findings as the template shows them, the gravest first."""
    rows = [
        row | {"level": level, "shape": _SHAPES.get(level, "\N{WHITE CIRCLE}")}
        for row, level in zip(findings.fillna("").to_dict("records"), levels, strict=True)
    ]
    order = [*_LEVELS, "other"]
    return sorted(rows, key=lambda row: order.index(str(row["level"])))


def _attrition(attrition: pd.DataFrame | None) -> str:
    if attrition is None or attrition.empty:
        return ""
    headers = {"removed_missing": "of them undecided", "kept_missing": "kept undecided"}
    return html_table(attrition.rename(columns=headers))


def _counts(counts: pd.Series) -> list[str]:
    return [HIDDEN if pd.isna(count) else str(count) for count in counts]


def _once(table: pd.DataFrame, column: str) -> pd.DataFrame:
    """Say a repeated value on the first of its lines only."""
    return table.assign(**{column: table[column].mask(table[column].duplicated(), "")})
