import numpy as np
import pytest

from evaluation.metrics.observed import (
    estimator_name,
    observed_probabilities,
    observed_probability,
    replicate_event_free,
)
from features.outcome import Outcome

#                   A  B  C  D
TIME, EVENT = [1.0, 2, 3, 4], [1, 0, 1, 0]


def test_with_and_without_competing_events_by_hand():
    # Kaplan-Meier at 3: 3/4 x 1/2. When B has a competing event: A at 1/4, C at 1/2 x 1/2.
    plain = Outcome(TIME, EVENT)
    competing = Outcome(TIME, EVENT, competing=[0, 1, 0, 0])
    once = np.ones((1, 4))
    assert replicate_event_free(plain, [3], once)[0, 0] == pytest.approx(3 / 8)
    assert replicate_event_free(competing, [3], once)[0, 0] == pytest.approx(1 - 1 / 2)
    assert observed_probability(plain, 3).estimate == pytest.approx(5 / 8)
    assert observed_probability(competing, 3).estimate == pytest.approx(1 / 2)
    assert estimator_name(plain) == "Kaplan-Meier, log-log"
    assert estimator_name(competing) == "Aalen-Johansen, log-log of 1 - incidence"


def test_aalen_johansen_is_kaplan_meier_before_anything_competes():
    # One competing event after the last time asked for changes nothing before it.
    rng = np.random.default_rng(0)
    time, event = rng.exponential(10, 80), rng.random(80) < 0.6
    event[time.argmax()] = False
    late = Outcome(time, event, competing=time == time.max())
    times = [3.0, 8.0]
    for ours, theirs in zip(
        observed_probabilities(late, times),
        observed_probabilities(Outcome(time, event), times),
        strict=True,
    ):
        assert ours == pytest.approx(theirs)
    counts = rng.integers(0, 3, (4, 80))
    assert replicate_event_free(late, times, counts) == pytest.approx(
        replicate_event_free(Outcome(time, event), times, counts)
    )


def test_beyond_the_last_patient_nothing_is_known():
    for competing in (None, [0, 1, 0, 0]):
        outcome = Outcome(TIME, EVENT, competing=competing)
        assert np.isnan(replicate_event_free(outcome, [5], np.ones((1, 4)))).all()
        assert np.isnan(observed_probability(outcome, 5)).all()
