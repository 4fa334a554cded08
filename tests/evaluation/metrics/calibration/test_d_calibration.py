import numpy as np
import pytest
from scipy.stats import chi2

from evaluation.bootstrap import bootstrap_counts
from evaluation.metrics.calibration.d_calibration import (
    d_calibration,
    d_calibration_contributions,
    d_calibration_test,
)
from features.outcome import Outcome


def uniform_cohort(seed, n=2000):
    """Survival at the event is uniform; censoring comes at a survival drawn on its own."""
    generator = np.random.default_rng(seed)
    at_event, at_censoring = generator.uniform(size=n), generator.uniform(-0.5, 1, n)
    event = at_event >= at_censoring
    survival = np.maximum(np.maximum(at_event, at_censoring), 0)
    return Outcome(-np.log(np.maximum(survival, 1e-9)), event), survival


def test_contributions_by_hand():
    # Four bins of width 1/4. Event at 0.3: second bin; at 1: the last; at 0.5: closed on the left.
    # Censored at 0.6: 0.1 of 0.6 in its own bin, 0.25 of 0.6 in each below. At 0: the lowest.
    outcome = Outcome(np.ones(5), [1, 1, 1, 0, 0])
    filled = d_calibration_contributions(outcome, np.array([0.3, 1, 0.5, 0.6, 0]), 4)
    spread = [25 / 60, 25 / 60, 10 / 60, 0]
    expected = [[0, 1, 0, 0], [0, 0, 0, 1], [0, 0, 1, 0], spread, [1, 0, 0, 0]]
    np.testing.assert_allclose(filled, expected, atol=1e-12)


def test_statistic_by_hand():
    # Two bins, four events: 3 and 1 against 2 and 2: 1/2 + 1/2 = 1 on one degree of freedom.
    outcome = Outcome(np.ones(4), np.ones(4))
    test = d_calibration_test(outcome, np.array([0.1, 0.2, 0.3, 0.9]), bins=2)
    assert (test.chi_square, test.degrees_of_freedom) == (pytest.approx(1), 1)
    assert test.p_value == pytest.approx(chi2.sf(1, 1))
    assert test.note == "fewer than 5 patients expected a bin"


def test_every_patient_counts_once():
    outcome, survival = uniform_cohort(0)
    contributions = d_calibration_contributions(outcome, survival)
    np.testing.assert_allclose(contributions.sum(axis=1), 1)
    table = d_calibration(outcome, survival)
    assert table["estimate"].sum() == pytest.approx(1)
    assert table["n"].sum() == pytest.approx(len(outcome))


def test_the_truth_is_uniform_and_a_wrong_prediction_is_not():
    outcome, survival = uniform_cohort(1)
    assert d_calibration_test(outcome, survival).p_value > 0.05
    assert d_calibration_test(outcome, survival**2).p_value < 1e-6
    # Predicted survival too high: the low bins, of late events, stay empty.
    table = d_calibration(outcome, np.sqrt(survival))
    assert table["estimate"].iloc[0] < 0.05 < 0.12 < table["estimate"].iloc[-1]


def test_order_and_doubling_leave_the_shares():
    outcome, survival = uniform_cohort(2, n=100)
    expected = d_calibration(outcome, survival)["estimate"]
    order = np.random.default_rng(0).permutation(100)
    for rows in (order, np.repeat(order, 2)):
        ours = d_calibration(outcome.take(rows), survival[rows])["estimate"]
        np.testing.assert_allclose(ours, expected)


def test_intervals_are_those_of_the_drawn_patients():
    outcome, survival = uniform_cohort(3, n=80)
    count = bootstrap_counts(80, 1, seed=1)
    drawn = np.repeat(np.arange(80), count[0])
    expected = d_calibration(outcome.take(drawn), survival[drawn])["estimate"]
    np.testing.assert_allclose(d_calibration(outcome, survival, count)["ci_low"], expected)


def test_what_cannot_be_had_is_missing_with_a_reason():
    outcome, survival = uniform_cohort(4, n=50)
    survival[3] = np.nan
    test = d_calibration_test(outcome, survival)
    assert np.isnan([test.chi_square, test.p_value]).all()
    assert test.note == "prediction is missing for 1 of 50 patients"
    table = d_calibration(outcome, survival)
    assert table["estimate"].isna().all()
    assert (table["note"] == test.note).all()
    censored = Outcome([1, 2], [0, 0])
    assert d_calibration_test(censored, np.array([0.2, 0.9])).note == "no event"


def test_wrong_arguments_are_named():
    outcome, survival = uniform_cohort(5, n=10)
    with pytest.raises(ValueError, match="survival has shape"):
        d_calibration(outcome, survival[:4])
    with pytest.raises(ValueError, match="not risk scores"):
        d_calibration(outcome, 2 + survival)
