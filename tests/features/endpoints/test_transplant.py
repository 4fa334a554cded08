import numpy as np
import pandas as pd
import pytest
from pydantic import ValidationError

from features.endpoints.transplant import TransplantColumn, derive_transplant, transplant_caution
from features.errors import InputError


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


@pytest.mark.parametrize(
    ("column", "what", "got"),
    [
        (["0", "1", "0", ""], "whether there was one, not when", "2 times 0, 1 times 1, among 3"),
        (["1.0", "", "1"], "whether there was one, not when", "0 times 0, 2 times 1, among 2"),
        (["0", "0", "0", "4.5"], "0 stood for none", "3 times 0, 0 times 1, among 4"),
    ],
)
@pytest.mark.parametrize("unit", ["days", "months"])
def test_a_column_that_says_whether_and_not_when_is_refused(column, what, got, unit):
    source = TransplantColumn(time="hsct", unit=unit)
    with pytest.raises(InputError) as refused:
        derive_transplant(pd.DataFrame({"hsct": column}), source)
    (problem,) = refused.value.problems
    assert what in problem.what
    assert problem.where == "transplant, column hsct"
    assert problem.got == f"{got} known values"
    assert unit in problem.allowed
    assert "empty" in problem.remedy


@pytest.mark.parametrize("column", [["1", ""], ["0", "3"], ["0", "1", "2"], ["", None]])
def test_times_that_hold_a_zero_or_a_one_are_times(column):
    months = derive_transplant(pd.DataFrame({"hsct": column}), TransplantColumn(time="hsct"))
    expected = [float(cell) if cell else np.nan for cell in column]
    np.testing.assert_array_equal(months, expected)


def test_transplants_after_the_last_contact_are_counted():
    months = np.array([2.0, 100.0, np.nan, 90.0, 5.02])
    # The second endpoint knows three patients, and of the first of them longer.
    followed = [
        (np.ones(5, dtype=bool), np.array([1.0, 12.0, 9.0, 20.0, 5.0])),
        (np.array([True, True, False, False, True]), np.array([3.0, 11.0, 5.0])),
    ]
    # Late: 100 after 12, 90 after 20; 5.02 after 5 is less than a day.
    assert transplant_caution(months, followed).startswith("2 of 4 transplants lie after")
    assert transplant_caution(months, followed[:1]).startswith("3 of 4")
    assert transplant_caution(np.array([1.0, np.nan]), [(np.ones(2, bool), np.ones(2))]) == ""
    assert transplant_caution(None, followed) == ""
