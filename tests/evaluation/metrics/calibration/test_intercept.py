import numpy as np
import pytest

from evaluation.bootstrap import bootstrap_counts
from evaluation.metrics.calibration.at_horizon import complementary_log_log, observed_expected
from evaluation.metrics.calibration.intercept import replicate_intercepts_at_horizon
from evaluation.statistics.kaplan_meier import survival_at
from features.outcome import Outcome

COHORT = Outcome(time=[1, 2, 2, 3, 4, 5], event=[1, 1, 0, 0, 1, 0])


def intercept_at_horizon(outcome, risk, horizon):
    return replicate_intercepts_at_horizon(outcome, risk, horizon, np.ones((1, len(outcome))))[0]


def exponential_cohort(seed, n=300):
    generator = np.random.default_rng(seed)
    rate = np.exp(generator.normal(-2.5, 0.8, n))
    latent, censored = generator.exponential(1 / rate), generator.uniform(0, 40, n)
    return Outcome(np.minimum(latent, censored), latent <= censored), rate


def test_at_a_horizon_by_hand():
    # Kaplan-Meier at 3.5: 1/3 observed. Everyone predicted p: (1 - p)^exp(a) = 2/3.
    result = intercept_at_horizon(COHORT, np.full(6, 0.2), 3.5)
    assert result == pytest.approx(np.log(np.log(2 / 3) / np.log(0.8)))


def test_kaplan_meier_as_the_prediction_needs_no_shift():
    outcome, _ = exponential_cohort(0)
    risk = np.full(len(outcome), 1 - survival_at(outcome, [6])["survival"].iloc[0])
    assert intercept_at_horizon(outcome, risk, 6) == pytest.approx(0, abs=1e-10)


def test_the_truth_needs_no_shift_within_error_and_a_shifted_truth_is_shifted_back():
    outcome, rate = exponential_cohort(1, n=3000)
    for shift in (0.0, 0.4):
        hazard = rate * np.exp(-shift)
        at_six = intercept_at_horizon(outcome, -np.expm1(-6 * hazard), 6)
        assert at_six == pytest.approx(shift, abs=0.1)


def test_a_shifted_prediction_is_calibrated_in_the_large():
    outcome, rate = exponential_cohort(2)
    risk = -np.expm1(-9 * rate)
    shift = intercept_at_horizon(outcome, risk, 6)
    recalibrated = -np.expm1(-np.exp(complementary_log_log(risk) + shift))
    assert observed_expected(outcome, recalibrated, 6).ratio == pytest.approx(1)


def test_replicates_are_those_of_the_drawn_patients():
    outcome, rate = exponential_cohort(3)
    counts = bootstrap_counts(len(outcome), 3, seed=1)
    risk = -np.expm1(-6 * rate)
    rows = [np.repeat(np.arange(len(outcome)), count) for count in counts]
    expected = [intercept_at_horizon(outcome.take(r), risk[r], 6) for r in rows]
    ours = replicate_intercepts_at_horizon(outcome, risk, 6, counts)
    np.testing.assert_allclose(ours, expected, atol=1e-9)


def test_what_cannot_be_had_is_missing():
    risk = np.full(6, 0.2)
    for horizon in (0.5, 6):  # no event yet; beyond follow-up
        assert np.isnan(intercept_at_horizon(COHORT, risk, horizon))
    assert np.isnan(intercept_at_horizon(Outcome([1, 2], [1, 1]), risk[:2], 3))
    assert np.isnan(intercept_at_horizon(COHORT, np.append(risk[:5], np.nan), 3.5))


def test_wrong_arguments_are_named():
    with pytest.raises(ValueError, match="not scores"):
        intercept_at_horizon(COHORT, np.full(6, 2.0), 3)
