"""Kaplan-Meier, plain and weighted, against R's survfit and against hand arithmetic."""

from functools import partial
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from evaluation.regimens.adjusted.design import adjustment_design
from evaluation.regimens.adjusted.propensity import balancing_weights, fit_propensity
from evaluation.statistics.kaplan_meier import (
    kaplan_meier,
    median_time,
    number_at_risk,
    survival_at,
    weighted_kaplan_meier,
    weighted_survival,
)
from features.outcome import Outcome
from tests import references

SHARED = Path(__file__).parents[3].parent / "shared"
WEIGHTED = Outcome([1, 2, 2, 4, 5], [1, 1, 0, 1, 0])

# t: 1 event, 2 censored, 3 event and censored (the event first), 5 event.
# S: 4/5 = .8 at 1; x 2/3 at 3 = .533 (3 at risk at 3: the censoring at 2 left); x 0 at 5.
SMALL = Outcome([1, 2, 3, 3, 5], [1, 0, 1, 0, 1])

# The inline cohorts of the reference file.
EDGE = {
    "km_edge_even_uncensored": Outcome(np.arange(1, 11), np.ones(10)),
    "km_edge_flat_at_half_to_end": Outcome(np.arange(1, 11), [1] * 5 + [0] * 5),
    "km_edge_zero_times_ties": Outcome(np.repeat(range(5), 2), [1, 0] * 5),
    "km_edge_no_events": Outcome([2, 4, 6, 8], [0] * 4),
}
COHORT = {
    "km_leuksurv_all": ("leuksurv.csv", "time", "event", None),
    "km_leuksurv_sex": ("leuksurv.csv", "time", "event", "sex"),
    "km_bmt_dfs_group": ("bmt.csv", "t2", "d3", "group"),
    "km_bmt_os_group": ("bmt.csv", "t1", "d1", "group"),
    "km_mdacc_os_regimen": ("mdacc_venhma_ldac.csv", "os_months", "os_event", "regimen"),
    "km_aml_maint": ("leukemia_aml.csv", "time", "status", "x"),
}


r_result = partial(references.r_result, "km.json")


def groups_of(name):
    if name in EDGE:
        return {"all": EDGE[name]}
    file, time, event, by = COHORT[name]
    table = pd.read_csv(SHARED / "data" / file)
    whole = Outcome(table[time], table[event])
    if by is None:
        return {"all": whole}
    return {f"{by}={level}": whole.take(table[by] == level) for level in table[by].unique()}


def as_floats(values):
    return np.array([np.nan if v is None else v for v in np.atleast_1d(values)], dtype=float)


@pytest.mark.parametrize(
    ("name", "conf_type"),
    [(name, conf_type) for name in [*EDGE, *COHORT] for conf_type in ("log-log", "log")]
    + [(name, "plain") for name in COHORT],
)
def test_matches_r_survfit(name, conf_type):
    reference = r_result(name)[conf_type]
    groups = groups_of(name)
    at = pd.DataFrame(reference["at_times"])
    summary = {k: np.atleast_1d(reference[k]) for k in ("group", "median", "lcl", "ucl")}
    for i, group in enumerate(summary["group"]):
        outcome = groups[group]
        expected = as_floats([summary[k][i] for k in ("median", "lcl", "ucl")])
        np.testing.assert_allclose(median_time(outcome, conf_type), expected, rtol=1e-9)

        # R carries the curve beyond the last observation; this project does not.
        r = at[(at["group"] == group) & (at["time"] <= outcome.follow_up)]
        ours = survival_at(outcome, r["time"], conf_type)
        assert ours["n_risk"].tolist() == r["n_risk"].tolist()
        for mine, theirs in {
            "survival": "surv",
            "std_error": "se_greenwood",
            "ci_low": "lower",
            "ci_high": "upper",
        }.items():
            np.testing.assert_allclose(ours[mine], as_floats(r[theirs]), rtol=1e-6, atol=1e-9)


def test_curve_of_a_small_cohort():
    curve = kaplan_meier(SMALL)
    assert curve["time"].tolist() == [1, 2, 3, 5]
    assert curve["n_risk"].tolist() == [5, 4, 3, 1]
    assert curve["n_event"].tolist() == [1, 0, 1, 1]
    assert curve["n_censor"].tolist() == [0, 1, 1, 0]
    np.testing.assert_allclose(curve["survival"], [0.8, 0.8, 0.8 * 2 / 3, 0])
    # Greenwood at 3: S^2 (1/(5*4) + 1/(3*2)) = .2844 * .21667
    assert curve["std_error"][2] == pytest.approx((0.8 * 2 / 3) * np.sqrt(1 / 20 + 1 / 6))


