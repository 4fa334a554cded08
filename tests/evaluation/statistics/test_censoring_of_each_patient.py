"""Measures of a cohort whose follow-up differs by regimen, against the truth without censoring."""

import numpy as np
import pytest

from evaluation.bootstrap import bootstrap_counts
from evaluation.estimates import OUT_OF_FOLD
from evaluation.metrics.auc import replicate_auc
from evaluation.metrics.brier import brier_losses, null_losses
from evaluation.metrics.calibration.at_horizon import (
    grouped_calibration,
    observed_expected,
    replicate_observed_expected,
)
from evaluation.metrics.catalogue import cohort_metrics
from evaluation.metrics.decision_curve import replicate_treated
from evaluation.metrics.discrimination import concordance_counts, uno_c, weighted_concordance
from evaluation.metrics.metric import metric_estimates
from evaluation.metrics.observed import observed_probability
from evaluation.statistics.censoring import WEIGHTED, censoring_of, replicate_survival
from evaluation.statistics.conditional_censoring import fit_censoring_by_group, fit_censoring_cox
from evaluation.statistics.kaplan_meier import survival_at
from features.outcome import Outcome
from models.prediction import SurvivalPrediction

AT = 24.0


def carrying(outcome, censoring):
    return Outcome(outcome.time, outcome.event, competing=outcome.competing, censoring=censoring)


class Cohort:
    """The arm decides how long a patient is followed, and how long he lives."""

    def __init__(self, n, seed):
        rng = np.random.default_rng(seed)
        self.arm = (rng.random(n) < 0.5).astype(float)
        x = rng.normal(size=n)
        self.log_hazard = np.log(1 / 20) + 0.7 * x - 1.2 * self.arm
        latent = rng.exponential(np.exp(-self.log_hazard))
        # The arm that lives longer is followed longer: 12 to 60 months against 6 to 30.
        censored = np.where(self.arm == 1, rng.uniform(12, 60, n), rng.uniform(6, 30, n))
        self.covariates = np.column_stack([self.arm, x])
        self.marginal = Outcome(np.minimum(latent, censored), latent <= censored)
        self.truth = Outcome(latent, np.ones(n, dtype=bool))
        by_arm = fit_censoring_by_group(self.marginal, self.arm)
        self.by_arm = carrying(self.marginal, by_arm)
        self.survival = np.exp(-np.exp(self.log_hazard)[:, None] * [AT])
        self.risk = 1.0 - self.survival[:, 0]


@pytest.fixture(scope="module")
def cohort():
    return Cohort(6_000, 3)


def measures(cohort, outcome):
    score = brier_losses(outcome, cohort.survival, [AT]).mean()
    null = null_losses(outcome, [AT]).mean()
    treated = replicate_treated(outcome, cohort.risk, AT, [0.5])
    return {
        "ipa": 1 - score / null,
        "brier": score,
        "null": null,
        "auc": replicate_auc(outcome, cohort.risk, [AT])[0, 0],
        "uno": uno_c(outcome, cohort.log_hazard, AT),
        "observed": observed_probability(outcome, AT).estimate,
        "oe": observed_expected(outcome, cohort.risk, AT).ratio,
        "net_benefit": treated.net_benefit(np.array([0.5]))[0, 0],
    }


def test_weights_by_arm_give_the_truth_and_marginal_ones_do_not(cohort):
    truth, by_arm, marginal = (
        measures(cohort, outcome) for outcome in (cohort.truth, cohort.by_arm, cohort.marginal)
    )
    for name, value in truth.items():
        assert by_arm[name] == pytest.approx(value, abs=0.02), name
    for name in ("ipa", "auc", "observed"):
        error = {k: abs(found[name] - truth[name]) for k, found in
                 (("arm", by_arm), ("all", marginal))}  # fmt: skip
        assert error["all"] > 2 * error["arm"], name


