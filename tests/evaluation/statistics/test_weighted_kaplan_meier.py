"""Weighted Kaplan-Meier and restricted mean: by hand, against R and the unweighted curve."""

from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from evaluation.regimens.adjusted.design import adjustment_design
from evaluation.regimens.adjusted.propensity import balancing_weights, fit_propensity
from evaluation.statistics.kaplan_meier import kaplan_meier
from evaluation.statistics.weighted_kaplan_meier import weighted_kaplan_meier, weighted_survival
from features.outcome import Outcome

SHARED = Path(__file__).parents[3].parent / "shared"
OUTCOME = Outcome([1, 2, 2, 4, 5], [1, 1, 0, 1, 0])


def test_by_hand():
    # Weights 1, 2, 1, 1, 1: S(1) = 1 - 1/6, S(2) = 5/6 * (1 - 2/5) = 1/2, S(4) = 1/2 * 1/2.
    found = weighted_survival(OUTCOME, np.array([1, 2, 1, 1, 1]), [0.5, 1, 3, 4], 4.5)
    np.testing.assert_allclose(found.survival, [1, 5 / 6, 1 / 2, 1 / 4])
    # 1 month at 1, 1 at 5/6, 2 at 1/2, half a month at 1/4.
    assert found.rmst == pytest.approx(1 + 5 / 6 + 1 + 1 / 8)


def test_unit_weights_are_the_plain_curve():
    curve = weighted_kaplan_meier(OUTCOME, np.ones(5))
    plain = kaplan_meier(OUTCOME)
    for column in ("time", "survival", "n_risk", "n_event", "n_censor"):
        np.testing.assert_allclose(curve[column], plain[column])


def test_weights_are_repeated_patients_on_any_scale():
    counts = np.array([1, 3, 2, 1, 2])
    rows = np.repeat(np.arange(5), counts)
    one = weighted_survival(OUTCOME, 0.3 * counts, [2, 4], 4)
    other = weighted_survival(OUTCOME.take(rows), np.ones(len(rows)), [2, 4], 4)
    np.testing.assert_allclose(one.survival, other.survival)
    assert one.rmst == pytest.approx(other.rmst)


def test_derivatives_by_the_weights():
    rng = np.random.default_rng(5)
    outcome = Outcome(rng.exponential(10, 50).round(), rng.random(50) < 0.7)
    weights = rng.random(50) + 0.2
    found = weighted_survival(outcome, weights, [3, 8, 15], 15)
    for patient in range(0, 50, 7):
        moved = weights.copy()
        moved[patient] += 1e-6
        other = weighted_survival(outcome, moved, [3, 8, 15], 15)
        np.testing.assert_allclose(
            (other.survival - found.survival) / 1e-6, found.survival_by_weight[patient], atol=1e-6
        )
        slope = (other.rmst - found.rmst) / 1e-6
        assert slope == pytest.approx(found.rmst_by_weight[patient], abs=1e-5)


def test_squared_derivatives_are_greenwoods_variance():
    # Without ties the infinitesimal jackknife and Greenwood agree up to terms of order 1/n.
    plain = kaplan_meier(Outcome(np.arange(1.0, 201), np.ones(200, dtype=bool)))
    found = weighted_survival(
        Outcome(np.arange(1.0, 201), np.ones(200, dtype=bool)), np.ones(200), [80.0], 80
    )
    greenwood = plain.loc[plain["time"] == 80, "std_error"].iloc[0]
    assert np.sqrt(np.sum(found.survival_by_weight**2)) == pytest.approx(greenwood, rel=1e-9)


def test_nothing_is_known_beyond_follow_up_unless_all_have_the_event():
    found = weighted_survival(OUTCOME, np.ones(5), [5, 6], 6)
    assert np.isfinite(found.survival[0])
    assert np.isnan(found.survival[1])
    assert np.isnan(found.rmst)
    gone = weighted_survival(Outcome([1, 2], [1, 1]), np.ones(2), [3], 3)
    assert gone.survival[0] == 0
    assert gone.rmst == pytest.approx(1.5)


def test_no_weight_at_all_is_no_estimate():
    found = weighted_survival(OUTCOME, np.zeros(5), [2], 2)
    assert np.isnan(found.survival).all()
    assert np.isnan(found.rmst)


@pytest.mark.parametrize(
    ("kind", "arm", "reference"),
    [
        # R 4.2.2, survival 3.5.3: survfit(Surv(os_months, os_event) ~ trt, weights = w) at 6, 12
        # and 24 months, and rmean to 24; propensity on age, sex, log wbc, secondary, unfavourable,
        # blasts, platelets, haemoglobin.
        (
            "IPTW",
            [0.8172469481, 0.5124395809, 0.3342216983, 14.06853859],
            [0.5946482265, 0.3978616535, 0.1768519424, 10.83680601],
        ),
        (
            "overlap",
            [0.8214187842, 0.5090906081, 0.3174143419, 13.9402129],
            [0.6272902411, 0.4155924931, 0.1849919127, 11.18053958],
        ),
        (
            "matching",
            [0.8209744153, 0.5045680716, 0.3070141981, 13.85122614],
            [0.6503639223, 0.4256541142, 0.184674262, 11.37531063],
        ),
    ],
)
def test_matches_r(kind, arm, reference):
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
    for rows, expected in ((treated, arm), (~treated, reference)):
        found = weighted_survival(outcome.take(rows), weight[rows], [6, 12, 24], 24)
        np.testing.assert_allclose([*found.survival, found.rmst], expected, rtol=1e-7)
