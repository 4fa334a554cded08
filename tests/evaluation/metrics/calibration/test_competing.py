import numpy as np
import pytest

from evaluation.bootstrap import bootstrap_counts
from evaluation.metrics.calibration.at_horizon import (
    grouped_calibration,
    replicate_observed_expected,
)
from evaluation.statistics.competing_incidence import incidence_by_cause
from features.outcome import Outcome


def cohort(seed, n=3000):
    """Two exponential causes with known hazards, and the true cumulative incidence by month 6."""
    generator = np.random.default_rng(seed)
    event_hazard = np.exp(generator.normal(-2.5, 0.7, n))
    other_hazard = 0.08
    total = event_hazard + other_hazard
    latent = generator.exponential(1 / total)
    is_event = generator.uniform(size=n) < event_hazard / total
    censored = generator.uniform(0, 30, n)
    seen = latent <= censored
    outcome = Outcome(np.minimum(latent, censored), seen & is_event, competing=seen & ~is_event)
    return outcome, event_hazard / total * -np.expm1(-6 * total), -np.expm1(-6 * event_hazard)


def observed_expected(outcome, incidence):
    return replicate_observed_expected(outcome, incidence, 6, np.ones((1, len(outcome))))[0]


def test_the_true_incidence_is_calibrated_and_the_naive_risk_is_not():
    outcome, incidence, naive = cohort(0)
    assert observed_expected(outcome, incidence) == pytest.approx(1, abs=0.08)
    # Exp(-hazard) alone forgets that a competing event prevents the event: it promises too many.
    assert observed_expected(outcome, naive) < 0.85


def test_aalen_johansen_as_the_prediction_is_calibrated_in_the_large():
    outcome, _, _ = cohort(1, n=200)
    observed = incidence_by_cause(outcome, [6])["estimate"].iloc[0]
    everyone = np.full(200, observed)
    assert observed_expected(outcome, everyone) == pytest.approx(1)


def test_replicates_equal_the_resampled_cohort():
    outcome, incidence, _ = cohort(2, n=100)
    counts = bootstrap_counts(100, 3, 0)
    for row, value in zip(
        counts, replicate_observed_expected(outcome, incidence, 6, counts), strict=True
    ):
        rows = np.repeat(np.arange(100), row)
        assert value == pytest.approx(observed_expected(outcome.take(rows), incidence[rows]))


def test_groups_cover_everybody_and_their_intervals_hold_the_truth():
    outcome, incidence, _ = cohort(3)
    groups = grouped_calibration(outcome, incidence, 6, groups=5)
    assert groups["n"].sum() == len(outcome)
    assert (groups["expected"].diff().dropna() > 0).all()
    inside = (groups["ci_low"] < groups["expected"]) & (groups["expected"] < groups["ci_high"])
    assert inside.sum() >= 4


def test_a_group_without_follow_up_is_missing_with_the_reason():
    outcome = Outcome([1, 2, 8, 9], [1, 0, 0, 1], competing=[0, 0, 1, 0])
    groups = grouped_calibration(outcome, np.array([0.1, 0.1, 0.8, 0.8]), 5, groups=2)
    assert np.isnan(groups["observed"].iloc[0])
    assert "beyond the follow-up" in groups["note"].iloc[0]
    assert groups["observed"].iloc[1] == 0


def test_bad_input_is_refused():
    outcome, incidence, _ = cohort(4, n=20)
    with pytest.raises(ValueError, match="one value a patient"):
        observed_expected(outcome, incidence[:3])
    with pytest.raises(ValueError, match="not scores"):
        observed_expected(outcome, incidence + 2)
    incidence[0] = np.nan
    assert np.isnan(observed_expected(outcome, incidence))
    with pytest.raises(ValueError, match="NaN"):
        grouped_calibration(outcome, incidence, 6)
