import numpy as np
import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from pydantic import ValidationError

from features.endpoints.dated import DatedEndpoint, derive_dated
from features.endpoints.forms import derive_endpoint
from features.errors import InputError

FULL = DatedEndpoint.model_validate(
    {
        "label": "X",
        "origin": "start",
        "events": [{"date": "relapse"}, {"date": "progression"}],
        "competing": [{"date": "death"}],
        "censors": [{"date": "seen"}, {"date": "assessed"}],
        "censor_at": [{"date": "transplant"}],
    }
)
ORIGIN = np.datetime64("2020-01-01")
COLUMNS = ("relapse", "progression", "death", "seen", "assessed", "transplant")


def table_of(rows):
    """Rows of days after the origin, None where there is no date."""
    cells = [[None if d is None else str(ORIGIN + d) for d in row] for row in rows]
    table = pd.DataFrame(cells, columns=list(COLUMNS), dtype="string")
    return table.assign(start=str(ORIGIN))


def by_hand(row, cutoff, within):
    """One patient, in plain words: the slow and obvious way."""
    relapse, progression, death, seen, assessed, transplant = row

    def earliest(*days):
        return min((d for d in days if d is not None), default=None)

    stop = earliest(transplant, cutoff)
    event = earliest(relapse, progression)
    dates = [d for d in (seen, assessed) if d is not None]
    end = max(dates, default=None)
    after_stop = [d for d in (event, death, end) if d is not None and stop is not None and d > stop]
    if stop is not None and (after_stop or end == stop or (end is None and stop == transplant)):
        end = stop
    kind = "censored"
    counts = [d for d in (event, death) if d is not None and (stop is None or d <= stop)]
    if counts:
        end = min(counts)
        kind = "event" if end == event else "competing"
    if end is not None and within is not None and end > within:
        kind, end = "censored", within
    return kind, end


PATIENT = st.tuples(*[st.none() | st.integers(0, 40) for _ in COLUMNS])


@pytest.mark.slow
@settings(derandomize=True, deadline=None, max_examples=150)
@given(
    st.lists(PATIENT, min_size=1, max_size=8),
    st.none() | st.integers(0, 40),
    st.none() | st.integers(1, 40),
)
def test_the_columns_together_say_what_each_patient_says_alone(rows, cutoff, within):
    expected = [by_hand(row, cutoff, within) for row in rows]
    kept = [i for i, (_, end) in enumerate(expected) if end is not None]
    rows, expected = [rows[i] for i in kept], [expected[i] for i in kept]
    # The clock's own rule on zero events is another test's.
    rows.append((1, None, None, None, None, None))
    expected.append(by_hand(rows[-1], cutoff, within))
    endpoint = FULL.model_copy(
        update={
            "cutoff": None if cutoff is None else (ORIGIN + cutoff).astype(object),
            "within_days": within,
        }
    )
    outcome, population = derive_dated(table_of(rows), endpoint)
    assert population.all()
    assert np.round(outcome.time * 365.25 / 12, 6).tolist() == [end for _, end in expected]
    assert outcome.event.tolist() == [kind == "event" for kind, _ in expected]
    assert outcome.competing.tolist() == [kind == "competing" for kind, _ in expected]
    # Permuting the patients changes nothing else.
    backwards, _ = derive_dated(table_of(rows[::-1]), endpoint)
    assert backwards.time.tolist() == outcome.time[::-1].tolist()
    assert backwards.reason.tolist() == outcome.reason[::-1].tolist()


def test_every_patient_carries_why_and_from_where():
    outcome, _ = derive_dated(
        table_of(
            [
                (5, None, None, None, None, None),
                (None, None, 6, None, None, None),
                (None, None, None, 7, 3, None),
                (None, None, None, 7, None, 2),
            ]
        ),
        FULL,
    )
    assert outcome.reason.tolist() == ["relapse", "death", "seen", "transplant"]
    assert outcome.source.tolist() == ["relapse", "death", "seen", "transplant"]


def test_without_competing_sources_there_are_no_competing_events():
    outcome, _ = derive_dated(
        table_of([(5, None, None, None, None, None)]), FULL.model_copy(update={"competing": ()})
    )
    assert outcome.competing is None


def test_every_missing_column_is_told_at_once():
    with pytest.raises(InputError) as error:
        derive_dated(pd.DataFrame({"start": ["2020-01-01"]}), FULL)
    assert [p.got for p in error.value.problems] == list(COLUMNS)
    assert error.value.problems[0].where == "endpoint X, events, relapse"


def test_problems_of_every_source_are_told_at_once():
    table = table_of([(5, None, None, None, None, None)] * 3)
    table.loc[0, "relapse"] = "2019-12-31"
    table.loc[1, "death"] = "soon"
    table.loc[2, "transplant"] = "2019-01-01"
    with pytest.raises(InputError) as error:
        derive_dated(table, FULL)
    assert [(p.what, p.where.split("column ")[1].split(",")[0]) for p in error.value.problems] == [
        ("A date lies before the clock starts", "relapse"),
        ("A date cannot be read", "death"),
        ("A date lies before the clock starts", "transplant"),
    ]


def test_patients_who_are_not_of_the_cohort_are_not_read():
    table = table_of([(5, None, None, None, None, None)] * 3)
    table.loc[1, "relapse"] = "never"
    read = derive_endpoint(table, FULL, np.array([True, False, True]))
    assert read.eligible.tolist() == [True, False, True]
    assert len(read.outcome) == 2
    # Rows are counted in the whole table all the same.
    table.loc[2, "death"] = "soon"
    with pytest.raises(InputError, match=r"row 3 \(the first patient"):
        derive_endpoint(table, FULL, np.array([True, False, True]))


def test_nobody_in_the_population_is_a_question_of_codes():
    table = table_of([(5, None, None, None, None, None)]).assign(response="PD")
    endpoint = FULL.model_copy(update={"population": {"response": ("CR", "CRi")}})
    with pytest.raises(InputError) as error:
        derive_dated(table, endpoint)
    assert error.value.problems[0].what == "Nobody belongs to the endpoint's population"
    assert error.value.problems[0].allowed == "response: CR, CRi"


def test_an_endpoint_without_any_event_is_a_question_of_columns():
    with pytest.raises(InputError) as error:
        derive_dated(table_of([(None, None, None, 5, None, None)]), FULL)
    (problem,) = error.value.problems
    assert problem.what == "No patient has the event"
    assert problem.where == "endpoint X, column relapse, progression"


@pytest.mark.parametrize(
    ("change", "told"),
    [
        ({"events": []}, "at least one event"),
        ({"within_days": 0}, "greater than 0"),
        ({"cutoff": 2024}, "YYYY-MM-DD"),
        ({"orgin": "start"}, "did you mean 'origin'"),
        ({"events": [{"dat": "x"}]}, "did you mean 'date'"),
        ({"population": {"response": [True]}}, "in quotes"),
        ({"events": [{"date": "x", "when": {"dead": True}}]}, "in quotes"),
    ],
)
def test_a_description_that_cannot_be_meant_is_refused(change, told):
    with pytest.raises(ValidationError, match=told):
        DatedEndpoint.model_validate({**FULL.model_dump(), **change})
