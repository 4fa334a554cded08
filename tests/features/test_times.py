import numpy as np
import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from features.endpoints.forms import derive_outcome, read_endpoint
from features.endpoints.landmark import landmark
from features.outcome import MONTHS, Outcome
from features.times import PARTS_A_MONTH, one_time, one_time_each, step_values


def day(number):
    return number * 16 / PARTS_A_MONTH


@pytest.mark.parametrize(
    ("written", "meant"),
    [
        (182.625 * MONTHS["days"], 6.0),
        (30 * MONTHS["days"], day(30)),
        (0.985626, day(30)),  # day 30 to six decimals of a month
        (float(np.float32(30 * MONTHS["days"])), day(30)),
        (0.2 * 12, 2.4),  # 2.4000000000000004
        (12.3 - 10.2, 2.1),  # 2.1000000000000014
        (5.3, 5.3),
        (5.31234567, 5.31234567),
        (0.0, 0.0),
    ],
)
def test_a_time_lands_on_the_float_of_what_was_meant(written, meant):
    assert float(one_time(written)) == meant


@settings(derandomize=True, deadline=None)
@given(st.integers(0, 20000), st.floats(-1e-9, 1e-9))
def test_every_way_to_a_whole_day_is_that_day(days, off):
    ways = [days * 12 / 365.25, days / 30.4375, days / 365.25 * 12, day(days) + off]
    assert set(one_time(ways).tolist()) == {day(days)}


@settings(derandomize=True, deadline=None)
@given(st.floats(0, 1e4))
def test_what_went_through_once_does_not_change_again(months):
    once = one_time(months)
    assert one_time(once) == once
    assert abs(float(once) - months) <= 1.001e-6


def test_times_closer_than_r_tells_apart_are_the_earliest_of_them():
    # sqrt(machine epsilon) is 1.49e-8, in months or as a share of the mean time.
    base = 5.12345
    times = np.array([base + 1.4e-8, base, base + 2e-6, 3.3])
    assert one_time_each(times).tolist() == [base, base, base + 2e-6, 3.3]


def test_an_outcome_has_one_time_for_patients_of_one_day():
    noisy = np.array([168, 56, 168, 84]) / 30.4375 + np.array([2e-13, -1e-13, 0.0, 3e-13])
    outcome = Outcome(noisy, np.ones(4, bool))
    assert len(np.unique(outcome.time)) == 3
    assert outcome.take([0, 2]).time.tolist() == [day(168), day(168)]
    assert not outcome.take([True, False, True, False]).time.flags.writeable


def test_a_time_on_the_horizon_is_by_the_horizon_in_every_unit():
    # 6 months are 182.625 days and half a year.
    for unit, written in (("days", "182.625"), ("months", "6"), ("years", "0.5")):
        table = pd.DataFrame({"t": [written, "0.1"], "e": ["1", "0"]})
        stated = {"label": "OS", "time": "t", "event": "e", "unit": unit}
        assert (derive_outcome(table, read_endpoint(stated)).time <= 6.0).all()


def test_a_landmark_on_the_day_of_the_last_contact_leaves_the_patient_out():
    days = np.array([30, 31, 90]) * MONTHS["days"]
    at = landmark(Outcome(days, np.array([False, True, True])), 0.985626)
    assert at.at_risk.tolist() == [False, True, True]
    # A subtraction leaves no round-off either: 1 and 60 days.
    assert at.outcome.time.tolist() == [day(1), day(60)]


def test_a_landmark_of_a_configuration_is_a_time_like_any_other():
    stated = {"label": "OS", "time": "t", "event": "e", "unit": "days"}
    assert read_endpoint(stated | {"landmark_months": 0.985626}).landmark_months == day(30)
    with pytest.raises(ValueError, match="greater than 0"):
        read_endpoint(stated | {"landmark_months": 0})


def test_a_step_function_jumps_at_its_time_and_not_before():
    step_times, survival = np.array([1.0, 3.0]), np.array([0.8, 0.5])
    read = step_values([0, 0.99, 1.0, 2.99, 3.0, 100], step_times, survival, before=1.0)
    assert read.tolist() == [1.0, 1.0, 0.8, 0.8, 0.5, 0.5]


def test_step_values_keeps_leading_dimensions_and_order_of_times():
    values = np.array([[0.8, 0.5], [0.7, 0.1]])
    read = step_values([3.0, 0.0], np.array([1.0, 3.0]), values, before=1.0)
    assert read.tolist() == [[0.5, 1.0], [0.1, 1.0]]


def test_a_cumulative_hazard_starts_at_zero():
    assert step_values([0.5], np.array([1.0]), np.array([0.2]), before=0.0).tolist() == [0.0]


def test_without_an_event_the_step_never_comes():
    assert step_values([1.0, 9.0], np.empty(0), np.empty(0), before=1.0).tolist() == [1.0, 1.0]
