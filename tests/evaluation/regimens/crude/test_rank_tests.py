"""Rank tests against R, against hand arithmetic, and at their edges."""

import numpy as np
import pytest
from scipy import stats

from evaluation.regimens.crude.rank_tests import (
    MAX_COMBO_WEIGHTS,
    fleming_harrington,
    log_rank,
    max_combo,
    rank_test_rows,
)
from evaluation.results import regimen_table
from features.outcome import Outcome
from tests.references import AML, AML_ARM, cohort, r_result

# A: events at 1 and 4, censored at 6; B: events at 2 and 3, censored at 5.
OUTCOME = Outcome([1, 4, 6, 2, 3, 5], [1, 1, 0, 1, 1, 0])
REGIMEN = np.array(["A"] * 3 + ["B"] * 3)


@pytest.mark.parametrize(
    ("file", "time", "event", "by", "reference"),
    [
        ("leuksurv.csv", "time", "event", "sex", "lr_leuk_sex"),
        ("bmt.csv", "t2", "d3", "group", "lr_bmt_group"),
        ("leukemia_aml.csv", "time", "status", "x", "lr_aml"),
    ],
)
def test_log_rank_matches_r(file, time, event, by, reference):
    table, outcome = cohort(file, time, event)
    r = r_result("logrank.json", reference)
    np.testing.assert_allclose(log_rank(outcome, table[by]), (r["chisq"], r["p"]), rtol=1e-6)


def test_log_rank_by_hand():
    # Times 1, 2, 3, 4 with (at risk A, B): (3,3), (2,3), (2,2), (2,1), one event each.
    # Expected in A: 1/2 + 2/5 + 1/2 + 2/3 = 2.0667, observed 2.
    # Variance: 1/4 + 6/25 + 1/4 + 2/9.
    chi_square = (2 - 62 / 30) ** 2 / (0.25 + 0.24 + 0.25 + 2 / 9)
    assert log_rank(OUTCOME, REGIMEN).statistic == pytest.approx(chi_square)


def test_log_rank_without_information_is_missing():
    # no event; the only event after the other arm has left; everyone at the same time
    for time, event in (([1, 2, 3, 4], [0] * 4), ([1, 2, 3, 4], [0, 0, 1, 0]), ([2] * 4, [1] * 4)):
        assert np.isnan(log_rank(Outcome(time, event), ["A", "A", "B", "B"])).all()


def test_an_arm_gone_before_the_first_event_takes_no_degree_of_freedom():
    early = Outcome([*OUTCOME.time, 0.5, 0.7], [*OUTCOME.event, False, False])
    assert log_rank(early, [*REGIMEN, "C", "C"]) == log_rank(OUTCOME, REGIMEN)


# R 4.2.2, survival 3.5.3: survdiff(Surv(time, status) ~ x, aml, rho); with gamma from sums of
# w (d1 - e1) and w^2 v over the event times, w = (1 - S(t-))^gamma S(t-)^rho.
@pytest.mark.parametrize(
    ("rho", "gamma", "chi_square", "p_value"),
    [
        (0, 0, 3.396388699, 0.06533932204),
        (1, 0, 2.779279545, 0.09549111541),
        (0, 1, 2.630113218, 0.1048542364),
        (1, 1, 1.452483455, 0.2281298789),
    ],
)
def test_fleming_harrington_matches_r(rho, gamma, chi_square, p_value):
    test = fleming_harrington(AML, AML_ARM, rho, gamma)
    np.testing.assert_allclose(test, (chi_square, p_value), rtol=1e-6)


@pytest.mark.parametrize(
    ("reference", "file", "time", "event", "by"),
    [
        ("wlr_mdacc", "mdacc_venhma_ldac.csv", "os_months", "os_event", "regimen"),
        ("wlr_leuk_sex", "leuksurv.csv", "time", "event", "sex"),
        ("wlr_bmt_z10", "bmt.csv", "t2", "d3", "z10"),
    ],
)
def test_weighted_tests_of_public_cohorts_match_r(reference, file, time, event, by):
    table, outcome = cohort(file, time, event)
    r = r_result("logrank.json", reference)
    for weight, key in {(0, 1): "FH_0_1", (1, 1): "FH_1_1", (1, 0): "peto_peto_S_left"}.items():
        test = fleming_harrington(outcome, table[by], *weight)
        np.testing.assert_allclose(test, (r[key]["chisq"], r[key]["p"]), rtol=1e-6)


