"""Every measure against R on the LeukSurv registry; the calls and versions stand beside the values.

R 4.2.2 with survival 3.5.3, riskRegression 2022.11.28, prodlim 2019.11.13, rms 6.5.0 and
Hmisc 4.8.0, printed to ten digits. `time` in days, `lp` and `risk` from the fixture `leuksurv`.
"""

import json
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from evaluation.metrics.auc import replicate_auc
from evaluation.metrics.brier import brier_losses, null_losses, scaled_brier
from evaluation.metrics.calibration.at_horizon import (
    calibration_slope,
    complementary_log_log,
    grouped_calibration,
    observed_expected,
)
from evaluation.metrics.calibration.curve import (
    calibration_curve,
    replicate_calibration_errors,
    spline_knots,
)
from evaluation.metrics.calibration.d_calibration import d_calibration, d_calibration_test
from evaluation.metrics.calibration.in_time import calibration_in_time
from evaluation.metrics.decision_curve import TREAT_ALL, decision_curve, replicate_treated
from evaluation.metrics.discrimination import harrell_c, uno_c
from evaluation.metrics.over_time import mean_over_time
from features.outcome import Outcome

SHARED = Path(__file__).parents[3].parent / "shared"
HORIZONS = [182.625, 365.25, 730.5]


def test_the_registry_is_the_one_that_r_read(leuksurv):
    path = SHARED / "data" / "leuksurv.csv"
    if not path.exists():
        pytest.skip("the cohort's file is not part of the project")
    table = pd.read_csv(path)
    assert leuksurv.outcome.time.tolist() == table["time"].tolist()
    assert leuksurv.outcome.event.tolist() == (table["event"] == 1).tolist()
    # One score ends on a 5 and was rounded the other way there, which moves its risk by 4e-7.
    np.testing.assert_allclose(leuksurv.linear_predictor, table["lp_fixed"], atol=1.1e-6)
    for name, days in zip(("risk_6m", "risk_12m", "risk_24m"), HORIZONS, strict=True):
        np.testing.assert_allclose(leuksurv.risk(days), table[name], atol=4e-7)


# concordance(Surv(time, event) ~ lp, reverse = TRUE, timewt = w, ymax = tau)
@pytest.mark.parametrize(
    ("tau", "harrell", "uno"),
    [(None, 0.6818194235, 0.68077908), (730.5, 0.6839603483, 0.6817935822)],
)
def test_concordance(leuksurv, tau, harrell, uno):
    outcome, score = leuksurv.outcome, leuksurv.linear_predictor
    assert harrell_c(outcome, score, tau=tau) == pytest.approx(harrell, abs=1e-9)
    assert uno_c(outcome, score, tau) == pytest.approx(uno, abs=1e-9)


# Score(list(fixed = risk), Hist(time, event) ~ 1, times = t, metrics = c("auc", "brier"),
#       summary = "ipa", cens.method = "ipcw", cens.model = "km")
AUC = [0.7543854116, 0.7610139947, 0.7491071174]
BRIER = [0.2086170478, 0.1970005031, 0.1621377634]
BRIER_NULL = [0.2498678719, 0.2328157416, 0.168883406]
IPA = [0.1650905485, 0.1538351245, 0.03994260139]


def test_auc(leuksurv):
    risk = np.column_stack([leuksurv.risk(days) for days in HORIZONS])
    assert replicate_auc(leuksurv.outcome, risk, HORIZONS)[0] == pytest.approx(AUC, abs=1e-8)
    # The order of risks is the same at every horizon, so the score gives the same, but for risks
    # that tie when rounded.
    by_score = replicate_auc(leuksurv.outcome, leuksurv.linear_predictor, HORIZONS)[0]
    assert by_score == pytest.approx(AUC, abs=1e-6)


