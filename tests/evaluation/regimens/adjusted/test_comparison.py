"""The adjusted table: its columns and notes, missing values, several arms, and its edges."""

from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from evaluation.regimens.adjusted.comparison import compare_adjusted
from evaluation.regimens.adjusted.settings import AdjustedSettings
from evaluation.results import ADJUSTED_COLUMNS, REGIMEN_COLUMNS
from features.covariates.multiple_imputation import multiply_impute
from features.outcome import Outcome

SHARED = Path(__file__).parents[4].parent / "shared"
FEW = {"weights": ("stabilised IPTW", "overlap"), "imputations": 3, "replicates": 30}


def settings(**changes):
    return AdjustedSettings("LDAC", (6.0, 12.0), **(FEW | {"seed": 5} | changes))


def make_cohort(n=90, seed=12, arms=("HMA", "LDAC")):
    rng = np.random.default_rng(seed)
    covariates = pd.DataFrame({
        "age_years": rng.normal(60, 10, n).round(),
        "sex": np.where(rng.random(n) < 0.5, "F", "M"),
    })  # fmt: skip
    older = (covariates["age_years"].to_numpy() - 60) / 10
    regimen = np.where(rng.random(n) < 1 / (1 + np.exp(older)), arms[0], arms[1]).astype(object)
    time = rng.exponential(10 * np.exp(-0.4 * older)).round(1) + 0.1
    return Outcome(time, rng.random(n) < 0.8), regimen, covariates


@pytest.fixture(scope="module")
def cohort():
    return make_cohort()


@pytest.fixture(scope="module")
def complete(cohort):
    return compare_adjusted(*cohort, settings())


def test_the_table_has_its_columns_and_those_of_the_other_families(complete):
    table = complete.table
    assert tuple(table.columns) == ADJUSTED_COLUMNS
    assert set(REGIMEN_COLUMNS) <= set(ADJUSTED_COLUMNS)
    assert set(table["family"]) == {"adjusted"}
    assert set(table["adjustment_set"]) == {"age_years, sex"}
    assert set(table["arm"]) == {"HMA"}
    assert set(table["reference_arm"]) == {"LDAC"}
    assert (table["n"] == 90).all()
    assert table["estimate"].notna().all()
    for column in ("population", "assumption", "verdict"):
        assert (table[column].fillna("") != "").all()
    assert (table["effective_n"] <= 90).all()


def test_every_estimate_has_its_interval_and_its_method(complete):
    table = complete.table[complete.table["scale"] != "risk ratio"]
    assert (table["ci_low"] < table["estimate"]).all()
    assert (table["estimate"] < table["ci_high"]).all()
    methods = table.set_index("estimator")["ci_method"]
    assert methods["multivariable Cox"] == "Wald"
    assert methods["overlap Cox"] == "sandwich, propensity model included"
    assert set(methods["g-computation, Cox"]) == {"influence function"}


def test_a_hazard_ratio_has_an_e_value(complete):
    rows = complete.table.set_index("estimator")
    ratios = rows[rows["scale"] == "hazard ratio"]
    for name, row in ratios.iterrows():
        found = rows.loc[f"E-value of {name}"]
        assert found["estimate"] >= 1
        assert (found["ci_low"] == 1) == (row["ci_low"] <= 1 <= row["ci_high"])


def test_the_pictures_have_their_numbers(complete):
    assert len(complete.overlap) == 90
    assert set(complete.overlap["regimen"]) == {"HMA", "LDAC"}
    assert complete.positivity["verdict"].iloc[0].startswith("overlap ")
    assert 0.5 < complete.positivity["c_statistic"].iloc[0] < 1
    assert set(complete.balance["weighting"]) == {
        "before weighting", "stabilised IPTW", "overlap",
    }  # fmt: skip
    first = complete.curves.groupby(["weighting", "regimen"]).first()
    assert first.loc[("before weighting", "HMA"), "n_risk"] == pytest.approx(
        (complete.overlap["regimen"] == "HMA").sum()
    )
    assert (
        first.loc[("overlap", "HMA"), "n_risk"] < first.loc[("before weighting", "HMA"), "n_risk"]
    )


