"""The Cox model by hand, with late entry, against greenwood and R, and by construction."""

from pathlib import Path

import greenwood as gw
import numpy as np
import pandas as pd
import pytest

from evaluation.regimens.adjusted.design import adjustment_design
from evaluation.regimens.adjusted.propensity import balancing_weights, fit_propensity
from evaluation.statistics.cox import CoxFit
from evaluation.statistics.partial_likelihood import PartialLikelihood
from features.outcome import Outcome

SHARED = Path(__file__).parents[3].parent / "shared"

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


def fit_robust(outcome, columns, weights=None, ties="efron", strata=None):
    return CoxFit.fit(outcome, columns, weights, ties=ties, strata=strata, drop_alike=True)


@pytest.mark.parametrize("ties", ["efron", "breslow"])
def test_without_weights_it_is_greenwoods(late, ties):
    outcome, X, _, _ = late
    ours = fit_robust(outcome, X, ties=ties)
    theirs = gw.CoxPH(ties=ties).fit(gw.Surv(time=outcome.time, event=outcome.event), X)
    np.testing.assert_allclose(ours.coef, theirs.coef_, rtol=1e-8)
    np.testing.assert_allclose(np.sqrt(np.diag(ours.covariance)), theirs.std_error_, rtol=1e-8)


@pytest.mark.parametrize("ties", ["efron", "breslow"])
def test_derivatives_by_the_weights(late, ties):
    outcome, X, weights, _ = late
    strata = np.arange(80) % 2
    fit = fit_robust(outcome, X, weights, ties, strata)
    for patient in range(0, 80, 11):
        moved = weights.copy()
        moved[patient] += 1e-6
        other = fit_robust(outcome, X, moved, ties, strata)
        np.testing.assert_allclose(
            (other.coef - fit.coef) / 1e-6, fit.by_weight[patient], atol=1e-6
        )


@pytest.mark.parametrize("ties", ["efron", "breslow"])
def test_leverages_add_up_to_the_columns(late, ties):
    outcome, X, weights, _ = late
    assert fit_robust(outcome, X, weights, ties).leverage.sum() == pytest.approx(2)


def test_the_scale_of_the_weights_and_the_order_of_patients_change_nothing(late):
    outcome, X, weights, _ = late
    fit = fit_robust(outcome, X, weights)
    order = np.random.default_rng(1).permutation(80)
    other = fit_robust(outcome.take(order), X[order], 7 * weights[order])
    np.testing.assert_allclose(other.coef, fit.coef, rtol=1e-8)
    np.testing.assert_allclose(other.robust_covariance(), fit.robust_covariance(), rtol=1e-6)


def test_weights_are_repeated_patients_under_breslow(late):
    # Efron's correction counts repeated patients as ties and weighted ones as one.
    outcome, X, _, _ = late
    counts = np.arange(80) % 3
    rows = np.repeat(np.arange(80), counts)
    weighted = fit_robust(outcome, X, counts, "breslow")
    repeated = fit_robust(outcome.take(rows), X[rows], ties="breslow")
    np.testing.assert_allclose(weighted.coef, repeated.coef, rtol=1e-8)


def test_by_hand_with_two_patients_at_risk():
    # Events of A at 1 among A, B, B and of B at 2 among B, B:
    # log likelihood b - log(e^b + 2) is monotone, so there is no estimate.
    outcome = Outcome([1, 2, 3], [1, 1, 0])
    fit = fit_robust(outcome, np.array([[1.0], [0.0], [0.0]]))
    assert np.isnan(fit.coef[0])
    assert "no maximum" in fit.note
    # A and B at 1 and 2 each: b - log(2 e^b + 2) at 1, 0 - log(e^b + 2) at 2,
    # score 1 - 2 e^b / (2 e^b + 2) - e^b / (e^b + 2) = 0 at e^b = sqrt(2).
    outcome = Outcome([1, 2, 3, 3], [1, 1, 0, 0])
    fit = fit_robust(outcome, np.array([[1.0], [0.0], [1.0], [0.0]]))
    assert np.exp(fit.coef[0]) == pytest.approx(np.sqrt(2), rel=1e-9)


@pytest.mark.parametrize("event", [[0, 0, 0, 0], [1, 1, 0, 0]])
def test_an_arm_without_events_has_a_reason_not_a_number(event):
    columns = np.array([[1.0], [1.0], [0.0], [0.0]])
    fit = fit_robust(Outcome([1, 2, 3, 4], event), columns)
    assert np.isnan(fit.coef).all()
    assert fit.note.startswith("not estimable")


def test_a_constant_column_has_no_estimate_and_spoils_no_other(late):
    outcome, X, _, _ = late
    alone = fit_robust(outcome, X[:, :1])
    fit = fit_robust(outcome, np.column_stack([X[:, 0], np.ones(80)]))
    assert fit.coef[0] == pytest.approx(alone.coef[0], rel=1e-9)
    assert np.isnan(fit.coef[1])


@pytest.mark.parametrize(
    ("kind", "coef", "naive", "robust", "coef_breslow", "robust_breslow"),
    [
        # R 4.2.2, survival 3.5.3: coxph(Surv(os_months, os_event) ~ trt, weights = w,
        # robust = TRUE), Efron and ties = "breslow"; propensity as in test_kaplan_meier.
        ("IPTW", -0.3678928347, 0.1347538756, 0.2039171207, -0.3672239257, 0.2032252567),
        ("stabilised IPTW", -0.370133683, 0.190704617, 0.2053974639, -0.3696606392, 0.2047009136),
        ("overlap", -0.3022277275, 0.2890208914, 0.2038788939, -0.3016208163, 0.2031019438),
        ("as treated", -0.4341169725, 0.1817799224, 0.223304834, -0.4332434604, 0.2225263566),
        ("matching", -0.2707760732, 0.2262661374, 0.2019778486, -0.2701189602, 0.2011436919),
    ],
)
def test_weighted_models_match_r(kind, coef, naive, robust, coef_breslow, robust_breslow):
    path = SHARED / "data" / "mdacc_venhma_ldac.csv"
    if not path.exists():
        pytest.skip("the public cohorts are not beside this checkout")
    table = pd.read_csv(path)
    table["lwbc"] = np.log(table["wbc"])
    names = ["age", "sex", "lwbc", "aml_group", "cyto_risk", "bm_blasts", "platelets", "hgb"]
    table = table.dropna(subset=names)
    treated = (table["trt"] == 1).to_numpy()
    outcome = Outcome(table["os_months"], table["os_event"])
    weight = balancing_weights(
        fit_propensity(adjustment_design(table[names]), treated), kind
    ).weight
    arm = treated[:, None].astype(float)
    efron = fit_robust(outcome, arm, weight)
    breslow = fit_robust(outcome, arm, weight, "breslow")
    ours = [efron.coef[0], np.sqrt(efron.covariance[0, 0]),
            np.sqrt(efron.robust_covariance()[0, 0]), breslow.coef[0],
            np.sqrt(breslow.robust_covariance()[0, 0])]  # fmt: skip
    # coxph stops at a relative change of the log likelihood of 1e-9, some 3e-7 off in the worst.
    np.testing.assert_allclose(ours, [coef, naive, robust, coef_breslow, robust_breslow], atol=1e-6)