def test_a_cox_regression_of_the_censoring_time_does_too():
    cohort = Cohort(2_000, 4)
    model = fit_censoring_cox(cohort.marginal, cohort.covariates)
    found = measures(cohort, carrying(cohort.marginal, model))
    truth = measures(cohort, cohort.truth)
    for name in ("ipa", "auc", "uno", "observed"):
        assert found[name] == pytest.approx(truth[name], abs=0.05), name


def test_a_pair_weighs_the_product_of_both_patients(cohort):
    # Without discrimination within the arms C rests on pairs across them, followed differently.
    truth = uno_c(cohort.truth, -cohort.arm, AT)
    squared = concordance_counts(
        cohort.marginal,
        -cohort.arm,
        event_weight=censoring_of(cohort.by_arm).inverse_before(cohort.marginal.time) ** 2,
        tau=AT,
    ).c_index[0]
    product = uno_c(cohort.by_arm, -cohort.arm, AT)
    assert product == pytest.approx(truth, abs=0.01)
    assert abs(squared - truth) > 3 * abs(product - truth)


def test_pairs_by_hand():
    #                      A  B  C  D
    outcome = Outcome(time=[1, 2, 3, 4], event=[0, 1, 0, 1])
    arm = np.array([0, 0, 1, 1])
    censoring = fit_censoring_by_group(outcome, arm)
    # Arm 0: G = 1/2 from 1. Arm 1: G = 1 up to 3. B (at 2) with C and D: 1 / (1/2 x 1) = 2 each.
    pairs = weighted_concordance(outcome, [0.0, 1.0, 0.5, 2.0], censoring)
    assert pairs.comparable.tolist() == [4.0]
    assert pairs.concordant.tolist() == [2.0]


@pytest.mark.parametrize("kind", ["by_arm", "cox"])
def test_every_pair_by_itself_is_the_kernel_by_arm(kind):
    cohort = Cohort(150, 6)
    rng = np.random.default_rng(1)
    counts, fold = rng.integers(0, 3, (4, 150)), rng.integers(0, 3, 150)
    tied = cohort.log_hazard.round(1)
    censoring = fit_censoring_by_group(cohort.marginal, cohort.arm)
    if kind == "cox":
        censoring = fit_censoring_cox(cohort.marginal, cohort.covariates)
    found = weighted_concordance(cohort.marginal, tied, censoring, counts, fold, AT)
    own = censoring.inverse_before(cohort.marginal.time)
    each = censoring.inverse_before_each(cohort.marginal.time)
    time, event = cohort.marginal.time, cohort.marginal.event
    for b in range(4):
        total = agreeing = 0.0
        for i in np.flatnonzero(event & (time <= AT)):
            for j in np.flatnonzero((time > time[i]) & (fold == fold[i])):
                weight = counts[b, i] * counts[b, j] * own[i] * each[j, i]
                total += weight
                agreeing += weight * ((tied[i] > tied[j]) + 0.5 * (tied[i] == tied[j]))
        assert found.c_index[b] == pytest.approx(agreeing / total)


def test_one_arm_is_everybody():
    cohort = Cohort(300, 5)
    one = carrying(cohort.marginal, fit_censoring_by_group(cohort.marginal, np.zeros(300)))
    ours, theirs = measures(cohort, one), measures(cohort, cohort.marginal)
    # Among the treated the weights of all count, where Kaplan-Meier takes those of the treated.
    assert ours.pop("net_benefit") == pytest.approx(theirs.pop("net_benefit"), abs=0.02)
    assert ours == pytest.approx(theirs)
    counts = bootstrap_counts(300, 5, 1)
    kaplan_meier = replicate_survival(cohort.marginal, [12.0, AT], np.ones((1, 300)))
    assert replicate_survival(one, [12.0, AT], np.ones((1, 300))) == pytest.approx(kaplan_meier)
    assert np.isfinite(replicate_survival(one, [12.0, AT], counts)).all()
    error = observed_probability(one, AT).standard_error
    greenwood = survival_at(cohort.marginal, [AT])["std_error"].iloc[0]
    # Weights taken as known: a little larger.
    assert greenwood < error < 1.4 * greenwood