@pytest.mark.parametrize(
    "changes",
    [{}, {"interval": "bootstrap", "replicates": 5, "imputations": 2, "weights": ("overlap",)}],
)
def test_the_same_seed_gives_the_same_bytes(cohort, changes):
    outcome, regimen, covariates = cohort
    covariates = covariates.copy()
    covariates.loc[[3, 30, 60], "age_years"] = np.nan
    one, other = (
        compare_adjusted(outcome, regimen, covariates, settings(**changes)).table for _ in range(2)
    )
    pd.testing.assert_frame_equal(one, other)


def test_the_bootstrap_is_near_the_sandwich(cohort, complete):
    table = compare_adjusted(*cohort, settings(interval="bootstrap", replicates=200)).table
    rows = table[table["ci_method"].str.startswith("percentiles").fillna(False)]
    assert len(rows) == 2 * 4 + 2 * 3 + 3
    plain = complete.table.loc[rows.index]
    np.testing.assert_allclose(rows["estimate"], plain["estimate"])
    ratio = (rows["ci_high"] - rows["ci_low"]) / (plain["ci_high"] - plain["ci_low"])
    # 200 replicates give a width to about 10%, and percentiles are no normal limits.
    assert ((ratio > 0.7) & (ratio < 1.4)).all()


def test_a_trimmed_row_is_bootstrapped_while_others_are_not(cohort):
    table = compare_adjusted(*cohort, settings(trim=(2, 98))).table
    trimmed = table["estimator"].str.contains("trimmed") & (table["scale"] != "risk ratio")
    assert trimmed.sum() == 4
    assert (
        table.loc[trimmed, "ci_method"].str.startswith("percentiles, bootstrap of the whole").all()
    )
    assert not table.loc[~trimmed, "ci_method"].fillna("").str.contains("bootstrap").any()


def with_gaps(cohort, share=0.2):
    outcome, regimen, covariates = cohort
    gone = np.random.default_rng(1).random(len(regimen)) < share
    covariates = covariates.copy()
    covariates.loc[gone, "age_years"] = np.nan
    return (outcome, regimen, covariates), int(gone.sum())


def test_missing_values_are_imputed_and_pooled(cohort):
    (outcome, regimen, covariates), _ = with_gaps(cohort)
    table = compare_adjusted(outcome, regimen, covariates, settings()).table
    table = table[table["scale"] != "risk ratio"]
    assert table["ci_method"].str.startswith("Rubin's rules over 3 completed tables; ").all()
    assert (table["n"] == 90).all()
    assert table["ci_low"].notna().all()


def test_checks_of_two_endpoints_of_the_same_patients_agree(cohort):
    # The outcome goes into the imputation, so the completed tables differ by endpoint; what is
    # said of the patients themselves has to stay. The first tables alone differ by 0.08 SD, by 14%
    # in effective size and by 17 points in its share.
    (outcome, regimen, covariates), _ = with_gaps(cohort, 0.3)
    other = Outcome(np.roll(outcome.time, 7), np.roll(outcome.event, 7))
    several = settings(imputations=20)
    one, two = (compare_adjusted(o, regimen, covariates, several) for o in (outcome, other))
    keys = ["term", "weighting"]
    smd = one.balance.merge(two.balance, on=keys, suffixes=("", "_other"))
    assert len(smd) == len(one.balance) == len(two.balance)
    np.testing.assert_allclose(smd["smd"], smd["smd_other"], atol=0.06)
    sizes = [f.table.drop_duplicates("estimator")["effective_n"] for f in (one, two)]
    np.testing.assert_allclose(*sizes, rtol=0.03)
    for name in ("outside", "effective_share"):
        np.testing.assert_allclose(one.positivity[name], two.positivity[name], atol=0.03)