def test_log_log_limits_by_hand():
    # S = .8, sigma of log S = sqrt(1/20); limits S^exp(+-z sigma / |log S|).
    first = kaplan_meier(SMALL).iloc[0]
    width = 1.959963984540054 * np.sqrt(1 / 20) / -np.log(0.8)
    assert first["ci_low"] == pytest.approx(0.8 ** np.exp(width))
    assert first["ci_high"] == pytest.approx(0.8 ** np.exp(-width))


def test_median_is_the_midpoint_of_a_flat_half():
    # S = .5 from 2 to 3.
    assert median_time(Outcome([1, 2, 3, 4], [1] * 4)).median == 2.5


def test_median_is_the_first_time_when_the_half_stays_flat():
    assert median_time(Outcome([1, 2, 3, 4], [1, 1, 0, 0])).median == 2


def test_median_not_reached_is_missing():
    median = median_time(Outcome([1, 2, 3, 4], [1, 0, 0, 0]))
    assert np.isnan(median.median)
    assert np.isnan(median.ci_high)


def test_horizon_beyond_follow_up_is_missing_not_flat():
    table = survival_at(Outcome([1, 4], [1, 0]), [0.5, 1, 4, 4.01])
    np.testing.assert_allclose(table["survival"], [1, 0.5, 0.5, np.nan])
    assert table["n_risk"].tolist() == [2, 2, 1, 0]
    assert table["n_event"].tolist() == [0, 1, 1, 1]
    assert table.loc[3, ["std_error", "ci_low", "ci_high"]].isna().all()


def test_before_the_first_event_there_is_no_interval():
    table = survival_at(SMALL, 0.5)
    assert table["survival"][0] == 1
    assert table[["ci_low", "ci_high"]].isna().all(axis=None)


def test_number_at_risk_counts_patients_observed_until_the_time():
    assert number_at_risk(SMALL, [0, 1, 3, 3.5, 6]).tolist() == [5, 5, 3, 1, 0]


def test_order_of_patients_does_not_matter():
    shuffled = SMALL.take([4, 2, 0, 3, 1])
    pd.testing.assert_frame_equal(kaplan_meier(shuffled), kaplan_meier(SMALL))


def test_no_patients_is_an_error():
    with pytest.raises(ValueError, match="no patients"):
        kaplan_meier(Outcome([], []))


def test_unknown_transform_is_an_error():
    with pytest.raises(ValueError, match="conf_type"):
        kaplan_meier(SMALL, "logit")


def test_weighted_by_hand():
    # Weights 1, 2, 1, 1, 1: S(1) = 1 - 1/6, S(2) = 5/6 * (1 - 2/5) = 1/2, S(4) = 1/2 * 1/2.
    found = weighted_survival(WEIGHTED, np.array([1, 2, 1, 1, 1]), [0.5, 1, 3, 4], 4.5)
    np.testing.assert_allclose(found.survival, [1, 5 / 6, 1 / 2, 1 / 4])
    # 1 month at 1, 1 at 5/6, 2 at 1/2, half a month at 1/4.
    assert found.rmst == pytest.approx(1 + 5 / 6 + 1 + 1 / 8)


def test_unit_weights_are_the_plain_curve():
    curve = weighted_kaplan_meier(WEIGHTED, np.ones(5))
    plain = kaplan_meier(WEIGHTED)
    for column in ("time", "survival", "n_risk", "n_event", "n_censor"):
        np.testing.assert_allclose(curve[column], plain[column])


def test_weights_are_repeated_patients_on_any_scale():
    counts = np.array([1, 3, 2, 1, 2])
    rows = np.repeat(np.arange(5), counts)
    one = weighted_survival(WEIGHTED, 0.3 * counts, [2, 4], 4)
    other = weighted_survival(WEIGHTED.take(rows), np.ones(len(rows)), [2, 4], 4)
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
    found = weighted_survival(WEIGHTED, np.ones(5), [5, 6], 6)
    assert np.isfinite(found.survival[0])
    assert np.isnan(found.survival[1])
    assert np.isnan(found.rmst)
    gone = weighted_survival(Outcome([1, 2], [1, 1]), np.ones(2), [3], 3)
    assert gone.survival[0] == 0
    assert gone.rmst == pytest.approx(1.5)


def test_no_weight_at_all_is_no_estimate():
    found = weighted_survival(WEIGHTED, np.zeros(5), [2], 2)
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
def test_weighted_matches_r(kind, arm, reference):
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
