"""RMST against R's survfit and survRM2 formula, hand arithmetic, and exact permutations."""

import itertools

import numpy as np
import pytest

from evaluation.regimens.crude.rmst import choose_tau, permutation_test, restricted_mean, rmst_rows
from evaluation.results import regimen_table
from features.outcome import Outcome
from tests.references import AML, AML_ARM, cohort, r_result


def rows_of(by_arm, tau, replicates=0, seed=1):
    return regimen_table(rmst_rows(by_arm, tau, replicates, seed))


def test_rmst_of_the_maintenance_trial_matches_r():
    # R 4.2.2, survival 3.5.3: summary(survfit(Surv(time, status) ~ x, aml), rmean = 40)$table;
    # difference and ratio from its estimates and errors.
    by_arm = {arm: AML.take(arm == AML_ARM) for arm in ("maintained", "not")}
    np.testing.assert_allclose(
        restricted_mean(by_arm["maintained"], 40), (28.89772727, 3.467577679), rtol=1e-6
    )
    np.testing.assert_allclose(
        restricted_mean(by_arm["not"], 40), (21.93055556, 3.835641163), rtol=1e-6
    )
    table = rows_of(by_arm, 40).set_index("estimator")
    columns = ["estimate", "ci_low", "ci_high", "p_value"]
    np.testing.assert_allclose(
        table.loc["RMST difference", columns].astype(float),
        (6.967171717, -3.167232935, 17.10157637, 0.1778416322),
        rtol=1e-6,
    )
    np.testing.assert_allclose(
        table.loc["RMST ratio", columns].astype(float),
        (1.317692441, 0.8695006131, 1.996908733, 0.1933660174),
        rtol=1e-6,
    )


@pytest.mark.parametrize(
    ("reference", "file", "columns", "tau"),
    [
        ("rmst_mdacc_12m", "mdacc_venhma_ldac.csv", ("os_months", "os_event", "trt"), 12),
        ("rmst_mdacc_24m", "mdacc_venhma_ldac.csv", ("os_months", "os_event", "trt"), 24),
        ("rmst_leuk_sex_24m", "leuksurv.csv", ("time", "event", "sex"), 730.5),
        ("rmst_bmt_z10_24m", "bmt.csv", ("t2", "d3", "z10"), 730.5),
    ],
)
def test_rmst_of_public_cohorts_matches_r(reference, file, columns, tau):
    time, event, by = columns
    table, outcome = cohort(file, time, event)
    r = r_result("rmst.json", reference)
    one, zero = (outcome.take(table[by] == level) for level in (1, 0))
    expected = list(zip(r["rmst_survfit"], r["se_survfit"], strict=True))
    np.testing.assert_allclose(
        [restricted_mean(zero, tau), restricted_mean(one, tau)], expected, rtol=1e-6
    )
    found = rows_of({"one": one, "zero": zero}, tau).set_index("estimator")
    columns = ["estimate", "ci_low", "ci_high", "p_value"]
    keys = ("diff_2_minus_1", "diff_lower", "diff_upper", "diff_p")
    difference = found.loc["RMST difference", columns].astype(float)
    np.testing.assert_allclose(difference, [r[key] for key in keys], rtol=1e-6)
    keys = ("ratio_2_over_1", "ratio_lower", "ratio_upper", "ratio_p")
    ratio = found.loc["RMST ratio", columns].astype(float)
    np.testing.assert_allclose(ratio, [r[key] for key in keys], rtol=1e-6)


def test_rmst_by_hand():
    # S = 1 to month 2, 3/4 to month 4, then 3/8 to month 5: 2 + 3/2 + 3/8.
    outcome = Outcome([2, 3, 4, 6], [1, 0, 1, 0])
    mean, error = restricted_mean(outcome, 5)
    assert mean == pytest.approx(3.875)
    # Areas right of the events: 15/8 and 3/8; Greenwood terms 1/(4 * 3) and 1/(2 * 1).
    assert error**2 == pytest.approx((15 / 8) ** 2 / 12 + (3 / 8) ** 2 / 2)


