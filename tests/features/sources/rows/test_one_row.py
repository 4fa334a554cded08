import numpy as np
import pandas as pd
import pytest
from pydantic import ValidationError

from features.errors import InputError
from features.sources.rows.one_row import OneRow, keep_one_row
from features.sources.rows.patient_rows import PatientRows

# Patient a: three visits, out of order; b: one; c: two, the worse one earlier.
VISITS = pd.DataFrame(
    {
        "id": ["a", "b", "a", "c", "a", "c"],
        "day": ["2024-03-01", "2024-01-05", "2024-01-10", "2024-02-01", "2024-05-01", "2024-04-01"],
        "study_day": ["10", "1", "-5", "0", "60", "40"],
        "ecog": ["1", "0", "2", "3", None, "1"],
        "start": ["2024-03-01"] * 6,
    }
)


def kept(table=VISITS, **rule):
    return keep_one_row(PatientRows.of(table, table["id"], "cohort"), OneRow(**rule))


@pytest.mark.parametrize(
    ("rule", "rows"),
    [
        ({"rule": "first", "date": "day"}, [2, 1, 3]),
        ({"rule": "last", "date": "day"}, [4, 1, 5]),
        ({"rule": "last", "date": "study_day"}, [4, 1, 5]),
        ({"rule": "worst", "column": "ecog", "worst_is": "highest"}, [2, 1, 3]),
        ({"rule": "worst", "column": "ecog", "worst_is": "lowest"}, [0, 1, 5]),
        # The day of the start itself counts.
        ({"rule": "last", "date": "day", "on_or_before": "start"}, [0, 1, 3]),
        ({"rule": "last", "date": "study_day", "on_or_before": 0}, [2, None, 3]),
    ],
)
def test_the_row_that_the_rule_names_is_kept(rule, rows):
    found = kept(**rule)
    assert found.table.index.tolist() == [row for row in rows if row is not None]
    assert found.rows == 6
    assert found.without == rows.count(None)


def test_rows_later_than_the_start_are_counted():
    assert kept(rule="last", date="day", on_or_before="start").later == 2
    assert kept(rule="last", date="study_day", on_or_before=0).later == 4


def test_of_equally_bad_rows_the_earliest_is_kept():
    table = VISITS.assign(ecog="2")
    found = kept(table, rule="worst", column="ecog", worst_is="highest", date="day")
    assert found.table.index.tolist() == [2, 1, 3]


def test_ties_are_refused_or_decided_by_the_order_of_the_file():
    table = VISITS.assign(day="2024-01-01")
    with pytest.raises(InputError, match="does not tell rows of a patient apart") as refused:
        kept(table, rule="first", date="day")
    assert "5 row(s): 1, 3, 4, 5, 6 (the first is row 1)" in refused.value.problems[0].where
    first = kept(table, rule="first", date="day", ties="first_row")
    assert first.table.index.tolist() == [0, 1, 3]
    last = kept(table, rule="first", date="day", ties="last_row")
    assert last.table.index.tolist() == [4, 1, 5]


def test_copies_of_a_row_are_one_row():
    table = pd.concat([VISITS, VISITS.iloc[[4]]], ignore_index=True)
    assert kept(table, rule="last", date="day").table.index.tolist() == [4, 1, 5]


def test_a_row_without_a_date_is_refused_or_left_out():
    table = VISITS.assign(day=[None, *VISITS["day"][1:]])
    with pytest.raises(InputError, match="no date") as refused:
        kept(table, rule="last", date="day")
    assert "2024" not in str(refused.value)
    assert kept(table, rule="last", date="day", undated="leave_out").undated == 1


@pytest.mark.parametrize(
    ("changed", "rule", "told"),
    [
        ({"ecog": "high"}, {"rule": "worst", "column": "ecog", "worst_is": "highest"}, "no number"),
        ({"day": "soon"}, {"rule": "last", "date": "day"}, "A date cannot be read"),
        ({}, {"rule": "last", "date": "dya"}, "no such column"),
        ({}, {"rule": "last", "date": "day", "on_or_before": "begin"}, "no such column"),
        ({}, {"rule": "last", "date": "day", "on_or_before": 3}, "compared with numbers"),
        ({"start": None}, {"rule": "last", "date": "day", "on_or_before": "start"}, "is missing"),
    ],
)
def test_what_cannot_be_ordered_is_refused(changed, rule, told):
    with pytest.raises(InputError, match=told):
        kept(VISITS.assign(**changed), **rule)


@pytest.mark.parametrize(
    ("rule", "told"),
    [
        ({"rule": "last"}, "needs `date`"),
        ({"rule": "worst", "column": "ecog"}, "needs `column` and `worst_is"),
        ({"rule": "first", "date": "d", "column": "ecog"}, "do not take them"),
        ({"rule": "worst", "column": "e", "worst_is": "highest", "on_or_before": 1}, "not stated"),
        ({"rule": "last", "dat": "d"}, "did you mean 'date'"),
        ({"rule": "newest", "date": "d"}, "'first', 'last' or 'worst'"),
    ],
)
def test_a_mistaken_rule_is_refused(rule, told):
    with pytest.raises(ValidationError, match=told):
        OneRow(**rule)


def test_the_order_of_the_file_changes_nothing():
    rng = np.random.default_rng(1)
    for _ in range(5):
        table = VISITS.iloc[rng.permutation(6)].reset_index(drop=True)
        found = kept(table, rule="last", date="day").table.set_index("id")
        assert found["day"].to_dict() == {"a": "2024-05-01", "b": "2024-01-05", "c": "2024-04-01"}
