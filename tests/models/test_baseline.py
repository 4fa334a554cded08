import numpy as np
import pytest
from sksurv.linear_model.coxph import BreslowEstimator

from features.outcome import Outcome
from models.baseline import BreslowBaseline


def simulated(n=120, seed=1):
    rng = np.random.default_rng(seed)
    log_hazard = rng.normal(size=n)
    time = rng.exponential(10 / np.exp(log_hazard)).round(1)
    censoring = rng.uniform(2, 30, n).round(1)
    return log_hazard, Outcome(np.minimum(time, censoring), time <= censoring)


def test_it_is_the_estimator_of_scikit_survival():
    log_hazard, outcome = simulated()
    own = BreslowBaseline.fit(log_hazard, outcome)
    theirs = BreslowEstimator().fit(log_hazard, outcome.event, outcome.time).cum_baseline_hazard_
    assert own.cumulative_hazard == pytest.approx(theirs(own.event_times), rel=1e-12)


def test_by_hand_with_weights():
    # Log hazards 0. At 1 one of weights 2 + 1 + 1 dies: 2/4; at 3 the last of weight 1: 1.
    outcome = Outcome([1.0, 2.0, 3.0], [True, False, True])
    baseline = BreslowBaseline.fit(np.zeros(3), outcome, np.array([2.0, 1.0, 1.0]))
    assert baseline.event_times.tolist() == [1.0, 3.0]
    assert baseline.cumulative_hazard.tolist() == [0.5, 1.5]


def test_whole_weights_are_repeated_patients():
    log_hazard, outcome = simulated()
    counts = np.random.default_rng(2).integers(0, 4, len(outcome))
    rows = np.repeat(np.arange(len(outcome)), counts)
    weighted = BreslowBaseline.fit(log_hazard, outcome, counts.astype(float))
    repeated = BreslowBaseline.fit(log_hazard[rows], outcome.take(rows))
    times = np.linspace(0, 20, 50)
    assert weighted.survival(log_hazard, times) == pytest.approx(
        repeated.survival(log_hazard, times), abs=1e-12
    )


def test_without_events_nobody_dies():
    baseline = BreslowBaseline.fit(np.zeros(3), Outcome([1.0, 2.0, 3.0], [False] * 3))
    assert baseline.survival(np.zeros(2), [0.0, 5.0]).tolist() == [[1, 1], [1, 1]]