def test_without_censoring_rmst_is_a_mean():
    # Mean of min(T, tau), and the variance of a mean with divisor n twice.
    time = np.array([1.0, 2.0, 2.0, 5.0, 9.0, 12.0])
    capped = np.minimum(time, 8)
    mean, error = restricted_mean(Outcome(time, np.ones(6)), 8)
    assert mean == pytest.approx(capped.mean())
    assert error == pytest.approx(np.sqrt(((capped - capped.mean()) ** 2).sum() / 36))


def test_beyond_follow_up_rmst_is_missing_and_says_so():
    by_arm = {"A": Outcome([2, 4], [1, 0]), "B": Outcome([3, 9], [1, 0])}
    assert np.isnan(restricted_mean(by_arm["A"], 5)).all()
    table = rows_of(by_arm, 5, replicates=50).set_index(["estimator", "arm"])
    assert np.isfinite(table.loc[("RMST", "B"), "estimate"].item())
    for row in table.loc[[("RMST difference", "A"), ("RMST ratio", "A")]].to_dict("records"):
        assert np.isnan(row["estimate"])
        assert row["note"] == "follow-up of A ends at 4.0 months"


def test_tau_is_the_last_horizon_that_every_arm_reaches():
    by_arm = {"A": Outcome([2, 14], [1, 0]), "B": Outcome([3, 30], [1, 0])}
    assert choose_tau(by_arm, [6, 12, 24]) == 12
    assert choose_tau(by_arm, [24]) == 14
    assert choose_tau(by_arm, []) == 14


def test_an_arm_without_events_has_no_variance():
    by_arm = {"A": Outcome([9, 9, 9], [0, 0, 0]), "B": Outcome([3, 9], [1, 0])}
    table = rows_of(by_arm, 6, replicates=200).set_index(["estimator", "arm", "ci_method"])
    assert table.loc[("RMST", "A", "normal, Greenwood"), "note"].startswith("no interval")
    difference = table.loc[("RMST difference", "A", "normal, Greenwood")]
    # 6 - (3 + 3/2), and 6 / 4.5.
    assert difference["estimate"] == pytest.approx(1.5)
    ratio = table.loc[("RMST ratio", "A", "log-normal, Greenwood")]
    assert ratio["estimate"] == pytest.approx(6 / 4.5)
    # B alone has a variance: no interval and no normal p from one arm.
    for row in (difference, ratio):
        assert row[["ci_low", "ci_high", "p_value"]].isna().all()
        assert "no interval: no variance of A before tau" in row["note"]
    nobody = {"A": by_arm["A"], "B": Outcome([9, 9], [0, 0])}
    empty = rows_of(nobody, 6, replicates=200)
    contrasts = empty[empty["reference_arm"].notna()]
    assert contrasts["p_value"].isna().all()
    assert contrasts["note"].str.contains("no variance of A before tau").all()
    assert contrasts["note"].str.contains("no variance of B before tau").all()


def test_one_arm_without_an_event_keeps_the_permutation_p_without_its_limits():
    times = np.arange(1.0, 21.0)
    by_arm = {"A": Outcome(times, times < 0), "B": Outcome(times, times % 2 == 0)}
    found = permutation_test(by_arm["A"], by_arm["B"], 18, 200, 1)
    assert 0 < found.p_value <= 1
    assert np.isnan([found.ci_low, found.ci_high]).all()
    table = rows_of(by_arm, 18, replicates=200)
    permuted = table[table["p_value"].notna() & (table["estimator"] == "RMST difference")]
    assert permuted["p_value"].tolist() == [found.p_value]
    assert "no interval: no variance of A before tau" in permuted["note"].iloc[0]


def test_a_mean_of_zero_has_no_ratio():
    by_arm = {"A": Outcome([0, 0], [1, 1]), "B": Outcome([0, 1], [1, 1])}
    assert np.isnan(restricted_mean(by_arm["A"], 0.5).estimate)  # followed to month 0 alone
    with pytest.raises(ValueError, match="above 0 months"):
        restricted_mean(by_arm["A"], 0)


