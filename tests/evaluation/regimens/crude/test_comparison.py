"""Classical regimen comparison against R, against hand arithmetic, and at its edges."""

import numpy as np
import pandas as pd
import pytest

from evaluation.regimens.crude.comparison import FurtherComparisons, compare_regimens
from evaluation.results import REGIMEN_COLUMNS
from evaluation.statistics.proportions import TwoProportions
from features.outcome import Outcome
from tests.references import cohort, r_result

# A: events at 1 and 4, censored at 6; B: events at 2 and 3, censored at 5.
OUTCOME = Outcome([1, 4, 6, 2, 3, 5], [1, 1, 0, 1, 1, 0])
REGIMEN = np.array(["A"] * 3 + ["B"] * 3)


@pytest.fixture(scope="session")
def mdacc():
    table, outcome = cohort("mdacc_venhma_ldac.csv", "os_months", "os_event")
    rows = compare_regimens({"OS": outcome}, table["regimen"], "LDAC_BASED", [12], table["cr_cri"])
    return rows.set_index(["estimator", "arm"])


def test_crude_hazard_ratio_matches_r(mdacc):
    r = r_result("cox.json", "cox_mdacc_uni_efron")
    row = mdacc.loc[("Cox hazard ratio", "VEN_HMA")]
    ours = row[["estimate", "ci_low", "ci_high", "p_value"]].astype(float)
    np.testing.assert_allclose(ours, [r[k] for k in ("hr", "hr_lower", "hr_upper", "p")], rtol=1e-6)
    assert "proportional hazards p = .74" in row["note"]
    assert "above 1: worse than LDAC_BASED" in row["note"]


def test_log_rank_and_medians_match_r(mdacc):
    r = r_result("logrank.json", "lr_mdacc")
    row = mdacc.loc[("log-rank", "VEN_HMA")]
    np.testing.assert_allclose((row["estimate"], row["p_value"]), (r["chisq"], r["p"]), rtol=1e-6)
    limits = ["estimate", "ci_low", "ci_high"]
    assert mdacc.loc[("median", "VEN_HMA"), limits].tolist() == pytest.approx([11.76, 9.72, 14.88])
    assert mdacc.loc[("median", "LDAC_BASED"), limits].tolist() == pytest.approx(
        [9.48, 7.08, 13.44]
    )


def test_survival_difference_from_r_standard_errors(mdacc):
    # survfit at 12 months: .4797777 (SE .0563368) and .4420290 (SE .0602318).
    row = mdacc.loc[("Kaplan-Meier difference", "VEN_HMA")]
    margin = 1.959963984540054 * np.hypot(0.05633677074, 0.06023179097)
    difference = (1 - 0.4797777092) - (1 - 0.4420289855)
    expected = [difference, difference - margin, difference + margin]
    np.testing.assert_allclose(row[["estimate", "ci_low", "ci_high"]].astype(float), expected, 1e-6)


def test_response_matches_r_and_counts_the_missing(mdacc):
    r = r_result("response.json", "resp_mdacc")
    rows = mdacc.loc[("response rate difference", "VEN_HMA")].set_index("ci_method")
    for method, key in {"Newcombe": "newcombe", "Miettinen-Nurminen": "miettinen_nurminen"}.items():
        limits = rows.loc[method, ["ci_low", "ci_high"]].astype(float)
        np.testing.assert_allclose(limits, r[f"rd_{key}_ci"], rtol=1e-6)
        assert rows.loc[method, "p_value"] == pytest.approx(r["chisq_p"], rel=1e-6)
        assert "Fisher p = .028" in rows.loc[method, "note"]
        assert "3 with a missing value left out" in rows.loc[method, "note"]
    assert mdacc.loc[("response rate", "VEN_HMA"), "n"] == 76


