"""The Cox model by hand, with late entry, against greenwood and R, and by construction."""

import greenwood as gw
import numpy as np
import pytest

from evaluation.statistics.cox import CoxFit
from evaluation.statistics.partial_likelihood import PartialLikelihood
from features.outcome import Outcome

# AML maintenance trial (Embury, Arch Intern Med 1977;137:1346), weeks; 1 is not maintained.
AML = Outcome(
    [9, 13, 13, 18, 23, 28, 31, 34, 45, 48, 161, 5, 5, 8, 8, 12, 16, 23, 27, 30, 33, 43, 45],
    [1, 1, 0, 1, 1, 0, 1, 1, 0, 1, 0, 1, 1, 1, 1, 1, 0, 1, 1, 1, 1, 1, 1],
)
AML_ARM = np.repeat([[0.0], [1.0]], [11, 12], axis=0)


@pytest.fixture(scope="module")
def late():
    """Tied times; half of the patients enter late, some at the time of an event."""
    rng = np.random.default_rng(6)
    X = rng.normal(size=(80, 2))
    time = rng.exponential(np.exp(-0.7 * X[:, 0]) * 8).round() + 1
    entry = np.where(rng.random(80) < 0.5, np.floor(time * rng.random(80)), 0)
    return Outcome(time, rng.random(80) < 0.8), X, rng.random(80) + 0.3, entry


def surv(outcome, entry):
    return gw.Surv(time=entry, time2=outcome.time, event=outcome.event)


def test_late_entry_by_hand():
    # A (x = 1) has the event at 2, B (0) at 3, C (1) at 4. With r = exp(b) and all there from the
    # start: r / (2r + 1) * 1 / (r + 1), largest where 2 r^2 = 1.
    outcome, x = Outcome([2, 3, 4], [1, 1, 1]), np.array([[1.0], [0.0], [1.0]])
    whole = CoxFit.fit(outcome, x)
    assert np.exp(whole.coef[0]) == pytest.approx(np.sqrt(0.5))
    # C enters at 2, so that he is not at risk at 2: r / (r + 1) * 1 / (r + 1), largest at r = 1.
    fit = CoxFit.fit(outcome, x, entry=[0, 0, 2])
    assert fit.coef[0] == pytest.approx(0, abs=1e-9)
    assert fit.log_likelihood == pytest.approx(2 * np.log(0.5))
    # Of A and B at 2, of B and C at 3: x (1 - x) twice with half of them at 1; of C alone nothing.
    assert fit.covariance[0, 0] == pytest.approx(2)
    # Hazard 1/2 at 2, 1/2 at 3, 1 at 4: A passes the first, B two, C those after he entered.
    (baseline,) = fit.baseline
    np.testing.assert_allclose(baseline.steps, [0.5, 0.5, 1])
    np.testing.assert_allclose(fit.martingale_residuals, [0.5, 0, -0.5], atol=1e-9)
    np.testing.assert_allclose(fit.schoenfeld.residuals[:, 0], [0.5, -0.5, 0], atol=1e-9)
    np.testing.assert_allclose(fit.schoenfeld.covariances[:, 0, 0], [0.25, 0.25, 0], atol=1e-9)
    # Score of A at 2: 1 - 1/2, less his hazard 1/2 times it. Of B: the same with 0 - 1/2 at 3,
    # and 1/2 * 1/2 for having been at risk at 2. Of C: -1/2 * 1/2 at 3.
    np.testing.assert_allclose(fit.score_residuals[:, 0], [0.25, 0, -0.25], atol=1e-9)


def test_a_cohort_of_whom_all_have_left_before_others_enter():
    # A (1) and B (0) as in a study of their own, C (0) and D (1) in another.
    outcome, x = Outcome([1, 2, 4, 6], [1, 1, 1, 1]), np.array([[1.0], [0.0], [0.0], [1.0]])
    late = CoxFit.fit(outcome, x, entry=[0, 0, 3, 3])
    apart = CoxFit.fit(outcome, x, strata=[0, 0, 1, 1])
    assert late.coef[0] == pytest.approx(apart.coef[0], abs=1e-9)
    assert late.log_likelihood == pytest.approx(2 * np.log(0.5))


@pytest.mark.parametrize("ties", ["efron", "breslow"])
def test_late_entry_matches_greenwood(late, ties):
    outcome, X, _, entry = late
    theirs = gw.CoxPH(ties=ties).fit(surv(outcome, entry), X)
    fit = CoxFit.fit(outcome, X, ties=ties, entry=entry)
    np.testing.assert_allclose(fit.coef, theirs.coef_, rtol=1e-8)
    np.testing.assert_allclose(fit.covariance, theirs.vcov_, rtol=1e-8)
    assert fit.log_likelihood == pytest.approx(theirs.loglik_, rel=1e-10)
    schoenfeld = np.asarray(theirs.residuals("schoenfeld", format="pandas"))
    np.testing.assert_allclose(fit.schoenfeld.residuals, schoenfeld, atol=1e-8)


def test_the_robust_variance_of_clusters_matches_greenwood(late):
    # Under Breslow's ties: greenwood 0.8 takes the residuals of Breslow's form under Efron's, too.
    outcome, X, _, entry = late
    patient = np.arange(80) // 2
    theirs = gw.CoxPH(ties="breslow").fit(surv(outcome, entry), X, cluster=patient)
    fit = CoxFit.fit(outcome, X, ties="breslow", entry=entry)
    np.testing.assert_allclose(fit.robust_covariance(patient), theirs.vcov_, rtol=1e-6)