def test_brier(leuksurv):
    survival = 1 - np.column_stack([leuksurv.risk(days) for days in HORIZONS])
    score = brier_losses(leuksurv.outcome, survival, HORIZONS).mean(axis=0)
    null = null_losses(leuksurv.outcome, HORIZONS).mean(axis=0)
    assert score.tolist() == pytest.approx(BRIER, abs=1e-8)
    assert null.tolist() == pytest.approx(BRIER_NULL, abs=1e-8)
    assert scaled_brier(score, null).tolist() == pytest.approx(IPA, abs=1e-8)


# Score(..., times = seq(30, 720, by = 30), metrics = "brier"), then the trapezoid over its range.
def test_integrated_brier(leuksurv):
    grid = np.arange(30.0, 721, 30)
    losses = brier_losses(leuksurv.outcome, leuksurv.survival(grid), grid)
    both = [losses.mean(axis=0), null_losses(leuksurv.outcome, grid).mean(axis=0)]
    both = mean_over_time(np.array(both), grid)
    assert both.tolist() == pytest.approx([0.1895857851, 0.217555527], abs=1e-8)


# O = 1 - summary(survfit(Surv(time, event) ~ 1), times = t)$surv, E = mean(risk),
# exp(log(O / E) -+ 1.96 se / O)
OBSERVED_EXPECTED = {
    182.625: (0.4885052999, 0.4283507656, 1.140432886, 1.071612161, 1.213673393),
    365.25: (0.6310887423, 0.5453620171, 1.157192328, 1.104183289, 1.212746197),
    730.5: (0.7848097505, 0.6660714768, 1.178266564, 1.140289593, 1.217508346),
}


@pytest.mark.parametrize("days", HORIZONS)
def test_observed_over_expected(leuksurv, days):
    result = observed_expected(leuksurv.outcome, leuksurv.risk(days), days)
    assert list(result) == pytest.approx(OBSERVED_EXPECTED[days], abs=1e-7)


def test_calibration_in_time(leuksurv):
    survival = 1 - np.column_stack([leuksurv.risk(days) for days in HORIZONS])
    table = calibration_in_time(leuksurv.outcome, survival, HORIZONS)
    columns = ["observed", "expected", "estimate", "ci_low", "ci_high"]
    for row, days in zip(table[columns].to_numpy(), HORIZONS, strict=True):
        assert row.tolist() == pytest.approx(OBSERVED_EXPECTED[days], abs=1e-7)


# survfit within cut(risk, quantile(risk, seq(0, 1, length = 6)), include.lowest = TRUE)
def test_groups(leuksurv):
    table = grouped_calibration(leuksurv.outcome, leuksurv.risk(365.25), 365.25)
    assert table["n"].tolist() == [209, 208, 209, 208, 209]
    observed = [0.3253483973, 0.4632236791, 0.6740669966, 0.8239545617, 0.8725434542]
    assert table["observed"].tolist() == pytest.approx(observed, abs=1e-9)
    predicted = [0.2665579445, 0.4416467642, 0.5668498971, 0.660066661, 0.7917413997]
    assert table["expected"].tolist() == pytest.approx(predicted, abs=1e-7)


# coxph(Surv(time, event) ~ log(-log(1 - risk)))
def test_slope(leuksurv):
    slope = calibration_slope(leuksurv.outcome, leuksurv.risk(365.25))
    assert slope.slope == pytest.approx(0.9926740953, abs=1e-7)
    assert slope.standard_error == pytest.approx(0.0632332856, abs=1e-7)


