import numpy as np
import pandas as pd
import pytest
from pydantic import ValidationError

from features.errors import InputError
from features.transplant import TransplantColumn, derive_transplant


def test_a_time_is_brought_to_months_and_an_empty_cell_is_none():
    table = pd.DataFrame({"hsct_days": ["365.25", "", None]})
    months = derive_transplant(table, TransplantColumn(time="hsct_days", unit="days"))
    # A year is 12 months.
    np.testing.assert_allclose(months, [12.0, np.nan, np.nan])


def test_dates_count_from_the_origin():
    table = pd.DataFrame({"start": ["2021-01-01", "2021-01-01"], "hsct": ["2021-05-02", ""]})
    months = derive_transplant(table, TransplantColumn(date="hsct", origin="start"))
    # 121 days of 365.25 / 12 each.
    np.testing.assert_allclose(months, [121 * 12 / 365.25, np.nan])


@pytest.mark.parametrize(
    ("column", "words"),
    [
        (["-1", "2"], "before the start of treatment"),
        (["soon", "2"], "no number"),
    ],
)
def test_what_is_no_time_after_the_start_is_refused(column, words):
    with pytest.raises(InputError) as refused:
        derive_transplant(pd.DataFrame({"hsct": column}), TransplantColumn(time="hsct"))
    (problem,) = refused.value.problems
    assert words in problem.what
    assert "row 1" in problem.where


def test_a_transplant_without_a_start_is_refused():
    table = pd.DataFrame({"start": [""], "hsct": ["2021-05-02"]})
    with pytest.raises(InputError, match="clock starts"):
        derive_transplant(table, TransplantColumn(date="hsct", origin="start"))


def test_a_missing_column_is_named():
    with pytest.raises(InputError, match="no such column"):
        derive_transplant(pd.DataFrame({"a": [1]}), TransplantColumn(time="hsct"))


@pytest.mark.parametrize("stated", [{}, {"time": "a", "date": "b"}, {"date": "b"}])
def test_a_time_or_a_date_with_its_origin_must_be_stated(stated):
    with pytest.raises(ValidationError, match="origin"):
        TransplantColumn(**stated)
