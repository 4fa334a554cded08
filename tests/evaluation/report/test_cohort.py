"""The data report is one file that shows every part, and says severities in words."""

import re
from dataclasses import replace

import numpy as np
import pandas as pd
import pytest

from evaluation.cohort.attrition import ATTRITION_COLUMNS, AttritionDisplay
from evaluation.cohort.dictionary_page import dictionary_table
from evaluation.cohort.endpoint_summary import endpoint_summary
from evaluation.cohort.missingness import MissingnessDisplay, missingness_counts
from evaluation.cohort.table_one import table_one
from evaluation.report.cohort import (
    FINDING_COLUMNS,
    DataReport,
    readable_missingness,
    write_data_report,
)
from evaluation.report.figures import kaplan_meier_figure
from features.covariates.columns import ColumnSource
from features.covariates.dictionary import Covariate
from features.outcome import Outcome

DICTIONARY = {
    "age": Covariate(name="age", label="Age", kind="number", unit="years"),
    "tp53": Covariate(name="tp53", label="TP53 mutated", kind="flag"),
}
N = 24
INPUTS = pd.DataFrame({"age": np.arange(50.0, 50 + N), "tp53": [1.0, np.nan, 0.0, 1.0] * (N // 4)})
REGIMEN = np.array(["HMA", "LDAC"] * (N // 2), dtype=object)
OUTCOME = Outcome(np.arange(1, N + 1), [1, 1, 0] * (N // 3))
FINDINGS = pd.DataFrame(
    [
        ("units", "note", "hb looks like <g/dL>", 2, "ten times too small", "state the unit"),
        ("clock", "fail", "event before the first dose", 1, "time is negative", "correct it"),
        ("missing", "warn", "TP53 often unknown", 6, "imputed", "collect it"),
    ],
    columns=list(FINDING_COLUMNS),
)
ATTRITION = pd.DataFrame(
    [(0, "All patients", 0, 0, 30), (1, "Adults", 6, 1, N)], columns=list(ATTRITION_COLUMNS)
)


@pytest.fixture(scope="module")
def report():
    missing = MissingnessDisplay.from_inputs(INPUTS, DICTIONARY)
    return DataReport(
        title="Data report: a & b",
        provenance="simulated",
        verdict="Not to be used before 1 finding is corrected",
        facts={"Patients": str(N)},
        findings=FINDINGS,
        attrition=ATTRITION,
        table_one=table_one(INPUTS, REGIMEN, DICTIONARY),
        missingness=missing.shares,
        endpoints=endpoint_summary({"OS": OUTCOME}, REGIMEN),
        dictionary=dictionary_table(DICTIONARY.values(), {"tp53": ColumnSource(column="p53")}),
        pictures={
            "attrition": {"Who was left": AttritionDisplay(ATTRITION).plot().figure},
            "missingness": {missing.caption: missing.plot().figure},
            "endpoints": {"OS": kaplan_meier_figure(OUTCOME, REGIMEN, "OS")},
        },
    )


def written(report, tmp_path):
    path = tmp_path / "data_report.html"
    write_data_report(path, report)
    return path.read_text("utf-8")


def test_the_page_stands_alone(report, tmp_path):
    page = written(report, tmp_path)
    assert page.count("data:image/png;base64,") == 3
    assert not re.search(r"""(src|href)=["'](?!data:|#)""", page)
    assert "http" not in page


def test_every_part_is_there(report, tmp_path):
    page = written(report, tmp_path)
    for text in (
        "Data report: a &amp; b",
        "Not real patients:</strong> simulated",
        "Not to be used before 1 finding is corrected",
        "hb looks like &lt;g/dL&gt;",
        "Adults",
        "Age, years, median [Q1-Q3]",
        "TP53 mutated",
        "median follow-up, months (95% CI)",
        "<td>p53</td>",
        "Who was left",
    ):
        assert text in page, text


def test_links_lead_to_parts_of_the_page(report, tmp_path):
    page = written(report, tmp_path)
    targets = set(re.findall(r'href="#([\w-]+)"', page))
    assert targets
    assert targets <= set(re.findall(r'id="([\w-]+)"', page))


def test_severity_is_a_word_a_shape_and_a_colour_and_the_gravest_comes_first(report, tmp_path):
    cells = re.findall(r'<td class="severity (\w+)">(\S) (\w+)</td>', written(report, tmp_path))
    assert cells == [("error", "■", "fail"), ("warning", "▲", "warn"), ("note", "●", "note")]
    assert '<div class="verdict error"><strong>■ Not to be used' in written(report, tmp_path)


def test_without_findings_and_rules(report, tmp_path):
    plain = replace(
        report, findings=FINDINGS.iloc[:0], attrition=None, provenance="", verdict="No finding"
    )
    page = written(plain, tmp_path)
    assert "<p>No finding.</p>" in page
    assert 'id="attrition"' not in page
    assert "Not real patients" not in page


def test_a_repeated_covariate_is_named_once(report, tmp_path):
    # On the line of its share; the line of its missing values has an empty cell.
    assert written(report, tmp_path).count("TP53 mutated, n (%)") == 1


def test_hidden_counts_are_explained(report, tmp_path):
    assert "Small counts" not in written(report, tmp_path)
    hidden = replace(report, table_one=table_one(INPUTS, REGIMEN, DICTIONARY, suppress_below=7))
    assert "Small counts, and what would give them away, are hidden" in written(hidden, tmp_path)


def test_findings_need_their_columns(report, tmp_path):
    with pytest.raises(ValueError, match="findings lack the columns remedy"):
        written(replace(report, findings=FINDINGS.drop(columns="remedy")), tmp_path)


def test_the_same_report_gives_the_same_bytes(report, tmp_path):
    assert written(report, tmp_path) == written(report, tmp_path)


def test_missing_values_are_listed_where_there_are_any():
    shown = readable_missingness(missingness_counts(INPUTS, DICTIONARY))
    # A quarter of 24.
    assert shown.to_numpy().tolist() == [["TP53 mutated", "6", "25", "0"]]


def test_a_hidden_number_of_missing_values_is_listed_as_hidden():
    shown = readable_missingness(missingness_counts(INPUTS, DICTIONARY, suppress_below=7))
    assert shown.to_numpy().tolist() == [["TP53 mutated", "hidden", "", "0"]]
