import greenwood
import numpy as np
import pytest

from evaluation.metrics.auc import replicate_auc
from evaluation.metrics.brier import brier_losses
from evaluation.metrics.discrimination import uno_c
from evaluation.statistics.censoring import censoring_weights, fit_censoring
from evaluation.statistics.conditional_censoring import fit_censoring_by_group, fit_censoring_cox
from features.outcome import Outcome

#                      A  B  C  D  E  F  G  H
COHORT = Outcome(time=[1, 2, 2, 3, 4, 5, 1, 6], event=[1, 1, 0, 0, 1, 0, 0, 1])
ARM = np.array(["HMA"] * 6 + ["LDAC"] * 2)


def cohort(seed, n=200, ties=False):
    """Censoring depends on the first covariate; the second does nothing."""
    generator = np.random.default_rng(seed)
    covariates = generator.normal(size=(n, 2))
    latent = generator.exponential(12, n)
    censored = generator.exponential(15 * np.exp(-covariates[:, 0]))
    time = np.minimum(latent, censored)
    return Outcome(np.ceil(time) if ties else time, latent <= censored), covariates


def test_each_group_has_the_distribution_of_its_own_patients():
    outcome, covariates = cohort(0, ties=True)
    arm = np.where(covariates[:, 0] > 0, "a", "b")
    ours = fit_censoring_by_group(outcome, arm)
    times = np.array([0.0, 3, 7.5])
    for label in ("a", "b"):
        members = arm == label
        alone = fit_censoring(outcome.take(members))
        assert (ours.at(times)[members] == alone.at(times)).all()
        assert (ours.before(outcome.time)[members] == alone.before(outcome.time[members])).all()


def test_by_hand():
    censoring = fit_censoring_by_group(COHORT, ARM)
    # HMA: 3/4 from 2, 1/2 from 3, 0 from 5. LDAC: G leaves at 1, one of two: 1/2, to its end at 6.
    assert censoring.inverse_before(COHORT.time).tolist() == pytest.approx(
        [1, 1, 1, 4 / 3, 2, 2, 1, 2]
    )
    assert censoring.at([3.5])[:, 0].tolist() == [0.5] * 8
    # HMA is not followed beyond 5 months, LDAC is.
    assert np.isnan(censoring.inverse_at([5.5])[:, 0]).tolist() == [True] * 6 + [False] * 2


def test_a_group_whose_last_patient_had_the_event_needs_nobody_beyond():
    outcome = Outcome([1, 2, 3, 4, 9], [0, 1, 1, 0, 1])
    weights = censoring_weights(outcome, [5], fit_censoring_by_group(outcome, [0, 0, 0, 1, 1]))
    # Group 0: censored at 1, G = 2/3; its two events weigh 3/2 each. Group 1: 9 stands for both.
    assert weights[:, 0].tolist() == pytest.approx([0, 1.5, 1.5, 0, 2])


def test_one_group_is_the_distribution_of_all():
    outcome, covariates = cohort(1, ties=True)
    score = covariates[:, 0]
    survival = np.clip(0.5 + 0.1 * covariates, 0, 1)
    one = fit_censoring_by_group(outcome, np.zeros(len(outcome)))
    assert uno_c(outcome, score, 9, censoring=one) == uno_c(outcome, score, 9)
    np.testing.assert_array_equal(
        brier_losses(outcome, survival, [4, 9], one), brier_losses(outcome, survival, [4, 9])
    )
    np.testing.assert_array_equal(
        replicate_auc(outcome, score, [4, 9], censoring=one), replicate_auc(outcome, score, [4, 9])
    )