def test_permutation_p_is_the_share_of_all_permutations():
    # Uncensored, so that the statistic is that of two means with divisor n.
    time = np.array([1.0, 2.5, 3.0, 7.0, 2.0, 6.0, 8.0, 9.5])
    tau = 7.0

    def size(first):
        chosen = np.isin(np.arange(8), first)
        parts = [np.minimum(time[who], tau) for who in (chosen, ~chosen)]
        variance = sum(((p - p.mean()) ** 2).sum() / len(p) ** 2 for p in parts)
        return abs(parts[0].mean() - parts[1].mean()) / np.sqrt(variance)

    sizes = np.array([size(first) for first in itertools.combinations(range(8), 4)])
    exact = (sizes >= size([0, 1, 2, 3]) - 1e-9).mean()
    arm, reference = Outcome(time[:4], np.ones(4)), Outcome(time[4:], np.ones(4))
    p_value = permutation_test(arm, reference, tau, 20_000, seed=3).p_value
    # Standard error of the simulation below .0036.
    assert p_value == pytest.approx(exact, abs=0.012)


def test_permutation_interval_excludes_zero_exactly_where_p_is_small():
    rng = np.random.default_rng(8)
    for shift in (1.0, 1.5, 2.5, 4.0):
        arm = Outcome(rng.exponential(4 * shift, 20), np.ones(20))
        reference = Outcome(rng.exponential(4, 20), np.ones(20))
        tau = min(arm.follow_up, reference.follow_up)
        test = permutation_test(arm, reference, tau, 999, seed=2)
        outside = test.ci_low > 0 or test.ci_high < 0
        assert outside == (test.p_value < 0.05)


def test_the_seed_decides_and_the_order_of_patients_does_not():
    arm, reference = AML.take(AML_ARM == "maintained"), AML.take(AML_ARM == "not")
    one = permutation_test(arm, reference, 40, 500, seed=7)
    assert permutation_test(arm, reference, 40, 500, seed=7) == one
    assert permutation_test(arm, reference, 40, 500, seed=8) != one
    order = np.random.default_rng(1).permutation(len(arm))
    assert permutation_test(arm.take(order), reference, 40, 500, seed=7) == one


def test_small_samples_keep_the_level_under_permutation():
    # Eight patients an arm, the same distribution: the asymptotic test rejects too often.
    rng = np.random.default_rng(11)
    rejected = np.zeros(2)
    for _ in range(300):
        time, censoring = rng.exponential(6, 16), rng.uniform(5, 20, 16)
        both = Outcome(np.minimum(time, censoring), time <= censoring)
        by_arm = {"A": both.take(np.arange(8)), "B": both.take(np.arange(8, 16))}
        tau = min(5.0, *(o.follow_up for o in by_arm.values()))
        table = rows_of(by_arm, tau, replicates=199, seed=1)
        rejected += table.loc[table["estimator"] == "RMST difference", "p_value"].to_numpy() < 0.05
    asymptotic, permuted = rejected / 300
    assert permuted <= 0.075  # .05 plus two standard errors of .0126
    assert permuted < asymptotic


def test_duplicating_every_patient_changes_no_estimate():
    twice = AML.take(np.tile(np.arange(23), 2))
    assert restricted_mean(twice, 40).estimate == pytest.approx(restricted_mean(AML, 40).estimate)


def test_three_arms_share_tau_and_the_reference():
    arms = np.array(["A"] * 8 + ["B"] * 8 + ["C"] * 7)
    by_arm = {arm: AML.take(arms == arm) for arm in ("A", "C", "B")}
    table = rows_of(by_arm, 20, replicates=50)
    assert table["horizon"].eq(20).all()
    differences = table[table["estimator"] == "RMST difference"]
    assert differences["arm"].tolist() == ["A", "A", "C", "C"]
    assert set(differences["reference_arm"]) == {"B"}