def test_checks_are_those_of_all_completed_tables(cohort):
    (outcome, regimen, covariates), _ = with_gaps(cohort)
    asked = settings()
    found = compare_adjusted(outcome, regimen, covariates, asked)
    alone = [
        compare_adjusted(outcome, regimen, table, asked)
        for table in multiply_impute(covariates, outcome, regimen, 3, asked.seed)
    ]
    np.testing.assert_allclose(
        found.balance["smd"], np.mean([one.balance["smd"] for one in alone], axis=0)
    )
    np.testing.assert_allclose(
        found.overlap["propensity"],
        np.mean([one.overlap["propensity"] for one in alone], axis=0),
    )
    np.testing.assert_allclose(
        found.curves["survival"], np.mean([one.curves["survival"] for one in alone], axis=0)
    )
    for name in ("outside", "effective_share", "c_statistic", "trend_p"):
        middle = np.median([one.positivity[name].iloc[0] for one in alone])
        assert found.positivity[name].iloc[0] == pytest.approx(middle)
    np.testing.assert_allclose(
        found.table["effective_n"],
        np.median([one.table["effective_n"] for one in alone], axis=0),
    )


def test_incomplete_patients_are_left_out_and_counted(cohort):
    (outcome, regimen, covariates), gone = with_gaps(cohort)
    table = compare_adjusted(outcome, regimen, covariates, settings(missing="complete")).table
    assert (table["n"] == 90 - gone).all()
    assert table["note"].iloc[0] == f"{gone} with a missing covariate left out"


def test_missing_values_are_marked_by_an_indicator(cohort):
    (outcome, regimen, covariates), _ = with_gaps(cohort)
    table = compare_adjusted(outcome, regimen, covariates, settings(missing="indicator")).table
    assert (table["n"] == 90).all()
    assert "marked by an indicator: age_years" in table["note"].iloc[0]


def test_a_patient_without_any_covariate_stays(cohort):
    outcome, regimen, covariates = cohort
    covariates = covariates.copy()
    covariates.loc[0, "age_years"] = np.nan
    covariates.loc[0, "sex"] = None
    assert (compare_adjusted(outcome, regimen, covariates, settings()).table["n"] == 90).all()


def test_what_tells_nothing_is_left_out_and_named(cohort):
    outcome, regimen, covariates = cohort
    table = compare_adjusted(
        outcome, regimen, covariates.assign(constant=1.0, empty=np.nan), settings()
    ).table
    assert "left out, no value at all: empty" in table["note"].iloc[0]
    assert "left out as constant or collinear: constant" in table["note"].iloc[0]


def test_competing_events_are_said(cohort):
    outcome, regimen, covariates = cohort
    competing = ~outcome.event & (np.arange(90) % 2 == 0)
    table = compare_adjusted(
        Outcome(outcome.time, outcome.event, competing=competing), regimen, covariates, settings()
    ).table
    assert table["note"].iloc[0] == "competing events counted as censored"


def test_each_of_three_arms_is_compared_with_the_reference(cohort):
    outcome, regimen, covariates = cohort
    third = regimen.copy()
    third[::4] = "other"
    table = compare_adjusted(outcome, third, covariates, settings()).table
    assert list(table["arm"].unique()) == ["HMA", "other"]
    pair = third != "other"
    alone = compare_adjusted(outcome.take(pair), third[pair], covariates[pair], settings()).table
    together = table[table["arm"] == "HMA"].reset_index(drop=True)
    pd.testing.assert_frame_equal(together, alone)


def test_a_covariate_that_is_the_regimen_leaves_one_row_with_the_reason(cohort):
    outcome, regimen, covariates = cohort
    found = compare_adjusted(outcome, regimen, covariates.assign(drug=regimen == "HMA"), settings())
    assert found.table["note"].tolist() == [
        "not estimable: the covariates tell the arms apart completely"
    ]
    assert found.overlap.empty


def test_quasi_separation_is_said(cohort):
    outcome, regimen, covariates = cohort
    only = np.zeros(90)
    only[np.flatnonzero(regimen == "HMA")[:6]] = 1
    table = compare_adjusted(outcome, regimen, covariates.assign(only=only), settings()).table
    verdict = table.set_index("estimator").loc["AIPW of pseudo-values", "verdict"].iloc[0]
    assert "overlap poor (arms separated)" in verdict
    assert "Firth" in verdict