def test_peto_of_three_arms_matches_r():
    table, outcome = cohort("bmt.csv", "t2", "d3")
    r = r_result("logrank.json", "peto_bmt_group")
    test = fleming_harrington(outcome, table["group"], 1, 0)
    np.testing.assert_allclose(test, (r["chisq"], r["p"]), rtol=1e-6)


@pytest.mark.parametrize(
    ("reference", "file", "columns"),
    [
        ("lr_bmt_z10_strat_group", "bmt.csv", ("t2", "d3", "z10", "group")),
        (
            "lr_mdacc_strat_aml_group",
            "mdacc_venhma_ldac.csv",
            ("os_months", "os_event", "regimen", "aml_group"),
        ),
    ],
)
def test_stratified_log_rank_matches_r(reference, file, columns):
    time, event, by, strata = columns
    table, outcome = cohort(file, time, event)
    r = r_result("logrank.json", reference)
    test = log_rank(outcome, table[by], table[strata])
    np.testing.assert_allclose(test, (r["chisq"], r["p"]), rtol=1e-6)


def test_stratified_log_rank_by_hand():
    # Stratum 1: A 1, B 2 (all events). At 1: (1, 1) at risk, O - E = 1 - 1/2, V = 1/4; at 2 B
    # alone. Stratum 2: B 1, A 3, B 4: at 1 (1, 2) O - E = -1/3, V = 2/9; at 3 (1, 1) 1/2, 1/4.
    outcome = Outcome([1, 2, 1, 3, 4], [1] * 5)
    chi_square = (1 / 2 - 1 / 3 + 1 / 2) ** 2 / (1 / 4 + 2 / 9 + 1 / 4)
    test = log_rank(outcome, list("ABBAB"), [1, 1, 2, 2, 2])
    assert test.statistic == pytest.approx(chi_square)


def test_one_stratum_is_no_stratification():
    assert log_rank(AML, AML_ARM, np.ones(23)) == log_rank(AML, AML_ARM)


def test_a_stratum_with_one_arm_tells_nothing():
    more = Outcome([*AML.time, 3, 40], [*AML.event, True, True])
    test = log_rank(more, [*AML_ARM, "not", "not"], [*["all"] * 23, "other", "other"])
    assert test == log_rank(AML, AML_ARM)


def test_strata_that_hold_two_arms_each_cannot_compare_all_four():
    outcome = Outcome(np.arange(1.0, 9), np.ones(8))
    assert np.isnan(log_rank(outcome, list("ABABCDCD"), [1] * 4 + [2] * 4)).all()


def test_max_combo_is_the_largest_statistic_and_its_p_lies_between_bounds():
    combo = max_combo(AML.take(AML_ARM == "not"), AML.take(AML_ARM == "maintained"))
    chi_squares = [fleming_harrington(AML, AML_ARM, *weight)[0] for weight in MAX_COMBO_WEIGHTS]
    np.testing.assert_allclose(np.square(combo.z), chi_squares)
    assert combo.z[0] > 0  # more events than expected without maintenance
    assert combo.statistic == max(np.abs(combo.z))
    single = 2 * stats.norm.sf(combo.statistic)
    assert single < combo.p_value < 4 * single


def test_max_combo_p_agrees_with_a_simulated_integral():
    combo = max_combo(AML.take(AML_ARM == "not"), AML.take(AML_ARM == "maintained"))
    # Scores and covariances by the definition of the weighted log-rank test.
    times = np.unique(AML.time[AML.event])
    survival, scores = 1.0, []
    for time in times:
        at_risk, now = AML.time >= time, AML.event & (AML.time == time)
        n, d, n1 = at_risk.sum(), now.sum(), (at_risk & (AML_ARM == "not")).sum()
        v = d * n1 / n * (1 - n1 / n) * (n - d) / max(n - 1, 1)
        weights = [survival**rho * (1 - survival) ** gamma for rho, gamma in MAX_COMBO_WEIGHTS]
        scores.append(np.outer(weights, weights) * v)
        survival *= 1 - d / n
    root = np.linalg.cholesky(np.sum(scores, axis=0)[1:, 1:])
    drawn = np.random.default_rng(5).standard_normal((400_000, 3)) @ root.T
    drawn = np.column_stack([drawn[:, 0] + drawn[:, 1], drawn])
    sizes = np.abs(drawn / np.sqrt(np.diag(np.sum(scores, axis=0)))).max(axis=1)
    # Standard error of the simulation: sqrt(.13 * .87 / 400000) = .0005
    assert combo.p_value == pytest.approx((sizes >= combo.statistic).mean(), abs=0.002)


