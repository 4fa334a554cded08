import numpy as np
import pytest

from evaluation.auc import auc_table, replicate_auc
from evaluation.brier import brier_score
from evaluation.influence import (
    INFLUENCE_METHOD,
    auc_standard_errors,
    brier_standard_errors,
    weighting_influence,
)
from features.outcome import Outcome

TIMES = np.array([3.0, 8.0])


def cohort(seed, n=150, ties=False):
    generator = np.random.default_rng(seed)
    rate = np.exp(generator.normal(-2.2, 0.8, n))
    latent, censored = generator.exponential(1 / rate), generator.uniform(0, 15, n)
    time = np.minimum(latent, censored)
    outcome = Outcome(np.ceil(time) if ties else time, latent <= censored)
    return outcome, np.exp(-rate[:, None] * TIMES)


def jackknife(estimate, n):
    """Standard error from leaving each patient out: it needs no influence function."""
    left_out = np.array([estimate(np.delete(np.arange(n), i)) for i in range(n)])
    return np.sqrt((n - 1) / n * ((left_out - left_out.mean(axis=0)) ** 2).sum(axis=0))


@pytest.mark.parametrize("ties", [False, True])
def test_near_the_jackknife_that_fits_the_weights_anew(ties):
    # Both are first-order; they agree to some percent at n = 150.
    outcome, survival = cohort(0, ties=ties)
    expected = jackknife(
        lambda rows: brier_score(outcome.take(rows), survival[rows], TIMES)["brier"].to_numpy(),
        len(outcome),
    )
    np.testing.assert_allclose(brier_standard_errors(outcome, survival, TIMES), expected, rtol=0.04)
    expected = jackknife(
        lambda rows: replicate_auc(outcome.take(rows), 1 - survival[rows], TIMES)[0], len(outcome)
    )
    ours = auc_standard_errors(outcome, 1 - survival, TIMES)
    np.testing.assert_allclose(ours, expected, rtol=0.04)


def test_without_censoring_it_is_the_error_of_a_mean():
    outcome = Outcome([1, 2, 4, 5], [1, 1, 1, 1])
    survival = np.array([[0.2], [0.5], [0.7], [0.9]])
    # Losses 0.04, 0.25, 0.09, 0.01 at 3 months.
    expected = np.std([0.04, 0.25, 0.09, 0.01], ddof=1) / 2
    assert brier_standard_errors(outcome, survival, [3])[0] == pytest.approx(expected)
    assert weighting_influence(outcome, np.ones(4), 3).tolist() == [0, 0, 0, 0]


def test_weights_by_hand():
    # B is censored at 2 with C and D at risk beyond, A had the event. H(2) = (c + d) / 4 and
    # pi(2) = 3/4: B gets H / pi, and B, C and D lose H / pi x 1/3 each.
    outcome = Outcome([1, 2, 3, 4], [1, 0, 1, 1])
    ratio = (1.5 + 3) / 4 / (3 / 4)
    influence = weighting_influence(outcome, np.array([9, 0, 1.5, 3]), 3.5)
    expected = [0, ratio - ratio / 3, -ratio / 3, -ratio / 3]
    np.testing.assert_allclose(influence, expected)
    assert influence.sum() == pytest.approx(0)


def test_order_does_not_matter_and_four_times_the_patients_halve_the_error():
    outcome, survival = cohort(1, ties=True)
    errors = auc_standard_errors(outcome, 1 - survival, TIMES)
    order = np.random.default_rng(0).permutation(len(outcome))
    ours = auc_standard_errors(outcome.take(order), 1 - survival[order], TIMES)
    np.testing.assert_allclose(ours, errors)
    rows = np.repeat(np.arange(len(outcome)), 4)
    ours = auc_standard_errors(outcome.take(rows), 1 - survival[rows], TIMES)
    np.testing.assert_allclose(ours, errors / 2, rtol=0.01)


def test_a_table_without_replicates_has_this_interval_and_names_it():
    outcome, survival = cohort(2)
    table = auc_table(outcome, 1 - survival, TIMES)
    errors = auc_standard_errors(outcome, 1 - survival, TIMES)
    np.testing.assert_allclose(table["ci_high"] - table["ci_low"], 2 * 1.959964 * errors, rtol=1e-6)
    assert table["ci_method"].tolist() == [INFLUENCE_METHOD] * 2
    # A score of one column serves every time.
    score = 1 - survival[:, 0]
    both = auc_standard_errors(outcome, np.column_stack([score, score]), TIMES)
    assert auc_standard_errors(outcome, score, TIMES).tolist() == both.tolist()


def test_what_cannot_be_had_is_missing():
    outcome, survival = cohort(3)
    far = [0.0, outcome.follow_up + 1]
    assert np.isnan(auc_standard_errors(outcome, survival[:, 0], far)).all()
    missing = np.where(np.arange(len(outcome)) == 1, np.nan, survival[:, 0])
    assert np.isnan(auc_standard_errors(outcome, missing, [3])).all()
    assert np.isnan(brier_standard_errors(outcome, missing[:, None], [3])).all()
    assert np.isnan(brier_standard_errors(Outcome([5], [1]), np.array([[0.5]]), [3])).all()