def test_an_arm_without_events_or_patients_gives_reasons_not_numbers(cohort):
    outcome, regimen, covariates = cohort
    quiet = Outcome(outcome.time, outcome.event & (regimen == "LDAC"))
    table = compare_adjusted(quiet, regimen, covariates, settings()).table
    cox = table[table["estimator"].str.endswith(" Cox") & (table["scale"] == "hazard ratio")]
    assert cox["note"].str.startswith("not estimable").all()
    firth = table[table["estimator"] == "multivariable Cox, Firth"].iloc[0]
    assert firth["ci_method"] == "profile penalised likelihood"
    assert 0 < firth["ci_low"] < firth["estimate"] < firth["ci_high"] < 1

    alone = regimen.copy()
    alone[:] = "LDAC"
    alone[0] = "HMA"
    table = compare_adjusted(outcome, alone, covariates, settings()).table
    assert table["note"].tolist() == ["not estimable: fewer than 2 patients in an arm"]


LARGE_SAMPLE = r"Kaplan-Meier|(?:stabilised IPTW|overlap) Cox|g-computation|AIPW"


def large_sample_rows(table):
    return table[
        table["estimator"].str.contains(LARGE_SAMPLE)
        & ~table["estimator"].str.startswith("E-value")
    ]


def shrunk(cohort, kept):
    """The cohort with the first patients of the arm alone."""
    outcome, regimen, covariates = cohort
    rows = np.concatenate(
        [np.flatnonzero(regimen == "HMA")[:kept], np.flatnonzero(regimen == "LDAC")]
    )
    return outcome.take(rows), regimen[rows], covariates.iloc[rows]


@pytest.mark.parametrize("interval", ["sandwich", "bootstrap"])
def test_a_tiny_arm_leaves_estimates_without_interval_and_p(cohort, interval):
    table = compare_adjusted(*shrunk(cohort, 9), settings(interval=interval)).table
    rows = large_sample_rows(table)
    assert len(rows) == 2 * 4 + 2 * 3 + 3
    assert rows["estimate"].notna().all()
    assert rows[["ci_low", "ci_high", "p_value"]].isna().to_numpy().all()
    assert (rows["ci_method"].fillna("") == "").all()
    assert rows["note"].str.contains("no interval: an arm has 9 patients, fewer than 10").all()
    assert not rows["note"].str.contains("weights taken as known").any()
    bias = table.set_index("estimator").loc["E-value of overlap Cox"]
    assert bias["estimate"] >= 1
    assert np.isnan(bias["ci_low"])
    assert bias["note"] == "no limit: the hazard ratio has no interval"
    # The penalised likelihood of the multivariable model does not rest on the arm's size.
    assert table.iloc[0][["ci_low", "ci_high"]].notna().all()


def test_weights_that_leave_few_effective_patients_leave_no_interval(cohort):
    # Ten patients lose some of their size under any weights that vary.
    rows = large_sample_rows(compare_adjusted(*shrunk(cohort, 10), settings()).table)
    weighted = ~rows["estimator"].str.startswith("g-computation")
    assert rows.loc[weighted, "ci_low"].isna().all()
    assert rows.loc[weighted, "note"].str.contains("effective patients, fewer than 10").all()
    assert rows.loc[~weighted, "ci_low"].notna().all()


def test_few_events_in_an_arm_leave_no_interval(cohort):
    outcome, regimen, covariates = cohort
    arm = regimen == "HMA"
    for events, bounded in ((4, False), (5, True)):
        kept = np.flatnonzero(outcome.event & arm & (outcome.time < 6))[:events]
        event = (outcome.event & ~arm) | np.isin(np.arange(90), kept)
        table = compare_adjusted(
            Outcome(outcome.time, event), regimen, covariates, settings()
        ).table
        rows = large_sample_rows(table)
        assert rows["ci_low"].notna().all() == bounded
        few = rows["note"].str.contains("no interval: an arm has 4 events, fewer than 5")
        assert few.all() != bounded


def test_five_patients_do_not_crash(cohort):
    outcome, regimen, covariates = cohort
    rows = np.concatenate([np.flatnonzero(regimen == a)[:3] for a in ("HMA", "LDAC")])
    table = compare_adjusted(
        outcome.take(rows), regimen[rows], covariates.iloc[rows], settings()
    ).table
    differences = table[table["scale"] == "event probability difference"]
    assert (differences[["estimate", "ci_low", "ci_high"]].abs().fillna(0) <= 1).to_numpy().all()
    undefined = table["ci_low"].isna()
    assert (table.loc[undefined, "note"] != "").all()


