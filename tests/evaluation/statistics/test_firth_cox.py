"""Firth's Cox regression against R, and under separation."""

from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from evaluation.statistics.firth_cox import fit_firth_cox
from features.outcome import Outcome

SHARED = Path(__file__).parents[3].parent / "shared"
# R 4.2.2: coxph's log likelihood plus half the log determinant of its information, maximised;
# limits where twice the profile falls by qchisq(.95, 1).
EXPECTED = {
    "three covariates": {
        "breslow": {
            "coef": [0.007055760122, 0.4334777469, 0.6615560589],
            "std_error": [0.01215912053, 0.2419905244, 0.2238986325],
            "ci_low": [-0.01717876473, -0.05209319268, 0.2190303633],
            "ci_high": [0.03045908753, 0.8948352167, 1.094615505],
            "p_value": [0.5631612319, 0.0791245778, 0.003711017372],
            "penalised_log_likelihood": -360.2969204,
        },
        "efron": {
            "coef": [0.007053132924, 0.4333012669, 0.661947994],
            "std_error": [0.01216167453, 0.2419777976, 0.2238949126],
            "ci_low": [-0.01718694896, -0.05224805871, 0.2194297664],
            "ci_high": [0.03046098482, 0.894631376, 1.095001189],
            "p_value": [0.5633894482, 0.07923005385, 0.003690781876],
            "penalised_log_likelihood": -360.2269059,
        },
    },
    "separation": {
        "breslow": {
            "coef": [0.368336443, -2.186499024],
            "std_error": [0.4137847193, 1.493444513],
            "ci_low": [-0.4287403332, -7.041433973],
            "ci_high": [1.165373147, -0.1515917769],
            "p_value": [0.3603600345, 0.03097304939],
            "penalised_log_likelihood": -72.2022077,
        },
        "efron": {
            "coef": [0.3691549871, -2.187362641],
            "std_error": [0.4137942117, 1.4934032],
            "ci_low": [-0.4279408735, -7.042287082],
            "ci_high": [1.166209601, -0.1525082866],
            "p_value": [0.3593111775, 0.03087770559],
            "penalised_log_likelihood": -72.16123601,
        },
    },
}


@pytest.mark.parametrize("ties", ["breslow", "efron"])
@pytest.mark.parametrize("case", EXPECTED)
def test_matches_r(case, ties):
    path = SHARED / "data" / "bmt.csv"
    if not path.exists():
        pytest.skip("the public cohorts are not beside this checkout")
    table = pd.read_csv(path)
    names = ["z1", "z10", "z8"]
    if case == "separation":
        # The first 38 patients; the flag marks the first four of them without an event.
        table = table.iloc[:38].copy()
        table["sep"] = 0.0
        table.loc[table.index[table["d3"] == 0][:4], "sep"] = 1.0
        names = ["z10", "sep"]
    fit = fit_firth_cox(Outcome(table["t2"], table["d3"]), table[names].to_numpy(float), ties=ties)
    for name, expected in EXPECTED[case][ties].items():
        np.testing.assert_allclose(getattr(fit, name), expected, atol=1e-6)


def test_an_arm_without_events_has_a_finite_estimate_and_limits():
    outcome = Outcome([1, 2, 3, 4, 5, 6, 7, 8], [1, 0, 1, 0, 1, 0, 1, 0])
    arm = np.array([0.0, 1.0] * 4)[:, None]
    fit = fit_firth_cox(outcome, arm)
    assert -5 < fit.coef[0] < 0
    assert fit.ci_low[0] < fit.coef[0] < fit.ci_high[0]
    assert 0 < fit.p_value[0] < 1


def test_only_the_profiles_asked_for_are_made():
    rng = np.random.default_rng(3)
    outcome = Outcome(rng.exponential(size=20), np.ones(20, dtype=bool))
    fit = fit_firth_cox(outcome, rng.normal(size=(20, 2)), profiled=(1,))
    assert np.isnan(fit.ci_low[0])
    assert np.isfinite(fit.ci_low[1])


def test_recoding_a_column_changes_its_coefficient_alone():
    rng = np.random.default_rng(4)
    outcome = Outcome(rng.exponential(size=30), rng.random(30) < 0.7)
    X = rng.normal(size=(30, 2))
    fit = fit_firth_cox(outcome, X)
    other = fit_firth_cox(outcome, X * [10, 1] + [5, 0])
    np.testing.assert_allclose(other.coef, fit.coef / [10, 1], rtol=1e-6)
    np.testing.assert_allclose(other.ci_high, fit.ci_high / [10, 1], rtol=1e-6)


@pytest.mark.parametrize(("event", "column"), [([0, 0, 0], [1, 0, 1]), ([1, 1, 0], [1, 1, 1])])
def test_without_events_or_a_constant_column_there_is_a_reason(event, column):
    fit = fit_firth_cox(Outcome([1, 2, 3], event), np.array(column, dtype=float)[:, None])
    assert np.isnan(fit.coef[0])
    assert fit.note.startswith("not estimable")
