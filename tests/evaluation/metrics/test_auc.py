import numpy as np
import pytest
from sksurv.metrics import cumulative_dynamic_auc
from sksurv.util import Surv

from evaluation.bootstrap import bootstrap_counts
from evaluation.metrics.auc import replicate_auc
from evaluation.metrics.over_time import mean_over_time
from evaluation.statistics.censoring import fit_censoring
from features.outcome import Outcome

#                      A  B  C  D  E  F
COHORT = Outcome(time=[1, 2, 2, 3, 4, 5], event=[1, 1, 0, 0, 1, 0])
RISK = np.array([5, 3, 2, 3, 3, 4.0])


def random_cohort(seed, n=150, ties=False):
    generator = np.random.default_rng(seed)
    score = generator.normal(size=n)
    latent = generator.exponential(10 * np.exp(-score))
    censored = generator.uniform(0, 40, n)
    time = np.minimum(latent, censored)
    outcome = Outcome(np.ceil(time) if ties else time, latent <= censored)
    return outcome, np.round(score, 1) if ties else score


def test_by_hand():
    # At 3.5: cases A and B, weights 1; controls E and F, weights 1 / G(3.5) = 2 each. C and D are
    # censored by then: neither. A beats both; B ties with E and loses to F.
    # (2 + 2 + 2 / 2) / (2 x 4) = 5/8.
    assert replicate_auc(COHORT, RISK, [3.5])[0, 0] == pytest.approx(5 / 8)
    # At 4.5 E is a case of weight 1 / G(4-) = 2, F the only control: A wins, B and E lose.
    assert replicate_auc(COHORT, RISK, [4.5])[0, 0] == pytest.approx(1 / 4)


def test_a_patient_censored_at_the_time_itself_is_neither_case_nor_control():
    # At 2: cases A, B; controls D, E, F (C is censored at 2). A beats 3; B ties 2, loses 1.
    assert replicate_auc(COHORT, RISK, [2])[0, 0] == pytest.approx((3 + 1) / 6)


def test_only_pairs_of_a_group_are_compared():
    # At 3.5 group 1 holds A, B and E: A wins, B ties. Group 2 holds F alone of either.
    group = ["1", "1", "2", "2", "1", "2"]
    assert replicate_auc(COHORT, RISK, [3.5], group=group)[0, 0] == pytest.approx(3 / 4)
    separate = ["1", "1", "2", "2", "2", "2"]
    assert np.isnan(replicate_auc(COHORT, RISK, [3.5], group=separate)[0, 0])


@pytest.mark.parametrize("seed", range(3))
def test_equals_scikit_survival_without_ties(seed):
    # With tied event and censoring times its weights are 1 / G(T), ours 1 / G(T-) as R's.
    outcome, score = random_cohort(seed)
    times = np.array([2.0, 5, 9, 14])
    target = Surv.from_arrays(outcome.event, outcome.time)
    each, _ = cumulative_dynamic_auc(target, target, score, times)
    ours = replicate_auc(outcome, score, times)
    np.testing.assert_allclose(ours[0], each)


def test_a_column_a_time_is_the_same_as_each_time_alone():
    outcome, score = random_cohort(4, ties=True)
    markers = np.column_stack([score, -score, score**2])
    together = replicate_auc(outcome, markers, [3, 6, 9])[0]
    alone = [replicate_auc(outcome, markers[:, i], [t])[0, 0] for i, t in enumerate([3, 6, 9])]
    assert together.tolist() == alone


@pytest.mark.parametrize("ties", [False, True])
def test_a_replicate_is_the_cohort_of_the_drawn_patients(ties):
    outcome, score = random_cohort(5, ties=ties)
    counts = bootstrap_counts(len(outcome), 4, seed=1)
    ours = replicate_auc(outcome, score, [3, 8], counts)
    for count, row in zip(counts, ours, strict=True):
        drawn = np.repeat(np.arange(len(outcome)), count)
        # Weights for censoring are held fixed: those of the cohort.
        censoring = fit_censoring(outcome)
        expected = replicate_auc(outcome.take(drawn), score[drawn], [3, 8], censoring=censoring)
        np.testing.assert_allclose(row, expected[0])


def test_order_doubling_and_scale_do_not_matter_and_reversal_is_the_complement():
    outcome, score = random_cohort(6, ties=True)
    expected = replicate_auc(outcome, score, [3, 8])
    order = np.random.default_rng(0).permutation(len(score))
    for rows in (order, np.repeat(order, 2)):
        ours = replicate_auc(outcome.take(rows), score[rows], [3, 8])
        np.testing.assert_allclose(ours, expected)
    np.testing.assert_array_equal(replicate_auc(outcome, np.exp(score) * 1e-9, [3, 8]), expected)
    np.testing.assert_allclose(replicate_auc(outcome, -score, [3, 8]), 1 - expected)


def test_everyone_alike_is_one_half_and_the_truth_without_censoring_is_one():
    outcome, _ = random_cohort(7)
    assert replicate_auc(outcome, np.zeros(len(outcome)), [5])[0, 0] == 0.5
    complete = Outcome([1, 2, 3, 4], [1, 1, 1, 1])
    assert replicate_auc(complete, [4, 3, 2, 1], [1, 2.5]).tolist() == [[1, 1]]


def test_integral_by_hand():
    auc = np.array([[0.6, 0.8, 0.7]])
    # Trapezoid: (0.7 x 1 + 0.75 x 2) / 3.
    assert mean_over_time(auc, [1, 2, 4]) == pytest.approx(2.2 / 3)
    assert np.isnan(mean_over_time(np.array([0.6, np.nan]), [1, 2]))


def test_what_cannot_be_had_is_missing():
    # No event yet; nobody followed beyond; beyond follow-up; a marker missing.
    auc = replicate_auc(COHORT, RISK, [0.5, 3.5, 5, 6])[0]
    assert np.isnan(auc).tolist() == [True, False, True, True]
    assert np.isnan(replicate_auc(COHORT, np.append(RISK[:5], np.nan), [3.5])).all()


def test_unsorted_times_and_wrong_shapes_are_refused():
    with pytest.raises(ValueError, match="times must be"):
        replicate_auc(COHORT, RISK, [3, 2])
    with pytest.raises(ValueError, match="marker has shape"):
        replicate_auc(COHORT, RISK[:4], [3])
    with pytest.raises(ValueError, match="counts has shape"):
        replicate_auc(COHORT, RISK, [3], np.ones((2, 5)))
    with pytest.raises(ValueError, match="group has shape"):
        replicate_auc(COHORT, RISK, [3], group=[1])
    with pytest.raises(ValueError, match="at least two"):
        mean_over_time(np.ones((1, 1)), [1])
