"""The documentation page is the one that the dictionary gives."""

import pytest

from evaluation.cohort.dictionary_page import PAGE, dictionary_markdown, dictionary_table, main
from features.covariates.columns import ColumnSource
from features.covariates.derived import DERIVATIONS
from features.covariates.dictionary import Covariate, read_dictionary

HB = Covariate(
    name="hb_g_per_l", label="Hemoglobin", kind="number", unit="g/L",
    limits=(20, 220), unusual=(50, 180), units={"g/dL": 10}, synonyms=("hgb",),
)  # fmt: skip
SEX = Covariate(name="sex", label="Sex | gender", kind="category", vocabulary=("F", "M"))
RESPONSE = Covariate(name="response", label="Response", kind="flag", timing="outcome")


def test_the_committed_page_is_the_generated_one():
    assert PAGE.read_text("utf-8") == dictionary_markdown(read_dictionary()), (
        "docs/dictionary.md is out of date: run `python -m evaluation.cohort.dictionary_page`"
    )


def test_every_covariate_has_a_line_under_its_timing():
    page = dictionary_markdown({c.name: c for c in (HB, SEX, RESPONSE)})
    assert (
        "| `hb_g_per_l` | Hemoglobin | g/L | a number from 20 to 220 | 50 to 180 "
        "| g/dL (10) | hgb |"
    ) in page
    baseline, outcome = page.split("## Outcome")
    assert "`sex`" in baseline
    assert "`response`" in outcome
    # No covariate is known only later, so there is no such part.
    assert "## Known only later" not in page


def test_a_bar_in_a_cell_does_not_open_a_column():
    page = dictionary_markdown({"sex": SEX})
    assert "Sex \\| gender" in page


def test_columns_that_say_nothing_are_left_out():
    page = dictionary_markdown({"response": RESPONSE})
    assert "| name | label | allowed |\n| --- | --- | --- |\n" in page


def test_derived_covariates_name_their_inputs():
    page = dictionary_markdown({"hb_g_per_l": HB})
    for name in DERIVATIONS:
        assert f"| `{name}` |" in page
    assert "`wbc_1e9_per_l` |" in page


@pytest.mark.parametrize(
    ("source", "column", "unit"),
    [
        (ColumnSource(column="hgb", unit="g/dL"), "hgb", "g/dL"),
        (ColumnSource(column="hgb"), "hgb", "g/L"),
        (None, "hb_g_per_l", "g/L"),
    ],
)
def test_table_says_where_the_values_come_from(source, column, unit):
    sources = {} if source is None else {"hb_g_per_l": source}
    row = dictionary_table([HB], sources).iloc[0]
    assert (row["source_column"], row["source_unit"]) == (column, unit)


def test_table_without_sources():
    table = dictionary_table([HB, SEX])
    assert list(table) == ["name", "label", "unit", "allowed", "unusual", "source", "missing"]
    assert table["allowed"].tolist() == ["a number from 20 to 220", "one of F, M"]


def test_the_command_writes_the_page(tmp_path, monkeypatch):
    monkeypatch.setattr("evaluation.cohort.dictionary_page.PAGE", tmp_path / "dictionary.md")
    main()
    assert (tmp_path / "dictionary.md").read_text("utf-8") == dictionary_markdown(read_dictionary())
