import numpy as np
import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from pydantic import ValidationError

from features.endpoints.dated import DatedEndpoint
from features.endpoints.efs_eln2022 import EfsEln2022
from features.endpoints.forms import (
    MONTHS,
    Endpoint,
    derive_endpoint,
    derive_outcome,
    read_endpoint,
)
from features.errors import InputError, collect


def endpoint(unit="months", **codes):
    return Endpoint(label="OS", time="os_time", event="os_event", unit=unit, **codes)


def table(times, events):
    return pd.DataFrame({"os_time": times, "os_event": events})


def refused(times, events, **codes):
    with pytest.raises(InputError) as error:
        derive_outcome(table(times, events), endpoint(**codes))
    return error.value.problems


@pytest.mark.parametrize(
    ("unit", "time", "months"),
    [
        ("days", "365.25", 12.0),
        # 1 day is 12 / 365.25 = 0.032854... months.
        ("days", "1", 0.03285420944558522),
        ("months", "7.5", 7.5),
        # 2.5 years x 12 months.
        ("years", "2.5", 30.0),
    ],
)
def test_times_become_months(unit, time, months):
    outcome = derive_outcome(table([time], ["1"]), endpoint(unit))
    assert outcome.time == pytest.approx([months], rel=1e-12)


def test_a_year_is_as_long_in_every_unit():
    assert 365.25 * MONTHS["days"] == pytest.approx(1 * MONTHS["years"], rel=1e-15)
    assert 12 * MONTHS["months"] == MONTHS["years"]


@pytest.mark.parametrize(
    ("observed", "censored"),
    [("1", "0"), ("1.0", "0.0"), ("TRUE", "false"), (" 1 ", " 0"), (1, 0), (True, False)],
)
def test_the_usual_codes_need_no_mapping(observed, censored):
    outcome = derive_outcome(table(["1", "2"], [observed, censored]), endpoint())
    assert outcome.event.tolist() == [True, False]


def test_numbers_and_nullable_columns_are_read_as_text_is():
    as_text = derive_outcome(table(["1.5", "0"], ["0", "1"]), endpoint())
    nullable = table(pd.array([1.5, 0], dtype="Float64"), pd.array([False, True], dtype="boolean"))
    outcome = derive_outcome(nullable, endpoint())
    np.testing.assert_array_equal(outcome.time, as_text.time)
    np.testing.assert_array_equal(outcome.event, as_text.event)


def test_codes_from_yaml_may_be_numbers_or_one_value():
    # Survival packages code censored 1 and observed 2.
    outcome = derive_outcome(
        table(["1", "2"], ["1", "2"]), endpoint(event_values=[2], censored_values=1)
    )
    assert outcome.event.tolist() == [False, True]


@pytest.mark.parametrize("time", ["", None, "n/a", "3,5", "1e400", "12 months", "True"])
def test_a_time_that_is_no_number_names_row_column_value_and_remedy(time):
    (problem,) = refused(["1", time], ["1", "0"])
    assert problem.what == "The time is missing or not a number"
    assert problem.where == (
        "endpoint OS, column os_time, 1 patient(s): row 2 (the first patient is row 1)"
    )
    assert problem.got == (time.strip() if time else "empty")
    assert problem.allowed == "months as a plain number"
    assert "leave these patients out with a stated reason" in problem.remedy


@pytest.mark.parametrize("time", ["", "-3", "n/a"])
def test_leaving_out_those_who_died_is_no_remedy(time):
    (died,) = refused(["1", time, time], ["1", "1", "0"])
    assert "but 1 of these 2 had the event, and without them the risk comes out too low" in (
        died.remedy
    )
    (censored,) = refused(["1", time, time], ["1", "0", "0"])
    assert "risk" not in censored.remedy


def test_a_date_is_no_time():
    dates = pd.to_datetime(["2021-03-01", "2022-03-01"])
    (problem,) = refused(dates, ["1", "0"])
    assert problem.what == "The time is missing or not a number"
    assert problem.got.startswith("2021-03-01")


def test_a_negative_time_is_named_as_such():
    (problem,) = refused(["1", "-0.5"], ["1", "1"])
    assert problem.what == "The time is negative"
    assert "row 2 " in problem.where
    assert problem.got == "-0.5"
    assert "runs from the index date" in problem.allowed


def test_an_unknown_code_shows_the_codes_and_how_to_state_them():
    (problem,) = refused(["1", "2", "3"], ["1", "dead", None])
    assert problem.what == "The event is missing or not a known code"
    assert "column os_event, 2 patient(s): row 2, 3 " in problem.where
    assert problem.got == "dead, empty"
    assert problem.allowed == "observed: 1, 1.0, true; censored: 0, 0.0, false"
    assert "`event_values:`" in problem.remedy


