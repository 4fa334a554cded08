import numpy as np
import pytest
from sksurv.linear_model.coxph import BreslowEstimator

from evaluation.statistics.kaplan_meier import survival_at
from features.outcome import Outcome
from models.learners.baseline import BaselineHazard


def simulated(n=120, seed=1):
    rng = np.random.default_rng(seed)
    log_hazard = rng.normal(size=n)
    time = rng.exponential(10 / np.exp(log_hazard)).round(1)
    censoring = rng.uniform(2, 30, n).round(1)
    return log_hazard, Outcome(np.minimum(time, censoring), time <= censoring)


# Four quarterly visits: three of four patients have the event at the first two of them.
QUARTERS = Outcome([3, 3, 3, 3, 6, 6, 6, 6, 9, 9, 9, 12], [1, 1, 0, 1, 1, 1, 1, 0, 1, 0, 1, 0])
X = np.array([0.5, 1.2, -0.3, 0.8, 0.1, -0.7, 0.9, 0.2, -1.1, -0.4, 0.3, -0.9])
WEIGHTS = np.array([1, 2, 0.5, 1, 1.5, 1, 0.25, 1, 2, 1, 0.75, 1])


@pytest.mark.parametrize(
    ("weights", "coef", "expected"),
    [
        # R 4.2.2, survival 3.5.3: basehaz(coxph(Surv(time, event) ~ x, ties = "efron", weights),
        # centered = FALSE), which is survfit(ctype = 2).
        (None, 1.3389314646016, [0.19263540598990, 0.62654437488475, 1.58235738397690]),
        (WEIGHTS, 1.3161550445148, [0.25392378840176, 0.74323607625243, 2.11215989434514]),
    ],
    ids=["unweighted", "weighted"],
)
def test_matches_r_at_tied_times(weights, coef, expected):
    baseline = BaselineHazard.fit(coef * X, QUARTERS, weights)
    assert baseline.event_times.tolist() == [3, 6, 9]
    assert baseline.cumulative_hazard == pytest.approx(expected, abs=1e-10)


@pytest.mark.parametrize("visits", [0.5, 1, 3])
def test_coarse_times_do_not_overstate_the_risk(visits):
    log_hazard, outcome = simulated(1000, seed=3)
    seen = Outcome(visits * np.ceil(outcome.time / visits + 1e-9), outcome.event)
    predicted = 1 - BaselineHazard.fit(log_hazard, seen).survival(log_hazard, [6]).mean()
    observed = 1 - survival_at(seen, [6])["survival"].iloc[0]
    # In Breslow's form 1.05, 1.08 and 1.23.
    assert observed / predicted == pytest.approx(1, abs=0.03)


def test_without_ties_it_is_breslows_estimator_of_scikit_survival():
    log_hazard, outcome = simulated()
    outcome = Outcome(outcome.time + 1e-3 * np.arange(len(outcome)) / len(outcome), outcome.event)
    own = BaselineHazard.fit(log_hazard, outcome)
    theirs = BreslowEstimator().fit(log_hazard, outcome.event, outcome.time).cum_baseline_hazard_
    assert own.cumulative_hazard == pytest.approx(theirs(own.event_times), rel=1e-12)


def test_by_hand_with_weights():
    # Log hazards 0. At 1 one of weights 2 + 1 + 1 dies: 2/4; at 3 the last of weight 1: 1.
    outcome = Outcome([1.0, 2.0, 3.0], [True, False, True])
    baseline = BaselineHazard.fit(np.zeros(3), outcome, np.array([2.0, 1.0, 1.0]))
    assert baseline.event_times.tolist() == [1.0, 3.0]
    assert baseline.cumulative_hazard.tolist() == [0.5, 1.5]


def test_weight_0_is_nobody_and_no_tie():
    log_hazard, outcome = simulated()
    kept = np.random.default_rng(2).random(len(outcome)) < 0.7
    weighted = BaselineHazard.fit(log_hazard, outcome, 2.0 * kept)
    alone = BaselineHazard.fit(log_hazard[kept], outcome.take(kept))
    assert weighted.event_times.tolist() == alone.event_times.tolist()
    assert weighted.cumulative_hazard == pytest.approx(alone.cumulative_hazard, rel=1e-12)


def test_without_events_nobody_dies():
    baseline = BaselineHazard.fit(np.zeros(3), Outcome([1.0, 2.0, 3.0], [False] * 3))
    assert baseline.survival(np.zeros(2), [0.0, 5.0]).tolist() == [[1, 1], [1, 1]]