def test_patients_take_their_censoring_with_them():
    cohort = Cohort(400, 7)
    rows = np.random.default_rng(2).permutation(400)[:100]
    part = cohort.by_arm.take(rows)
    assert len(part.censoring.row) == 100
    np.testing.assert_array_equal(
        part.censoring.before(part.time), cohort.by_arm.censoring.before(cohort.by_arm.time)[rows]
    )
    groups = grouped_calibration(cohort.by_arm, cohort.risk, AT, groups=4)
    assert (groups["ci_low"] < groups["observed"]).all()
    assert (groups["observed"] < groups["ci_high"]).all()
    assert groups["ci_method"].str.startswith(WEIGHTED).all()


def test_every_metric_has_an_estimate_and_an_interval():
    cohort = Cohort(300, 8)
    times = np.array([3.0, 6.0, 12.0, 18.0, AT])
    survival = np.exp(-np.exp(cohort.log_hazard)[:, None] * times)
    prediction = SurvivalPrediction(cohort.log_hazard, survival, times)
    table = metric_estimates(
        "x", cohort.by_arm, [prediction], [np.arange(300) % 3],
        cohort_metrics(cohort.by_arm, [12.0, AT], AT, (0.3,)), bootstrap_counts(300, 30, 1),
        OUT_OF_FOLD,
    )  # fmt: skip
    assert table[["estimate", "ci_low", "ci_high"]].notna().all(axis=None)


def test_a_regimen_that_is_not_followed_to_the_horizon_is_a_reason():
    cohort = Cohort(300, 9)
    times = np.array([12.0, 40.0])
    survival = np.exp(-np.exp(cohort.log_hazard)[:, None] * times)
    prediction = SurvivalPrediction(cohort.log_hazard, survival, times)
    metrics = cohort_metrics(cohort.by_arm, [40.0], 40.0)
    table = metric_estimates(
        "x", cohort.by_arm, [prediction], [np.zeros(300, dtype=int)], metrics, np.ones((3, 300))
    )
    at = table[table["metric"].isin(["brier", "ipa", "auc", "calibration_oe"])]
    assert at["estimate"].isna().all()
    assert at["note"].str.contains("a group is not followed").all()


def test_competing_measures_weigh_by_arm_as_well():
    rng = np.random.default_rng(11)
    n = 6_000
    arm = rng.integers(0, 2, n)
    event_at = rng.exponential(np.where(arm, 40, 15))
    other_at = rng.exponential(50, n)
    censored = np.where(arm, rng.uniform(12, 60, n), rng.uniform(6, 30, n))
    first = np.minimum(event_at, other_at)
    time = np.minimum(first, censored)
    seen = first <= censored
    outcome = Outcome(time, seen & (event_at < other_at), competing=seen & (other_at <= event_at))
    truth = Outcome(first, event_at < other_at, competing=other_at <= event_at)
    ended = Outcome(time, seen)
    by_arm = carrying(outcome, fit_censoring_by_group(ended, arm))
    share = {a: float(((event_at < other_at) & (first <= AT))[arm == a].mean()) for a in (0, 1)}
    incidence = np.where(arm, share[1], share[0])

    def all_of(one):
        brier = brier_losses(one, 1 - incidence[:, None], [AT]).mean()
        return np.array(
            [
                1 - brier / null_losses(one, [AT]).mean(),
                replicate_observed_expected(one, incidence, AT, np.ones((1, n)))[0],
                replicate_auc(one, incidence, [AT])[0, 0],
                uno_c(one, incidence, AT),
            ]
        )

    np.testing.assert_allclose(all_of(by_arm), all_of(truth), atol=0.025)
    errors = [np.abs(all_of(one) - all_of(truth)).max() for one in (outcome, by_arm)]
    assert errors[0] > 2 * errors[1]