@pytest.mark.parametrize("ties", ["efron", "breslow"])
def test_follow_up_cut_into_rows_is_the_same_model(late, ties):
    outcome, X, weights, _ = late
    cut = np.flatnonzero(outcome.time > 4)
    rows = np.concatenate([np.arange(80), cut])
    time, event = outcome.time.copy(), outcome.event.copy()
    time[cut], event[cut] = 4, False
    split = Outcome(np.append(time, outcome.time[cut]), np.append(event, outcome.event[cut]))
    entry = np.append(np.zeros(80), np.full(len(cut), 4.0))
    whole = CoxFit.fit(outcome, X, weights, ties=ties)
    fit = CoxFit.fit(split, X[rows], weights[rows], ties=ties, entry=entry)
    np.testing.assert_allclose(fit.coef, whole.coef, rtol=1e-9)
    np.testing.assert_allclose(fit.covariance, whole.covariance, rtol=1e-9)
    np.testing.assert_allclose(fit.robust_covariance(rows), whole.robust_covariance(), rtol=1e-9)
    for name in ("score_residuals", "martingale_residuals", "leverage"):
        summed = getattr(fit, name)[:80].copy()
        summed[cut] += getattr(fit, name)[80:]
        np.testing.assert_allclose(summed, getattr(whole, name), atol=1e-9)


@pytest.mark.parametrize("ties", ["efron", "breslow"])
def test_derivatives_by_the_weights_with_strata_and_late_entry(late, ties):
    outcome, X, weights, entry = late
    other = {"ties": ties, "strata": np.arange(80) % 2, "entry": entry}
    fit = CoxFit.fit(outcome, X, weights, **other)
    moved = weights + 1e-6 * np.eye(80)[::11]
    found = (CoxFit.fit(outcome, X, moved, **other).coef - fit.coef) / 1e-6
    np.testing.assert_allclose(found, fit.by_weight[::11], atol=1e-6)
    assert fit.leverage.sum() == pytest.approx(2)
    np.testing.assert_allclose(weights @ fit.score_residuals, 0, atol=1e-8)
    assert weights @ fit.martingale_residuals == pytest.approx(0, abs=1e-8)


def test_replicates_with_late_entry_are_fits_of_their_own(late):
    outcome, X, _, entry = late
    counts = np.random.default_rng(2).integers(0, 3, size=(3, 80))
    fits = CoxFit.fit(outcome, X, counts, entry=entry)
    for count, coef, covariance in zip(counts, fits.coef, fits.covariance, strict=True):
        drawn = count > 0
        alone = CoxFit.fit(outcome.take(drawn), X[drawn], count[drawn], entry=entry[drawn])
        np.testing.assert_allclose(coef, alone.coef, rtol=1e-8)
        np.testing.assert_allclose(covariance, alone.covariance, rtol=1e-6)


@pytest.mark.parametrize("ties", ["efron", "breslow"])
def test_score_and_information_are_derivatives_of_the_likelihood(late, ties):
    outcome, X, weights, entry = late
    model = PartialLikelihood(outcome, X, weights, ties, np.arange(80) % 3, entry)
    coef = np.array([0.4, -0.2])
    found, h = model.at(coef), 1e-5
    for j, step in enumerate(h * np.eye(2)):
        up, down = model.at(coef + step), model.at(coef - step)
        assert found.score[j] == pytest.approx((up.value - down.value) / (2 * h), abs=1e-6)
        slope = (down.score - up.score) / (2 * h)
        np.testing.assert_allclose(found.information[j], slope, atol=1e-6)


@pytest.mark.parametrize(
    ("ties", "coef", "error", "log_likelihood", "at_none"),
    [
        # R 4.2.2, survival 3.5.3: coxph(Surv(time, status) ~ x, aml, ties = ...)
        ("efron", 0.915532575, 0.5119342752, -41.0326156, -42.72483926),
        ("breslow", 0.9042197237, 0.5122479073, -41.25011435, -42.8981239),
    ],
)
def test_matches_r(ties, coef, error, log_likelihood, at_none):
    fit = CoxFit.fit(AML, AML_ARM, ties=ties)
    assert fit.coef[0] == pytest.approx(coef, abs=1e-6)
    assert np.sqrt(fit.covariance[0, 0]) == pytest.approx(error, abs=1e-6)
    assert fit.log_likelihood == pytest.approx(log_likelihood, abs=1e-6)
    none = PartialLikelihood(AML, AML_ARM, ties=ties).at(np.zeros(1))
    assert none.value == pytest.approx(at_none, abs=1e-6)


def test_months_of_entry_are_one_time_as_the_outcomes_are():
    # 0.1 + 0.2 months is the time of an event at 0.3, and its patient is not yet at risk then.
    outcome, x = Outcome([0.3, 0.4, 0.5], [1, 1, 1]), np.array([[1.0], [0.0], [1.0]])
    assert CoxFit.fit(outcome, x, entry=[0, 0, 0.1 + 0.2]).coef[0] == pytest.approx(0, abs=1e-9)


@pytest.mark.parametrize("entry", [[0, 0, 4], [0, -1, 0], [0, 0, 5]])
def test_an_entry_that_is_not_before_the_time_is_refused(entry):
    with pytest.raises(ValueError, match="entry must be at least 0"):
        CoxFit.fit(Outcome([2, 3, 4], [1, 1, 1]), np.ones((3, 1)), entry=entry)


def test_what_does_not_go_together_is_refused():
    outcome, x = Outcome([1, 2, 3], [1, 1, 1]), np.array([[0.0], [1.0], [1.0]])
    with pytest.raises(ValueError, match="one stratum"):
        CoxFit.fit(outcome, x, times=[1], strata=[0, 0, 1])
    with pytest.raises(ValueError, match="for one cohort"):
        CoxFit.fit(outcome, x, np.ones((2, 3)), drop_alike=True)
