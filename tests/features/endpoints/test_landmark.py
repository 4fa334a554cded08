import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from features.endpoints.landmark import landmark
from features.errors import InputError
from features.outcome import Outcome
from features.times import one_time

OUTCOME = Outcome(
    [1, 3, 3, 2, 1, 5, 8],
    [True, True, False, False, False, True, False],
    ["relapse", "relapse", "last contact", "cut-off", "death", "relapse", "last contact"],
    competing=[False, False, False, False, True, False, False],
)


def test_only_patients_at_risk_after_the_landmark_stay_with_time_shifted():
    # At 3 months: the event at 3 and the censoring at 3 leave nothing to observe afterwards.
    at = landmark(OUTCOME, 3)
    assert at.at_risk.tolist() == [False, False, False, False, False, True, True]
    assert at.outcome.time.tolist() == [2, 5]
    assert at.outcome.event.tolist() == [True, False]
    assert at.outcome.reason.tolist() == ["relapse", "last contact"]
    assert at.outcome.competing.tolist() == [False, False]


def test_a_landmark_before_anything_happens_leaves_nobody_out():
    at = landmark(Outcome([2, 4], [1, 0]), 1)
    assert at.at_risk.all()
    assert at.outcome.reason is None


def test_nobody_at_risk_names_the_follow_up():
    with pytest.raises(InputError) as error:
        landmark(OUTCOME, 8)
    assert error.value.problems[0].allowed == "below 8.0 months, the longest follow-up"


@pytest.mark.parametrize("months", [0, -1, np.nan])
def test_a_landmark_lies_after_the_index_date(months):
    with pytest.raises(ValueError, match="after the index date"):
        landmark(OUTCOME, months)


@settings(derandomize=True, deadline=None)
@given(st.lists(st.tuples(st.floats(0, 100), st.booleans()), min_size=1), st.floats(0.01, 99))
def test_who_is_followed_beyond_is_at_risk(rows, months):
    outcome = Outcome(*map(list, zip(*rows, strict=True)))
    if outcome.follow_up <= one_time(months):
        return
    at = landmark(outcome, months)
    assert len(at.outcome) == at.at_risk.sum() > 0
    assert (outcome.time[~at.at_risk] <= one_time(months)).all()
    # To within what is taken for round-off.
    np.testing.assert_allclose(at.outcome.time + months, outcome.time[at.at_risk], atol=3e-6)