def test_bad_input_is_refused(cohort):
    outcome, regimen, covariates = cohort
    with pytest.raises(ValueError, match="same patients"):
        compare_adjusted(outcome, regimen, covariates[:-1], settings())
    with pytest.raises(ValueError, match="reference arm 'LDAC' and another"):
        compare_adjusted(outcome, np.full(90, "LDAC"), covariates, settings())
    with pytest.raises(ValueError, match="no column"):
        compare_adjusted(outcome, regimen, covariates[[]], settings())
    with pytest.raises(ValueError, match="no value at all in z"):
        compare_adjusted(outcome, regimen, pd.DataFrame({"z": np.full(90, np.nan)}), settings())
    unknown = regimen.copy()
    unknown[3] = None
    with pytest.raises(ValueError, match="missing for 1 patients"):
        compare_adjusted(outcome, unknown, covariates, settings())


@pytest.mark.parametrize(
    "changes",
    [
        {"horizons": ()},
        {"horizons": (0.0,)},
        {"missing": "drop"},
        {"interval": "wald"},
        {"imputations": 1},
        {"trim": (99, 1)},
    ],
)
def test_bad_settings_are_refused(changes):
    with pytest.raises(ValueError, match=next(iter(changes))):
        AdjustedSettings(**({"reference_arm": "LDAC", "horizons": (6.0,)} | changes))


def test_the_public_cohort_has_its_known_ratios():
    # R 4.2.2, survival 3.5.3: stabilised IPTW .6906, overlap .7392, matching .7628, with the
    # robust limits that take the weights as known.
    path = SHARED / "data" / "mdacc_venhma_ldac.csv"
    if not path.exists():
        pytest.skip("the public cohorts are not beside this checkout")
    table = pd.read_csv(path)
    table["lwbc"] = np.log(table["wbc"])
    names = ["age", "sex", "lwbc", "aml_group", "cyto_risk", "bm_blasts", "platelets", "hgb"]
    found = compare_adjusted(
        Outcome(table["os_months"], table["os_event"]), table["regimen"], table[names],
        AdjustedSettings("LDAC_BASED", (6, 12, 24), missing="complete"),
    ).table.set_index("estimator")  # fmt: skip
    ratios = {name: found.loc[f"{name} Cox", "estimate"] for name in
              ("stabilised IPTW", "overlap", "matching")}  # fmt: skip
    assert ratios == pytest.approx(
        {"stabilised IPTW": 0.6906419974, "overlap": 0.7391697165, "matching": 0.7627872858},
        abs=1e-6,
    )
    assert "robust, weights taken as known: 0.50-1.10" in found.loc["overlap Cox", "note"]
    assert found.loc["overlap Cox", "n"] == 130


def test_the_multivariable_model_of_the_public_cohort_matches_r():
    # R 4.2.2, survival 3.5.3: coxph(Surv(os_months, os_event) ~ trt + age + sex + log(wbc) +
    # aml_group + cyto_risk), Efron; cox.zph(transform = "km") of trt: p = .8530.
    path = SHARED / "data" / "mdacc_venhma_ldac.csv"
    if not path.exists():
        pytest.skip("the public cohorts are not beside this checkout")
    table = pd.read_csv(path)
    table["lwbc"] = np.log(table["wbc"])
    found = compare_adjusted(
        Outcome(table["os_months"], table["os_event"]), table["regimen"],
        table[["age", "sex", "lwbc", "aml_group", "cyto_risk"]],
        AdjustedSettings("LDAC_BASED", (12,), missing="complete"),
    ).table.iloc[0]  # fmt: skip
    ours = found[["estimate", "ci_low", "ci_high", "p_value"]].astype(float)
    expected = [np.exp(-0.4960566046), 0.4043419234, 0.9170266038, 0.01756773761]
    np.testing.assert_allclose(ours, expected, rtol=1e-6)
    assert found["n"] == 131
    assert found["verdict"] == "proportional hazards p = .85 (cox.zph); 18.7 events a coefficient"
