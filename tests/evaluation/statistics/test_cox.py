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


def cohort(seed, n=150, ties=False):
    generator = np.random.default_rng(seed)
    covariates = generator.normal(size=(n, 3)) * [1, 8, 0.3] + [0, 60, 5]
    score = covariates @ [0.5, 0.05, -1.0]
    latent = generator.exponential(10 * np.exp(-(score - score.mean())))
    censored = generator.uniform(0, 40, n)
    time = np.minimum(latent, censored)
    return Outcome(np.ceil(time) if ties else time, latent <= censored), covariates


@pytest.mark.parametrize("ties", ["efron", "breslow"])
def test_equals_greenwood_with_tied_times(ties):
    outcome, covariates = cohort(0, ties=True)
    expected = gw.CoxPH(ties=ties).fit(gw.Surv(outcome.time, event=outcome.event), covariates)
    fit = CoxFit.fit(outcome, covariates, ties=ties)
    assert fit.coef == pytest.approx(expected.coef_, abs=1e-8)
    errors = np.sqrt(np.diag(fit.covariance))
    assert errors == pytest.approx(expected.std_error_, rel=1e-6)


def test_weights_equal_greenwoods_without_ties():
    outcome, covariates = cohort(1)
    counts = np.random.default_rng(1).integers(0, 4, size=(3, len(outcome)))
    fits = CoxFit.fit(outcome, covariates, counts)
    for count, coef in zip(counts, fits.coef, strict=True):
        drawn = count > 0
        # Without ties both likelihoods are the same. greenwood 0.8 with ties="efron" and weights
        # gives other coefficients here, unlike its own fit of the repeated patients.
        expected = gw.CoxPH(ties="breslow").fit(
            gw.Surv(outcome.time[drawn], event=outcome.event[drawn]),
            covariates[drawn],
            weights=count[drawn].astype(float),
        )
        assert coef == pytest.approx(expected.coef_, abs=1e-7)


def test_baseline_hazard_by_hand():
    # Events at 1 of x = 1 and of x = 0, both at risk with x = 0 and x = 1: no effect fits best.
    # Four at risk, two tied events: Breslow 2/4, Efron 1/4 + 1/3 (the second time half of each
    # tied event is gone). Then one of two at 3.
    outcome = Outcome([1, 1, 3, 4], [1, 1, 1, 1])
    covariate = np.array([[1.0], [0.0], [1.0], [0.0]])
    breslow = CoxFit.fit(outcome, covariate, times=[0.5, 1, 3.5], ties="breslow")
    # Gradient at b, r = exp(b): 1 - 2 r / (1 + r) + 1 - r / (1 + r) = 0, so r = 2.
    ratio = 2.0
    assert breslow.coef[0] == pytest.approx(np.log(ratio))
    expected = np.array([0, 2 / (2 * ratio + 2), 2 / (2 * ratio + 2) + 1 / (ratio + 1)])
    # The baseline of z lies where z = 0, at the mean x = 1/2.
    np.testing.assert_allclose(breslow.hazard, expected * np.sqrt(ratio))
    efron = CoxFit.fit(outcome, covariate, times=[1], ties="efron")
    share = np.exp(efron.coef[0])
    # Half of each tied event is gone the second time: r + 1 + (r + 1) / 2.
    by_hand = 1 / (2 * share + 2) + 1 / (1.5 * (share + 1))
    assert efron.hazard[0] == pytest.approx(by_hand * np.sqrt(share))


def test_no_finite_estimate_is_nan():
    outcome, covariates = cohort(2)
    no_event = Outcome(outcome.time, np.zeros(len(outcome), dtype=bool))
    constant = np.column_stack([covariates[:, 0], np.ones(len(outcome))])
    repeated = covariates[:, [0, 0]]
    separated = -outcome.time[:, None]
    for case in (
        CoxFit.fit(no_event, covariates, times=[3]),
        CoxFit.fit(outcome, constant, times=[3]),
        CoxFit.fit(outcome, repeated, times=[3]),
        CoxFit.fit(Outcome(outcome.time, np.ones(len(outcome))), separated, times=[3]),
    ):
        assert np.isnan(case.coef).all()
        assert np.isnan(case.hazard).all()


def test_wrong_arguments_are_named():
    outcome, covariates = cohort(3)
    with pytest.raises(ValueError, match="columns has shape"):
        CoxFit.fit(outcome, covariates[:, 0])
    with pytest.raises(ValueError, match="hold NaN"):
        CoxFit.fit(outcome, np.full((len(outcome), 1), np.nan))
    with pytest.raises(ValueError, match="ties must be"):
        CoxFit.fit(outcome, covariates, ties="exact")


def test_a_stratum_without_events_tells_nothing():
    outcome, x = Outcome([1, 2, 4, 6, 3], [1, 1, 0, 0, 0]), np.array([[1.0], [0], [0], [1], [1]])
    both = CoxFit.fit(outcome, x, strata=[0, 0, 1, 1, 0])
    alone = CoxFit.fit(outcome.take([0, 1, 4]), x[[0, 1, 4]])
    np.testing.assert_allclose(both.coef, alone.coef)
    for name in ("score_residuals", "leverage"):
        np.testing.assert_allclose(getattr(both, name)[[2, 3]], 0)
    assert len(both.baseline[1].times) == 0
