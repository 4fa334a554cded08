"""Fine-Gray model against R's crr, its definition written out, and Cox's model."""

import json
from pathlib import Path

import greenwood as gw
import numpy as np
import pandas as pd
import pytest
from scipy.optimize import minimize

from evaluation.statistics.fine_gray import fine_gray
from features.outcome import Outcome

SHARED = Path(__file__).parents[3].parent / "shared"
RNG = np.random.default_rng(17)
N = 70
COVARIATES = RNG.normal(size=(N, 2))
FIRST, SECOND, CENSORING = (RNG.exponential(scale, N).round() for scale in (8.0, 10.0, 12.0))
# Whole months: events, competing events and censorings share their times.
TIME = np.minimum(np.minimum(FIRST, SECOND), CENSORING)
EVENT = np.minimum(SECOND, CENSORING) >= FIRST
OTHER = ~EVENT & (SECOND <= CENSORING)
OUTCOME = Outcome(TIME, EVENT, competing=OTHER)


def errors(model):
    return np.sqrt(np.diag(model.covariance))


@pytest.mark.parametrize(
    ("reference", "cause", "tolerance"),
    # crr ends its search early: at the second optimum its score is not yet 0.
    [("crr_bmt_relapse", 1, 1e-6), ("crr_bmt_death", 2, 2e-5)],
)
def test_the_model_matches_r(reference, cause, tolerance):
    path = SHARED / "references" / "competing.json"
    if not path.exists():
        pytest.skip("the R references are not beside this checkout")
    refs = json.loads(path.read_text())["refs"]
    r = next(x["result"] for x in refs if x["id"] == reference)
    bmt = pd.read_csv(SHARED / "data" / "bmt.csv")
    outcome = Outcome(bmt["t2"], bmt["cr_status"] == cause, competing=bmt["cr_status"] == 3 - cause)
    model = fine_gray(outcome, np.column_stack([bmt["group"] == 2, bmt["group"] == 3, bmt["z1"]]))
    np.testing.assert_allclose(model.coef, r["coef"], rtol=tolerance)
    np.testing.assert_allclose(errors(model), r["se"], rtol=tolerance)


def test_the_definition_written_out():
    censored = ~EVENT & ~OTHER

    def curve(at):
        """P(not censored before `at`)."""
        left = 1.0
        for u in np.unique(TIME[censored & (at > TIME)]):
            left *= 1 - (censored & (u == TIME)).sum() / (u <= TIME).sum()
        return left

    times = np.unique(TIME[EVENT])
    weights = np.array(
        [
            [
                1.0 if TIME[i] >= at else curve(at) / curve(TIME[i]) if OTHER[i] else 0.0
                for at in times
            ]
            for i in range(N)
        ]
    )
    deaths = np.array([(EVENT & (at == TIME)).sum() for at in times])

    def minus_log_likelihood(beta):
        totals = weights.T @ np.exp(COVARIATES @ beta)
        return -(COVARIATES[EVENT] @ beta).sum() + deaths @ np.log(totals)

    best = minimize(minus_log_likelihood, np.zeros(2), method="BFGS", options={"gtol": 1e-7}).x
    model = fine_gray(OUTCOME, COVARIATES)
    np.testing.assert_allclose(model.coef, best, atol=1e-6)

    # Influence of each patient: its martingale's score, and what it does to the censoring curve.
    risk = np.exp(COVARIATES @ model.coef)[:, np.newaxis] * weights
    mean = (risk.T @ COVARIATES) / risk.sum(axis=0)[:, np.newaxis]
    hazard = deaths / risk.sum(axis=0)
    centred = COVARIATES[:, np.newaxis, :] - mean
    martingale = (EVENT[:, np.newaxis] & (TIME[:, np.newaxis] == times)) - risk * hazard
    parts = (centred * martingale[:, :, np.newaxis]).sum(axis=1)
    for u in np.unique(TIME[censored]):
        early, late = OTHER & (u > TIME), times > u
        q = -(centred * martingale[:, :, np.newaxis])[early][:, late].sum(axis=(0, 1))
        now, at_risk = censored & (u == TIME), u <= TIME
        jump = now - at_risk * now.sum() / at_risk.sum()
        parts = parts + np.outer(jump, q / at_risk.sum())
    information = np.einsum("ij,j,ijk,ijl->kl", risk / risk.sum(axis=0), deaths, centred, centred)
    bread = np.linalg.inv(information)
    np.testing.assert_allclose(model.covariance, bread @ parts.T @ parts @ bread, rtol=1e-6)


def test_without_competing_events_it_is_cox_with_breslow_ties_and_robust_errors():
    plain = Outcome(TIME, EVENT)
    model = fine_gray(plain, COVARIATES)
    cox = gw.CoxPH(ties="breslow").fit(gw.Surv(time=TIME, event=EVENT), COVARIATES)
    np.testing.assert_allclose(model.coef, cox.coef_, atol=1e-8)


@pytest.mark.parametrize("shift", [0.0, 500.0])
def test_where_a_covariate_starts_does_not_matter(shift):
    model, moved = fine_gray(OUTCOME, COVARIATES), fine_gray(OUTCOME, COVARIATES + shift)
    np.testing.assert_allclose(moved.coef, model.coef, rtol=1e-8)
    np.testing.assert_allclose(moved.covariance, model.covariance, rtol=1e-6)


def test_nobody_censored_is_no_trouble_and_keeps_everybody_at_risk():
    # With complete data the subdistribution time of a competing event is infinite: plain Cox.
    first, second = FIRST + 0.1, SECOND + 0.2
    outcome = Outcome(np.minimum(first, second), first < second, competing=first >= second)
    model = fine_gray(outcome, COVARIATES)
    endless = Outcome(np.where(first < second, first, 1e6), first < second)
    expected = fine_gray(endless, COVARIATES)
    np.testing.assert_allclose(model.coef, expected.coef, rtol=1e-9)
    np.testing.assert_allclose(model.covariance, expected.covariance, rtol=1e-9)


def test_order_of_patients_does_not_matter_and_copies_halve_the_variance():
    model = fine_gray(OUTCOME, COVARIATES)
    order = RNG.permutation(N)
    again = fine_gray(OUTCOME.take(order), COVARIATES[order])
    np.testing.assert_allclose(again.coef, model.coef, rtol=1e-9)
    np.testing.assert_allclose(again.covariance, model.covariance, rtol=1e-9)
    twice = fine_gray(OUTCOME.take(np.tile(np.arange(N), 2)), np.tile(COVARIATES, (2, 1)))
    np.testing.assert_allclose(twice.coef, model.coef, rtol=1e-9)
    np.testing.assert_allclose(twice.covariance, model.covariance / 2, rtol=1e-9)


def test_no_event_or_no_maximum_is_missing():
    assert np.isnan(fine_gray(Outcome([1, 2], [0, 0]), np.ones((2, 1))).coef).all()
    # A covariate that orders the events perfectly.
    perfect = fine_gray(Outcome([1, 2, 3], [1, 1, 1]), np.array([[3.0], [2.0], [1.0]]))
    assert np.isnan(perfect.coef).all()
    constant = fine_gray(OUTCOME, np.ones((N, 1)))
    assert np.isnan(constant.coef).all()