def test_table_has_the_shared_columns_and_every_row():
    adverse_events = pd.DataFrame({"sepsis": [0, 1, 0, 1, 1, 0], "bleeding": [0] * 6})
    table = compare_regimens(
        {"OS": OUTCOME, "EFS": OUTCOME}, REGIMEN, "B", [2, 4], [1, 1, 0, 0, 0, 1], adverse_events
    )
    assert tuple(table.columns) == REGIMEN_COLUMNS
    assert set(table["family"]) == {"classical"}
    counts = table.groupby(["endpoint", "estimator"]).size()
    # 2 arms, 2 horizons; a difference row for the one arm that is not the reference.
    assert counts["OS"].to_dict() == counts["EFS"].to_dict()
    assert counts["OS"].to_dict() == {
        "Cox hazard ratio": 1,
        "log-rank": 1,
        "median": 2,
        "event probability": 4,
        "Kaplan-Meier difference": 2,
    }
    assert counts["response"].to_dict() == {"response rate": 2, "response rate difference": 2}
    assert counts["sepsis"].to_dict() == {
        "adverse event rate": 2,
        "adverse event rate difference": 1,
    }
    sepsis = table[(table["endpoint"] == "sepsis") & table["reference_arm"].notna()].iloc[0]
    # 1 of 3 against 2 of 3
    assert tuple(sepsis[["estimate", "ci_low", "ci_high"]]) == pytest.approx(
        TwoProportions(1, 3, 2, 3).risk_difference()
    )


def test_order_of_patients_does_not_matter():
    order = [3, 0, 5, 1, 4, 2]
    responder = np.array([1, np.nan, 0, 0, 1, 1])
    one = compare_regimens({"OS": OUTCOME}, REGIMEN, "B", [3], responder)
    other = compare_regimens(
        {"OS": OUTCOME.take(order)}, REGIMEN[order], "B", [3], responder[order]
    )
    pd.testing.assert_frame_equal(one, other)


def test_an_arm_without_events():
    outcome = Outcome([2, 4, 6, 8, 3, 5, 7, 9], [1, 1, 1, 0, 0, 0, 0, 0])
    table = compare_regimens({"OS": outcome}, ["A"] * 4 + ["B"] * 4, "A", [4]).set_index(
        ["estimator", "arm"]
    )
    assert np.isnan(table.loc[("median", "B"), "estimate"])
    assert table.loc[("median", "B"), "note"] == "not reached"
    assert np.isnan(table.loc[("Cox hazard ratio", "B"), "estimate"])
    assert "not estimable" in table.loc[("Cox hazard ratio", "B"), "note"]
    assert np.isfinite(table.loc[("log-rank", "B"), "p_value"])
    difference = table.loc[("Kaplan-Meier difference", "B")]
    # 0 - 2/4, with no interval because arm B has no variance.
    assert difference["estimate"] == pytest.approx(-0.5)
    assert np.isnan(difference["ci_low"])
    assert "no interval" in difference["note"]


def test_horizon_beyond_follow_up_is_missing_and_says_so():
    table = compare_regimens({"OS": OUTCOME}, REGIMEN, "B", [5.5]).set_index(["estimator", "arm"])
    assert np.isfinite(table.loc[("event probability", "A"), "estimate"])
    assert np.isnan(table.loc[("event probability", "B"), "estimate"])
    assert table.loc[("event probability", "B"), "note"] == "follow-up of B ends at 5.0 months"
    assert np.isnan(table.loc[("Kaplan-Meier difference", "A"), "estimate"])


def test_three_arms_are_each_compared_with_the_reference_and_tested_together():
    outcome = Outcome([*OUTCOME.time, 1.5, 2.5, 4.5], [*OUTCOME.event, True, True, False])
    regimen = [*REGIMEN, "C", "C", "C"]
    table = compare_regimens({"OS": outcome}, regimen, "B", [3])
    ratios = table[table["estimator"] == "Cox hazard ratio"]
    assert ratios["arm"].tolist() == ["A", "C"]
    assert ratios["reference_arm"].tolist() == ["B", "B"]
    assert ratios["n"].tolist() == [6, 6]
    test = table[table["estimator"] == "log-rank"].iloc[0]
    assert test["arm"] == "A / C"
    assert test["note"] == "global test of 3 arms"
    assert test["n"] == 9


def test_responses_unknown_in_a_whole_arm():
    table = compare_regimens({}, REGIMEN, "B", [], [1, 0, 1, np.nan, np.nan, np.nan])
    difference = table[table["estimator"] == "response rate difference"].iloc[0]
    assert np.isnan(difference["estimate"])
    assert "not estimable" in difference["note"]


def test_a_single_arm_is_an_error_that_names_the_remedy():
    with pytest.raises(ValueError, match="use kaplan_meier"):
        compare_regimens({"OS": OUTCOME}, ["A"] * 6, "A", [3])


def test_unknown_reference_arm_names_the_arms():
    with pytest.raises(ValueError, match=r"\['A', 'B'\]; got 'C'"):
        compare_regimens({"OS": OUTCOME}, REGIMEN, "C", [3])