# x <- log(-log(1 - risk)); k <- rcspline.eval(x, nk = knots, knots.only = TRUE)
# coxph(Surv(time, event) ~ cbind(x, rcspline.eval(x, knots = k))), then
# 1 - exp(-H0(t) exp(xb)) with H0 from basehaz(centered = FALSE): Austin, Harrell, van Klaveren
ERRORS = {  # ICI, E50, E90 (type 7), Emax, and the curve at the first five patients
    (182.625, 3): (
        [0.07096803446, 0.07000639138, 0.08991767926, 0.09351912139],
        [0.4292802702, 0.97188734, 0.6963593671, 0.9930640607, 0.8297790944],
    ),
    (365.25, 3): (
        [0.09829576766, 0.1021086718, 0.105570006, 0.1057757201],
        [0.5871313006, 0.9964232205, 0.8474053528, 0.9996066043, 0.9387514176],
    ),
    (730.5, 3): (
        [0.123860916, 0.1322244005, 0.1557495422, 0.1567276012],
        [0.7668979132, 0.9999061277, 0.9547170143, 0.9999975204, 0.9899235747],
    ),
    (365.25, 4): (
        [0.09875463462, 0.1028213599, 0.122813976, 0.1241694416],
        [0.5668919323, 0.9903001882, 0.8570249243, 0.9975565922, 0.9305909228],
    ),
}


@pytest.mark.parametrize(("days", "knots"), ERRORS)
def test_smooth_curve(leuksurv, days, knots):
    errors, curve = ERRORS[days, knots]
    risk = leuksurv.risk(days)
    ours = replicate_calibration_errors(leuksurv.outcome, risk, days, knots=knots)[0]
    assert ours.tolist() == pytest.approx(errors, abs=1e-7)
    observed = calibration_curve(leuksurv.outcome, risk, days, knots=knots, at=risk[:5])["observed"]
    assert observed.tolist() == pytest.approx(curve, abs=1e-7)


# rms::val.surv(est.surv = 1 - risk, S, u = 365.25, fun = function(p) log(-log(p))): the same idea
# with polspline's adaptive hazard regression, whose knots and time interactions are chosen by
# stepwise BIC. mean|actual - p| = 0.11574 there; the spline above says 0.09830. Only their nearness
# can be asked for: the two smoothers differ, not the prediction.
def test_another_smoother_tells_the_same(leuksurv):
    ours = replicate_calibration_errors(leuksurv.outcome, leuksurv.risk(365.25), 365.25)[0, 0]
    assert ours == pytest.approx(0.1157397599, abs=0.02)


# D-calibration of Haider et al. 2020 written in R, bins from low to high survival
BINS = [75.87593111, 52.93960091, 77.44943272, 74.67878265, 121.2304238, 138.8511096, 115.672072,
        159.1296807, 138.1729666, 89]  # fmt: skip


def test_d_calibration(leuksurv):
    survival = np.exp(-leuksurv.cumulative_hazard)
    filled = d_calibration(leuksurv.outcome, survival)["n"]
    assert filled.tolist() == pytest.approx(BINS, abs=1e-6)
    test = d_calibration_test(leuksurv.outcome, survival)
    assert (test.chi_square, test.degrees_of_freedom) == (pytest.approx(105.864736, abs=1e-6), 9)
    assert test.p_value == pytest.approx(1.019198056e-18, rel=1e-6)


# survfit within risk >= threshold at 365.25 days (Vickers 2008), as dcurves
THRESHOLDS = [0.1, 0.2, 0.3, 0.4, 0.5, 0.6, 0.7, 0.8, 0.9]
NET_BENEFIT = [0.5900986025, 0.5370977085, 0.4646932061, 0.4174975579, 0.352791911, 0.2668022635,
               0.113406849, 0.03643336529, 0.02013422819]  # fmt: skip
TREAT_EVERYBODY = [0.5900986025, 0.5388609279, 0.4729839176, 0.3851479038, 0.2621774846,
                   0.07772185572, -0.2297041924, -0.8445562886, -2.689112577]  # fmt: skip
FALSE_POSITIVE = [0.3689112577, 0.3373400499, 0.2861241517, 0.1987823857, 0.1366433542,
                  0.06432415694, 0.03040747551, 0.00690316395, 0]  # fmt: skip