def test_max_combo_finds_crossing_curves_that_the_log_rank_test_misses():
    # Arm B dies early or late, arm A in between.
    a = Outcome(np.linspace(4, 8, 40), np.ones(40))
    b = Outcome([*np.linspace(1, 3, 20), *np.linspace(9, 20, 20)], np.ones(40))
    both = Outcome([*a.time, *b.time], np.ones(80))
    crude = log_rank(both, ["A"] * 40 + ["B"] * 40).p_value
    assert max_combo(a, b).p_value < 0.001 < crude


def test_max_combo_is_symmetric_and_knows_no_order():
    a, b = AML.take(AML_ARM == "not"), AML.take(AML_ARM == "maintained")
    forward, back = max_combo(a, b), max_combo(b, a)
    assert forward.p_value == pytest.approx(back.p_value, abs=1e-12)
    np.testing.assert_allclose(forward.z, np.negative(back.z))
    shuffled = a.take([5, 3, 11, 0, 1, 2, 4, 10, 9, 8, 7, 6])
    assert max_combo(shuffled, b).p_value == pytest.approx(forward.p_value, abs=1e-12)


def test_with_a_single_event_time_max_combo_is_the_log_rank_test():
    a, b = Outcome([1, 1, 5], [1, 1, 0]), Outcome([4, 5, 6], [0, 0, 0])
    combo = max_combo(a, b)
    both = Outcome([1, 1, 5, 4, 5, 6], [1, 1, 0, 0, 0, 0])
    assert combo.p_value == pytest.approx(log_rank(both, list("aaabbb")).p_value)
    assert np.isnan(combo.z[2:]).all()


def test_stratified_max_combo_of_one_stratum():
    a, b = AML.take(AML_ARM == "not"), AML.take(AML_ARM == "maintained")
    plain, one = max_combo(a, b), max_combo(a, b, (np.ones(12), np.ones(11)))
    assert one.p_value == pytest.approx(plain.p_value, abs=1e-12)


def test_without_information_every_test_is_missing_and_says_why():
    for time, event in (([1, 2, 3, 4], [0] * 4), ([1, 2, 3, 4], [0, 0, 1, 0]), ([2] * 4, [1] * 4)):
        rows = list(rank_test_rows(Outcome(time, event), np.array(list("AABB")), ["A", "B"]))
        table = regimen_table(rows)
        assert table["estimate"].isna().all()
        assert table["p_value"].isna().all()
        assert table["note"].str.contains("not estimable").all()


def test_rows_of_three_arms():
    arms = np.array(["A"] * 8 + ["B"] * 8 + ["C"] * 7, dtype=object)
    strata = np.array([*"xy" * 11, None], dtype=object)
    table = regimen_table(rank_test_rows(AML, arms, ["A", "C", "B"], strata))
    names = table["estimator"].value_counts().to_dict()
    assert names == {
        "stratified log-rank": 1,
        "Fleming-Harrington (1, 0)": 1,
        "Fleming-Harrington (0, 1)": 1,
        "Fleming-Harrington (1, 1)": 1,
        "log-rank": 2,
        "MaxCombo": 2,
    }
    stratified = table.iloc[0]
    assert stratified["n"] == 22
    assert "1 without a stratum left out" in stratified["note"]
    assert "global test of 3 arms" in stratified["note"]
    pair = table[(table["estimator"] == "log-rank") & (table["arm"] == "A")].iloc[0]
    both = np.isin(arms, ["A", "B"])
    assert pair["p_value"] == log_rank(AML.take(both), arms[both]).p_value
    assert pair["n"] == 16


def test_pairs_with_the_reference_arm_match_r():
    table, outcome = cohort("bmt.csv", "t2", "d3")
    r = r_result("logrank.json", "lr_pairwise_bmt")
    expected = dict(zip(r["pairs"], r["p"], strict=True))
    group = table["group"].astype(str).to_numpy(dtype=object)
    rows = regimen_table(rank_test_rows(outcome, group, ["2", "3", "1"]))
    pairs = rows[rows["estimator"] == "log-rank"].set_index("arm")["p_value"]
    assert pairs["2"] == pytest.approx(expected["1-2"], rel=1e-6)
    assert pairs["3"] == pytest.approx(expected["1-3"], rel=1e-6)