def test_missing_regimens_and_unequal_lengths_are_errors():
    with pytest.raises(ValueError, match="missing for 1 patients"):
        compare_regimens({"OS": OUTCOME}, [*REGIMEN[:5], None], "B", [3])
    with pytest.raises(ValueError, match="'OS': 6"):
        compare_regimens({"OS": OUTCOME}, REGIMEN[:5], "B", [3])


def test_a_response_that_is_not_yes_or_no_is_an_error():
    with pytest.raises(ValueError, match="response must hold True/False"):
        compare_regimens({}, REGIMEN, "B", [], ["CR", "NR", "CR", "NR", "CR", "CR"])


# ------------------------------------------------------------------------------ the full table


def further(**options):
    return FurtherComparisons(replicates=100, **options)


def full(outcomes, regimen, horizons=(2, 4), responder=None, reference="B", **options):
    return compare_regimens(
        outcomes, regimen, reference, list(horizons), responder, None, further(**options)
    )


def test_the_full_table_adds_rows_and_keeps_the_core():
    responder = [1, 1, 0, 0, 0, 1]
    core = compare_regimens({"OS": OUTCOME}, REGIMEN, "B", [2, 4], responder)
    table = full({"OS": OUTCOME}, REGIMEN, responder=responder, strata=list("xyxyxy"))
    assert tuple(table.columns) == REGIMEN_COLUMNS
    both = core.merge(table, how="left", indicator=True)
    assert (both["_merge"] == "both").all()
    names = set(table["estimator"]) - set(core["estimator"])
    assert names == {
        "response rate ratio",
        "response odds ratio",
        "response chi-square test",
        "response Fisher test",
        "response Boschloo test",
        "early death rate",
        "early death rate difference",
        "median difference",
        "stratified log-rank",
        "Fleming-Harrington (1, 0)",
        "Fleming-Harrington (0, 1)",
        "Fleming-Harrington (1, 1)",
        "MaxCombo",
        "RMST",
        "RMST difference",
        "RMST ratio",
        "proportional hazards test",
    }
    # Follow-up of B ends at 5: tau is the last horizon.
    assert set(table.loc[table["estimator"].str.startswith("RMST"), "horizon"]) == {4}


def test_a_competing_event_replaces_what_rests_on_kaplan_meier():
    relapse = Outcome(OUTCOME.time, OUTCOME.event, competing=[0, 0, 1, 0, 0, 0])
    table = full({"OS": OUTCOME, "Relapse": relapse}, REGIMEN, competing={"Relapse": "NRM"})
    of = table[table["endpoint"] == "Relapse"]
    assert not set(of["estimator"]) & {"median", "event probability", "RMST", "median difference"}
    assert {"cumulative incidence", "Gray test", "log-rank"} <= set(of["estimator"])
    said = "cause-specific: 1 competing event(s) count as censored"
    cause = of[of["estimator"].isin(["log-rank", "Cox hazard ratio", "MaxCombo"])]
    assert cause["note"].str.endswith(said).all()
    assert not of.loc[of["estimator"] == "Gray test", "note"].str.contains("cause-specific").any()
    assert "cumulative incidence" in set(table.loc[table["endpoint"] == "NRM", "estimator"])


def test_the_seed_decides_and_the_order_of_patients_does_not():
    rng = np.random.default_rng(3)
    outcome = Outcome(rng.exponential(9, 40).round(1), rng.random(40) < 0.7)
    regimen = rng.choice(["A", "B"], 40).astype(object)
    one = full({"OS": outcome}, regimen)
    pd.testing.assert_frame_equal(full({"OS": outcome}, regimen), one)
    order = rng.permutation(40)
    pd.testing.assert_frame_equal(full({"OS": outcome.take(order)}, regimen[order]), one)
    assert not full({"OS": outcome}, regimen, seed=1).equals(one)