def test_net_benefit(leuksurv):
    risk = {"fixed": leuksurv.risk(365.25)}
    table = decision_curve(leuksurv.outcome, risk, 365.25, THRESHOLDS).set_index("strategy")
    assert table.loc["fixed", "estimate"].tolist() == pytest.approx(NET_BENEFIT, abs=1e-9)
    assert table.loc["fixed", "false_positive"].tolist() == pytest.approx(FALSE_POSITIVE, abs=1e-9)
    assert table.loc[TREAT_ALL, "estimate"].tolist() == pytest.approx(TREAT_EVERYBODY, abs=1e-8)


@pytest.fixture(scope="module")
def references():
    """Values of R by the identity of their call, from the files beside the cohorts."""
    found = {}
    for name in ("discrimination_brier", "calibration", "decision_curve"):
        path = SHARED / "references" / f"{name}.json"
        if not path.exists():
            pytest.skip("the R reference values are not part of the project")
        found |= {entry["id"]: entry["result"] for entry in json.loads(path.read_text())["refs"]}
    return found


# Klein and Moeschberger's transplants: t2, d3 of KMsurv's bmt; the calls are those above.
@pytest.fixture(scope="module")
def bmt():
    path = SHARED / "data" / "bmt.csv"
    if not path.exists():
        pytest.skip("the cohort's file is not part of the project")
    table = pd.read_csv(path)
    return Outcome(table["t2"], table["d3"] == 1), table


def test_auc_of_transplants(references, bmt):
    outcome, table = bmt
    risk = table[["risk_6m", "risk_12m", "risk_24m"]].to_numpy()
    ours = replicate_auc(outcome, risk, HORIZONS)[0]
    expected = references["score_bmt"]
    assert ours == pytest.approx(expected["AUC"], abs=1e-9)


@pytest.mark.parametrize(
    ("column", "days", "knots"),
    [("6m", 182.625, 3), ("12m", 365.25, 3), ("24m", 730.5, 3), ("12m", 365.25, 4)],
)
def test_smooth_curve_of_transplants(references, bmt, column, days, knots):
    outcome, table = bmt
    expected = references[f"ici{'' if knots == 3 else knots}_bmt_risk_{column}"]
    risk = table[f"risk_{column}"].to_numpy()
    ours = replicate_calibration_errors(outcome, risk, days, knots=knots)[0].tolist()
    errors = [expected[key] for key in ("ICI", "E50", "E90", "Emax")]
    assert ours == pytest.approx(errors, abs=1e-8)
    curve = calibration_curve(outcome, risk, days, knots=knots, at=risk[:5])["observed"].tolist()
    assert curve == pytest.approx(expected["obs_first5"], abs=1e-8)
    places = spline_knots(complementary_log_log(risk), knots).tolist()
    assert places == pytest.approx(expected["knots"], abs=1e-8)


def test_d_calibration_of_transplants(references, bmt):
    outcome, table = bmt
    hazard = (outcome.time / 1600) ** 0.6 * np.exp(table["lp_fixed"].to_numpy())
    expected = references["dcal_bmt"]
    filled = d_calibration(outcome, np.exp(-hazard))["n"].tolist()
    assert filled == pytest.approx(expected["bins"], abs=1e-8)
    test = d_calibration_test(outcome, np.exp(-hazard))
    assert (test.chi_square, test.p_value) == pytest.approx((expected["chisq"], expected["p"]))


def test_net_benefit_of_transplants(references, bmt):
    outcome, table = bmt
    expected = references["dca_bmt_12m"]
    shares = replicate_treated(outcome, table["risk_12m"].to_numpy(), 365.25, THRESHOLDS)
    assert shares.treated[0].tolist() == pytest.approx(expected["frac_flagged"], abs=1e-9)
    assert shares.true_positive[0].tolist() == pytest.approx(expected["tp_rate"], abs=1e-9)
    # From a threshold of 0.7 nobody is treated: 0, as treating none.
    benefit = shares.net_benefit(np.array(THRESHOLDS))[0].tolist()
    assert benefit == pytest.approx(expected["net_benefit"], abs=1e-9)
