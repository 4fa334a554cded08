"""Weighted Cox regression against R, greenwood, and by construction."""

from pathlib import Path

import greenwood as gw
import numpy as np
import pandas as pd
import pytest

from evaluation.regimens.adjusted.design import adjustment_design
from evaluation.regimens.adjusted.propensity import balancing_weights, fit_propensity
from evaluation.statistics.robust_cox import fit_robust_cox
from features.outcome import Outcome

SHARED = Path(__file__).parents[3].parent / "shared"


@pytest.fixture(scope="module")
def cohort():
    rng = np.random.default_rng(6)
    X = rng.normal(size=(80, 2))
    time = rng.exponential(np.exp(-0.7 * X[:, 0]) * 8).round() + 1
    return Outcome(time, rng.random(80) < 0.8), X, rng.random(80) + 0.3


@pytest.mark.parametrize("ties", ["efron", "breslow"])
def test_without_weights_it_is_greenwoods(cohort, ties):
    outcome, X, _ = cohort
    ours = fit_robust_cox(outcome, X, ties=ties)
    theirs = gw.CoxPH(ties=ties).fit(gw.Surv(time=outcome.time, event=outcome.event), X)
    np.testing.assert_allclose(ours.coef, theirs.coef_, rtol=1e-8)
    np.testing.assert_allclose(np.sqrt(np.diag(ours.model_variance)), theirs.std_error_, rtol=1e-8)


@pytest.mark.parametrize("ties", ["efron", "breslow"])
def test_derivatives_by_the_weights(cohort, ties):
    outcome, X, weights = cohort
    strata = np.arange(80) % 2
    fit = fit_robust_cox(outcome, X, weights, ties, strata)
    for patient in range(0, 80, 11):
        moved = weights.copy()
        moved[patient] += 1e-6
        other = fit_robust_cox(outcome, X, moved, ties, strata)
        np.testing.assert_allclose(
            (other.coef - fit.coef) / 1e-6, fit.by_weight[patient], atol=1e-6
        )


@pytest.mark.parametrize("ties", ["efron", "breslow"])
def test_leverages_add_up_to_the_columns(cohort, ties):
    outcome, X, weights = cohort
    assert fit_robust_cox(outcome, X, weights, ties).leverage.sum() == pytest.approx(2)


def test_the_scale_of_the_weights_and_the_order_of_patients_change_nothing(cohort):
    outcome, X, weights = cohort
    fit = fit_robust_cox(outcome, X, weights)
    order = np.random.default_rng(1).permutation(80)
    other = fit_robust_cox(outcome.take(order), X[order], 7 * weights[order])
    np.testing.assert_allclose(other.coef, fit.coef, rtol=1e-8)
    np.testing.assert_allclose(other.robust_variance, fit.robust_variance, rtol=1e-6)


def test_weights_are_repeated_patients_under_breslow(cohort):
    # Efron's correction counts repeated patients as ties and weighted ones as one.
    outcome, X, _ = cohort
    counts = np.arange(80) % 3
    rows = np.repeat(np.arange(80), counts)
    weighted = fit_robust_cox(outcome, X, counts, "breslow")
    repeated = fit_robust_cox(outcome.take(rows), X[rows], ties="breslow")
    np.testing.assert_allclose(weighted.coef, repeated.coef, rtol=1e-8)


def test_by_hand_with_two_patients_at_risk():
    # Events of A at 1 among A, B, B and of B at 2 among B, B:
    # log likelihood b - log(e^b + 2) is monotone, so there is no estimate.
    outcome = Outcome([1, 2, 3], [1, 1, 0])
    fit = fit_robust_cox(outcome, np.array([[1.0], [0.0], [0.0]]))
    assert np.isnan(fit.coef[0])
    assert "no maximum" in fit.note
    # A and B at 1 and 2 each: b - log(2 e^b + 2) at 1, 0 - log(e^b + 2) at 2,
    # score 1 - 2 e^b / (2 e^b + 2) - e^b / (e^b + 2) = 0 at e^b = sqrt(2).
    outcome = Outcome([1, 2, 3, 3], [1, 1, 0, 0])
    fit = fit_robust_cox(outcome, np.array([[1.0], [0.0], [1.0], [0.0]]))
    assert np.exp(fit.coef[0]) == pytest.approx(np.sqrt(2), rel=1e-9)


@pytest.mark.parametrize("event", [[0, 0, 0, 0], [1, 1, 0, 0]])
def test_an_arm_without_events_has_a_reason_not_a_number(event):
    columns = np.array([[1.0], [1.0], [0.0], [0.0]])
    fit = fit_robust_cox(Outcome([1, 2, 3, 4], event), columns)
    assert np.isnan(fit.coef).all()
    assert fit.note.startswith("not estimable")


def test_a_constant_column_has_no_estimate_and_spoils_no_other(cohort):
    outcome, X, _ = cohort
    alone = fit_robust_cox(outcome, X[:, :1])
    fit = fit_robust_cox(outcome, np.column_stack([X[:, 0], np.ones(80)]))
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
def test_matches_r(kind, coef, naive, robust, coef_breslow, robust_breslow):
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
    efron = fit_robust_cox(outcome, arm, weight)
    breslow = fit_robust_cox(outcome, arm, weight, "breslow")
    ours = [efron.coef[0], np.sqrt(efron.model_variance[0, 0]),
            np.sqrt(efron.robust_variance[0, 0]), breslow.coef[0],
            np.sqrt(breslow.robust_variance[0, 0])]  # fmt: skip
    # coxph stops at a relative change of the log likelihood of 1e-9, some 3e-7 off in the worst.
    np.testing.assert_allclose(ours, [coef, naive, robust, coef_breslow, robust_breslow], atol=1e-6)