TWELVE = np.arange(1.0, 13)
EDGES = {
    "an arm without events": (TWELVE, [1, 1, 0, 1, 1, 1] + [0] * 6, ["A"] * 6 + ["B"] * 6),
    "an arm of one patient": (TWELVE, [1, 1, 0] * 4, ["A"] + ["B"] * 11),
    "a reference arm of one patient": (TWELVE, [1, 1, 0] * 4, ["A"] * 11 + ["B"]),
    "no censoring": (TWELVE, [1] * 12, ["A", "B"] * 6),
    "everybody at once": ([3] * 12, [1] * 12, ["A", "B"] * 6),
    "ties": ([1, 1, 2, 2, 2, 3] * 2, [1, 0] * 6, ["A"] * 6 + ["B"] * 6),
    "all censored": (TWELVE, [0] * 12, ["A", "B"] * 6),
    "all times zero": ([0] * 12, [1, 0] * 6, ["A", "A", "B", "B"] * 3),
    "arms that do not overlap in time": (TWELVE, [1] * 12, ["A"] * 6 + ["B"] * 6),
    "three arms, one of one patient": (TWELVE, [1, 0] * 6, ["C"] + ["A", "B"] * 5 + ["A"]),
    "two patients": ([1, 2], [1, 1], ["A", "B"]),
}


@pytest.mark.parametrize("competing", [False, True], ids=["plain", "competing"])
@pytest.mark.parametrize("case", EDGES)
def test_what_cannot_be_estimated_says_why(case, competing):
    time, event, regimen = EDGES[case]
    event = np.array(event, dtype=bool)
    other = ~event & (np.arange(len(event)) % 2 == 1) if competing else None
    outcome = Outcome(time, event, competing=other)
    responder = [None, *([1, 0] * 6)][: len(regimen)]
    table = full({"OS": outcome}, regimen, (1, 2, 50), responder, strata=regimen)
    estimate, p_value = table["estimate"], table["p_value"]
    silent = table[estimate.isna() & p_value.isna() & (table["note"] == "")]
    assert not len(silent), silent[["estimator", "arm"]]
    assert not np.isinf(table[["estimate", "ci_low", "ci_high"]].to_numpy(dtype=float)).any()
    ordered = table.dropna(subset=["estimate", "ci_low", "ci_high"])
    assert (ordered["ci_low"] <= ordered["ci_high"]).all()
    assert p_value.dropna().between(0, 1).all()
    # A difference or a ratio without limits says why, too.
    contrast = table["reference_arm"].notna() & table["ci_method"].notna() & estimate.notna()
    open_ended = table[contrast & table["ci_low"].isna()]
    assert open_ended["note"].str.contains("no interval|no limits").all(), open_ended["note"]


def test_early_death_is_counted_where_death_is_given():
    table = full({"EFS": OUTCOME}, REGIMEN)
    assert not table["estimator"].str.startswith("early death").any()
    table = full({"EFS": OUTCOME}, REGIMEN, death="EFS", early_death_days=(45,))
    assert set(table.loc[table["estimator"] == "early death rate", "endpoint"]) == {
        "death by day 45"
    }


def test_strata_of_another_length_are_an_error():
    with pytest.raises(ValueError, match="'strata': 5"):
        full({"OS": OUTCOME}, REGIMEN, strata=list("xyxyx"))


def test_a_competing_event_leaves_the_core_table_nothing_of_kaplan_meier():
    relapse = Outcome(OUTCOME.time, OUTCOME.event, competing=[0, 0, 1, 0, 0, 0])
    table = compare_regimens({"Relapse": relapse}, REGIMEN, "B", [3])
    assert table["estimator"].tolist() == ["log-rank", "Cox hazard ratio"]


def test_duplicating_every_patient_changes_no_estimate():
    rng = np.random.default_rng(6)
    outcome = Outcome(rng.exponential(9, 40).round(1), rng.random(40) < 0.7)
    relapse = Outcome(
        outcome.time, outcome.event, competing=~outcome.event & (rng.random(40) < 0.5)
    )
    regimen = rng.choice(["A", "B"], 40).astype(object)
    responder = rng.random(40) < 0.4
    twice = np.tile(np.arange(40), 2)
    one = full({"OS": outcome, "R": relapse}, regimen, (3, 9), responder)
    two = full(
        {"OS": outcome.take(twice), "R": relapse.take(twice)},
        regimen[twice], (3, 9), responder[twice],
    )  # fmt: skip
    # Test statistics grow with n, and Efron's likelihood takes the copies for ties.
    same = ~one["scale"].isin(["chi-square", "largest |z|", "p-value", "hazard ratio"])
    np.testing.assert_allclose(one.loc[same, "estimate"], two.loc[same, "estimate"], rtol=1e-8)
    assert same.sum() >= 40


def test_an_endpoint_may_have_any_name():
    table = compare_regimens({"regimen": OUTCOME, "self": OUTCOME}, REGIMEN, "B", [3])
    assert set(table["endpoint"]) == {"regimen", "self"}