def test_every_kind_of_problem_is_told_at_once():
    whats = [p.what for p in refused(["-1", "x", "3"], ["1", "1", "?"])]
    assert whats == [
        "The time is missing or not a number",
        "The time is negative",
        "The event is missing or not a known code",
    ]


def test_both_missing_columns_are_named_with_their_purpose():
    with pytest.raises(InputError) as error:
        derive_outcome(pd.DataFrame({"os_tim": ["1"]}), endpoint())
    time, event = error.value.problems
    assert (time.where, time.got) == ("endpoint OS, time", "os_time")
    assert "did you mean 'os_tim'?" in time.remedy
    assert (event.where, event.got) == ("endpoint OS, event", "os_event")


def test_an_endpoint_without_events_is_a_question_of_coding():
    (problem,) = refused(["1", "2"], ["0", "0"])
    assert problem.what == "No patient has the event"
    assert problem.where == "endpoint OS, column os_event"
    assert "which code means" in problem.remedy


@pytest.mark.parametrize(
    "codes",
    [
        {"event_values": [1, 2], "censored_values": [0, 1]},
        # The default censored codes hold 0 already.
        {"event_values": [0]},
        {"event_values": ["Alive"], "censored_values": ["alive"]},
    ],
)
def test_a_code_cannot_mean_both(codes):
    with pytest.raises(ValidationError, match="is both observed and censored"):
        endpoint(**codes)


def test_an_unknown_unit_is_refused_with_those_there_are():
    with pytest.raises(ValidationError, match="'days', 'months' or 'years'"):
        endpoint("weeks")


@settings(derandomize=True, deadline=None)
@given(
    st.lists(st.tuples(st.floats(0, 1e5), st.booleans()), min_size=1).filter(
        lambda rows: any(event for _, event in rows)
    ),
    st.sampled_from(sorted(MONTHS)),
)
def test_written_times_come_back_in_months(rows, unit):
    times, events = zip(*rows, strict=True)
    text = table([repr(t) for t in times], [str(int(e)) for e in events])
    outcome = derive_outcome(text, endpoint(unit))
    # To within what is taken for round-off.
    np.testing.assert_allclose(outcome.time, np.array(times) * MONTHS[unit], rtol=1e-15, atol=2e-6)
    assert outcome.event.tolist() == list(events)


@settings(derandomize=True, deadline=None)
@given(st.lists(st.tuples(st.none() | st.text(), st.none() | st.text()), min_size=1))
def test_any_text_gives_an_outcome_or_an_input_error(rows):
    times, events = zip(*rows, strict=True)
    problems = []
    outcome = collect(problems, lambda: derive_outcome(table(times, events), endpoint()))
    assert all("endpoint OS" in problem.where for problem in problems)
    assert (outcome is None) == bool(problems)
    if outcome is not None:
        assert len(outcome) == len(rows)
        assert outcome.n_events > 0


def test_a_competing_code_ends_follow_up_without_an_event():
    outcome = derive_outcome(
        table(["1", "2", "3"], ["relapse", "death", "none"]),
        endpoint(event_values=["relapse"], censored_values=["none"], competing_values="death"),
    )
    assert outcome.event.tolist() == [True, False, False]
    assert outcome.competing.tolist() == [False, True, False]
    assert outcome.reason.tolist() == ["os_event = relapse", "os_event = death", "os_event = none"]
    assert set(outcome.source) == {"os_event"}


def test_without_competing_codes_there_are_no_competing_events():
    assert derive_outcome(table(["1"], ["1"]), endpoint()).competing is None


def test_an_unknown_code_shows_the_competing_codes_too():
    (problem,) = refused(["1", "2"], ["1", "?"], competing_values=[2])
    assert problem.allowed.endswith("; competing: 2")


@pytest.mark.parametrize("codes", [{"competing_values": [1]}, {"competing_values": ["FALSE"]}])
def test_a_competing_code_means_nothing_else(codes):
    with pytest.raises(ValidationError, match=r"is both (observed|censored) and competing"):
        endpoint(**codes)


def test_a_landmark_leaves_those_at_risk():
    read = derive_endpoint(table(["1", "2", "5"], ["1", "0", "1"]), endpoint(landmark_months=2))
    assert read.eligible.tolist() == [False, False, True]
    assert read.outcome.time.tolist() == [3]


@pytest.mark.parametrize(
    ("stated", "form"),
    [
        ({"label": "OS", "time": "t", "event": "e", "unit": "days"}, Endpoint),
        ({"label": "OS", "origin": "start", "events": [{"date": "died"}]}, DatedEndpoint),
        ({"preset": "efs_eln2022"}, EfsEln2022),
    ],
)
def test_each_form_is_told_by_its_keys(stated, form):
    read = read_endpoint(stated)
    assert type(read) is form
    assert read_endpoint(read.model_dump(mode="json")) == read