def test_a_group_that_is_lost_makes_the_score_unknown_and_not_too_good():
    # At 5.5 nobody of HMA is left to make up for C, D and F.
    weights = censoring_weights(COHORT, [4.5, 5.5], fit_censoring_by_group(COHORT, ARM))
    assert weights[:, 0].tolist() == pytest.approx([1, 1, 0, 0, 2, 2, 0, 2])
    assert weights[:6, 0].sum() == pytest.approx(6)
    assert np.isnan(weights[:, 1]).tolist() == [False, False, True, True, False, True, False, False]
    by_arm = fit_censoring_by_group(COHORT, ARM)
    score = brier_losses(COHORT, np.full((8, 2), 0.5), [4.5, 5.5], by_arm).mean(axis=0)
    assert np.isnan(score).tolist() == [False, True]


def test_cox_without_ties_is_greenwoods_breslow_estimate():
    outcome, covariates = cohort(2)
    ours = fit_censoring_cox(outcome, covariates)
    censored = greenwood.Surv(outcome.time, event=(~outcome.event).astype(int))
    expected = greenwood.CoxPH(ties="breslow").fit(censored, covariates)
    times = [2.0, 5.0, 11.0]
    ratio = np.exp(covariates @ expected.coef_)
    leaving = np.sort(outcome.time[~outcome.event])
    steps = np.array([1 / ratio[outcome.time >= t].sum() for t in leaving])
    hazard = [steps[leaving <= time].sum() for time in times]
    np.testing.assert_allclose(ours.at(times), np.exp(-np.outer(ratio, hazard)), rtol=1e-6)


def test_cox_takes_events_first_at_ties():
    # At 2 the event B has left before C is censored: nobody but C, D, E, F are at risk, as in
    # Kaplan-Meier. A covariate that is balanced in every risk set has no effect.
    outcome = Outcome([1, 1, 2, 2], [1, 1, 0, 0])
    censoring = fit_censoring_cox(outcome, np.array([[0.0], [1.0], [0.0], [1.0]]))
    # Two tied censorings of two at risk: Efron's hazard is 1/2 + 1/1.
    assert censoring.at([1.5, 2]).tolist() == [pytest.approx([1, np.exp(-1.5)])] * 4
    assert censoring.before(outcome.time).tolist() == [1, 1, 1, 1]


def test_cox_finds_the_covariate_that_drives_censoring():
    outcome, covariates = cohort(3, n=3000)
    weights = censoring_weights(outcome, [10], fit_censoring_cox(outcome, covariates))[:, 0]
    # The latent event time does not depend on the covariates, so the weighted share is 1 - e^-10/12
    # in both halves; the marginal weights are off there.
    low = covariates[:, 0] < 0
    marginal = censoring_weights(outcome, [10])[:, 0]
    had_event = outcome.event & (outcome.time <= 10)
    truth = -np.expm1(-10 / 12)
    for half in (low, ~low):
        assert (weights * had_event)[half].sum() / half.sum() == pytest.approx(truth, abs=0.05)
        assert abs((marginal * had_event)[half].sum() / half.sum() - truth) > 0.08


def test_nobody_censored_weighs_nothing():
    censoring = fit_censoring_cox(Outcome([1, 2, 3], [1, 1, 1]), np.ones((3, 1)))
    assert censoring.inverse_before([1, 2, 3]).tolist() == [1, 1, 1]


def test_no_finite_estimate_is_unknown_and_not_ignored():
    outcome, covariates = cohort(4)
    censoring = fit_censoring_cox(outcome, np.ones((len(outcome), 1)))
    assert np.isnan(uno_c(outcome, covariates[:, 0], 9, censoring=censoring))
    assert np.isnan(replicate_auc(outcome, covariates[:, 0], [9], censoring=censoring)).all()


def test_wrong_arguments_are_named():
    with pytest.raises(ValueError, match="group has shape"):
        fit_censoring_by_group(COHORT, ["HMA"])
    with pytest.raises(ValueError, match="one time for each of the 8"):
        fit_censoring_by_group(COHORT, ARM).before([1.0, 2.0])
    nobody = Outcome(np.zeros(0), np.zeros(0, dtype=bool))
    for fit in (fit_censoring_by_group, fit_censoring_cox):
        with pytest.raises(ValueError, match="no patient"):
            fit(nobody, np.zeros((0,)))
