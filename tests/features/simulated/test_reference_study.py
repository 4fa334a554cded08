import copy
import math
import re
import time
from pathlib import Path

import greenwood
import numpy as np
import pandas as pd
import pytest
import yaml

from features.simulated.reference_covariates import exact_shares, linear_predictor, mask_missing
from features.simulated.reference_study import (
    read_reference_study,
    rebuild_reference_study,
    rebuild_with_truth,
)
from features.simulated.reference_survival import harrell_c, km_median, logrank_p

pytestmark = pytest.mark.slow

SEEDS = range(20)
PROVENANCE = "reconstructed from published aggregates; no real patient"
DICTIONARY = Path(__file__).parents[3] / "configs" / "dictionary.yaml"
ALL_DISEASES = ["B-ALL Ph+", "B-ALL Ph-", "T-ALL", "ETP-ALL"]


@pytest.fixture(scope="session")
def study():
    return read_reference_study()


@pytest.fixture(scope="session")
def rebuilt(study):
    return {seed: rebuild_with_truth(seed, study) for seed in SEEDS}


@pytest.fixture(scope="session")
def dictionary():
    return {entry["name"]: entry for entry in yaml.safe_load(DICTIONARY.read_text("utf-8"))}


def median_with_limits(table, endpoint):
    curve = greenwood.KaplanMeier(conf_type="log-log").fit(
        greenwood.Surv(table[f"{endpoint}_months"], table[f"{endpoint}_event"])
    )
    return curve.median(ci=True)


def logrank(table, endpoint):
    response = greenwood.Surv(table[f"{endpoint}_months"], table[f"{endpoint}_event"])
    return greenwood.logrank_test(response, group=table["regimen"]).p_value


@pytest.mark.parametrize("seed", SEEDS)
def test_the_published_counts_are_exact(rebuilt, seed):
    cohort = rebuilt[seed].cohort
    complete = cohort["response"].isin(["CR", "CRi"])

    assert len(cohort) == cohort["patient_id"].nunique() == 70
    assert cohort["regimen"].value_counts().to_dict() == {"HMA": 42, "LDAC": 28}
    assert complete.groupby(cohort["regimen"]).sum().to_dict() == {"HMA": 22, "LDAC": 9}
    assert cohort["ae_febrile_neutropenia"].sum() == 38
    assert cohort["ae_thrombocytopenia"].sum() == 33
    assert cohort["ae_infection"].sum() == 23


@pytest.mark.parametrize("seed", SEEDS)
def test_the_published_survival_figures_are_exact(rebuilt, seed):
    cohort = rebuilt[seed].cohort
    hma, ldac = (cohort[cohort["regimen"] == arm] for arm in ("HMA", "LDAC"))

    assert median_with_limits(hma, "os") == pytest.approx((8.3, 6.7, 9.8), abs=1e-9)
    assert median_with_limits(ldac, "os") == pytest.approx((5.7, 4.1, 7.3), abs=1e-9)
    assert median_with_limits(hma, "efs")[0] == pytest.approx(6.1, abs=1e-9)
    assert median_with_limits(ldac, "efs")[0] == pytest.approx(3.9, abs=1e-9)
    assert round(logrank(cohort, "os"), 2) == 0.04
    assert round(logrank(cohort, "efs"), 2) == 0.02


@pytest.mark.parametrize("seed", SEEDS)
def test_the_median_does_not_hang_on_a_tie_rule(rebuilt, seed):
    # Where S(t) is exactly 0.5, R takes the midpoint and others the earlier time.
    cohort = rebuilt[seed].cohort
    for _, arm in cohort.groupby("regimen"):
        for endpoint in ("os", "efs"):
            curve = greenwood.KaplanMeier().fit(
                greenwood.Surv(arm[f"{endpoint}_months"], arm[f"{endpoint}_event"])
            )
            assert (np.abs(np.asarray(curve.survival_) - 0.5) > 1e-6).all()
        censored_early = (arm["os_event"] == 0) & (
            arm["os_months"] < median_with_limits(arm, "os")[0]
        )
        assert censored_early.any()


@pytest.mark.parametrize("seed", SEEDS)
def test_the_outcomes_fit_together(rebuilt, seed):
    cohort = rebuilt[seed].cohort
    responders = cohort["response"].isin(["CR", "CRi"])

    assert cohort["os_event"].sum() == 58
    # 60 days are 1.97 months: nobody dies or is lost before.
    assert cohort["os_months"].min() >= 2.0
    assert (cohort["efs_months"] <= cohort["os_months"]).all()
    # A death is an event of EFS at or before it.
    assert (cohort["efs_event"] >= cohort["os_event"]).all()
    censored = cohort["efs_event"] == 0
    assert (cohort.loc[censored, "efs_months"] == cohort.loc[censored, "os_months"]).all()
    assert cohort.loc[responders, "os_months"].min() >= 3.0
    assert cohort.loc[responders, "efs_months"].min() >= 2.0
    assert cohort["efs_months"].min() > 0
    for _, arm in cohort.groupby("regimen"):
        mean = arm["os_months"].groupby(arm["response"].isin(["CR", "CRi"])).mean()
        assert mean[True] > mean[False]
    for endpoint in ("os", "efs"):
        hundredths = cohort[f"{endpoint}_months"] * 100
        np.testing.assert_allclose(hundredths, hundredths.round(), atol=1e-6)


@pytest.mark.parametrize("seed", SEEDS)
def test_centers_and_dates_are_those_of_the_study(rebuilt, seed):
    cohort = rebuilt[seed].cohort
    start = cohort["treatment_start_date"]

    assert start.between("2020-01-01", "2023-12-31").all()
    last_contact = start + pd.to_timedelta(cohort["os_months"] * 365.25 / 12, unit="D")
    assert (last_contact <= "2024-12-31").all()
    assert pd.crosstab(cohort["center"], cohort["regimen"]).gt(0).all(axis=None)
    assert sorted(cohort["center"].unique()) == ["A", "B", "C"]


@pytest.mark.parametrize("seed", SEEDS)
def test_the_linear_predictor_discriminates_within_each_arm(rebuilt, seed):
    cohort, predictor = rebuilt[seed].cohort, rebuilt[seed].linear_predictor
    for _, arm in cohort.groupby("regimen"):
        response = greenwood.Surv(arm["os_months"], arm["os_event"])
        concordance = greenwood.concordance_index(response, predictor[arm.index])
        assert 0.66 <= concordance <= 0.74


@pytest.mark.parametrize("seed", SEEDS)
def test_the_regimen_is_confounded_as_documented(rebuilt, seed):
    cohort, complete = rebuilt[seed].cohort, rebuilt[seed].complete_covariates
    predictor = rebuilt[seed].linear_predictor
    ldac = (cohort["regimen"] == "LDAC").to_numpy()

    for name in ("prior_hma", "age_years", "ecog"):
        assert complete.loc[ldac, name].mean() > complete.loc[~ldac, name].mean()
    pooled_sd = math.sqrt((predictor[ldac].var(ddof=1) + predictor[~ldac].var(ddof=1)) / 2)
    difference = (predictor[ldac].mean() - predictor[~ldac].mean()) / pooled_sd
    assert 0.4 <= difference <= 0.7


def test_confounding_exaggerates_the_regimen_difference(rebuilt):
    # The patients under LDAC are the sicker ones, so adjusting moves the hazard ratio towards 1.
    shifts = []
    for study in rebuilt.values():
        response = greenwood.Surv(study.cohort["os_months"], study.cohort["os_event"])
        ldac = (study.cohort["regimen"] == "LDAC").to_numpy(dtype=float)
        crude = greenwood.CoxPH().fit(response, covariates=pd.DataFrame({"ldac": ldac}))
        adjusted = greenwood.CoxPH().fit(
            response, covariates=pd.DataFrame({"ldac": ldac, "lp": study.linear_predictor})
        )
        shifts.append(np.asarray(adjusted.coef_)[0] - np.asarray(crude.coef_)[0])
    assert np.mean(shifts) < 0


@pytest.mark.parametrize("seed", SEEDS)
def test_covariates_obey_the_dictionary(rebuilt, dictionary, seed):
    cohort, complete = rebuilt[seed].cohort, rebuilt[seed].complete_covariates
    for name in complete:
        entry = dictionary[name]
        values = cohort[name].dropna()
        assert entry["timing"] == "baseline"
        if entry["kind"] == "category":
            assert values.isin(entry["vocabulary"]).all()
        elif entry["kind"] == "flag":
            assert values.isin([0, 1]).all()
        else:
            assert values.between(*entry["limits"]).all()
            assert entry["kind"] != "integer" or (values == values.round()).all()
    assert cohort["response"].isin(dictionary["response"]["vocabulary"]).all()


@pytest.mark.parametrize("seed", SEEDS)
def test_covariates_fit_together(rebuilt, seed):
    cohort, complete = rebuilt[seed].cohort, rebuilt[seed].complete_covariates
    genes = [name for name in complete if name.startswith("mut_")]
    in_all = complete["disease"].isin(ALL_DISEASES)

    assert cohort.loc[in_all, genes].isna().all(axis=None)
    assert complete.loc[~in_all, genes].notna().all(axis=None)
    assert cohort.loc[complete["rr_status"] == "refractory", "cr1_months"].isna().all()
    assert (complete["anc_1e9_per_l"] <= complete["wbc_1e9_per_l"]).all()
    assert (complete["adverse_karyotype"] >= complete["complex_karyotype"]).all()
    assert (cohort["hma_agent"].isna() == (cohort["regimen"] == "LDAC")).all()
    dose = {"posaconazole": {70}, "strong": {100}, "moderate": {200}, "none": {400, 600}}
    for azole, doses in dose.items():
        assert set(complete.loc[complete["azole"] == azole, "ven_dose_mg"]) <= doses


@pytest.mark.parametrize("seed", SEEDS)
def test_missing_values_are_those_of_the_study_file(rebuilt, study, seed):
    cohort, complete = rebuilt[seed].cohort, rebuilt[seed].complete_covariates
    n_missing = cohort.isna().sum()

    # 22 of 70 is 31%, 26 is 37%, 28 is 40%.
    assert n_missing["wbc_1e9_per_l"] == n_missing["hb_g_per_l"] == 22
    assert n_missing["anc_1e9_per_l"] == 26
    assert n_missing["pb_blasts_percent"] == n_missing["complex_karyotype"] == 28
    assert n_missing["sex"] == n_missing["rr_status"] == 0
    n_aml = complete["mut_tp53"].notna().sum()
    assert cohort["mut_tp53"].notna().sum() == n_aml - round(0.275 * n_aml)
    # What is present is unchanged.
    for name in complete:
        present = cohort[name].notna()
        assert (cohort.loc[present, name] == complete.loc[present, name]).all()


def test_the_same_seed_gives_the_same_bytes(rebuilt):
    np.random.default_rng().random()
    again = rebuild_reference_study(3)
    assert again.to_csv(index=False) == rebuilt[3].cohort.to_csv(index=False)
    assert again.to_csv(index=False) != rebuilt[4].cohort.to_csv(index=False)


def test_a_rebuild_takes_less_than_five_seconds():
    start = time.perf_counter()
    rebuild_reference_study(0)
    assert time.perf_counter() - start < 5


def test_every_table_says_that_no_row_is_a_real_patient(rebuilt):
    cohort = rebuilt[0].cohort
    assert cohort.attrs["provenance"] == PROVENANCE
    assert (cohort["provenance"] == PROVENANCE).all()
    # The truth stays out of the table.
    assert not [name for name in cohort if "predictor" in name]


@pytest.mark.parametrize(
    ("section", "change", "named"),
    [
        ("survival", {"weibull_shape": 0.2, "tries": 5}, "medians, limits and log-rank p = 0.04"),
        ("efs", {"tries": 0}, "EFS met the published medians"),
        ("matching", {"tries": 0}, "Harrell C of 0.68 to 0.72"),
        ("confounding", {"tries": 0}, "confounded with the regimen"),
        ("response", {"tries": 0}, "responders"),
    ],
)
def test_a_failure_names_the_seed_and_the_constraint(study, section, change, named):
    impossible = copy.deepcopy(study)
    impossible["generator"][section].update(change)
    impossible["generator"]["outcome_tries"] = 2
    with pytest.raises(RuntimeError, match=rf"seed 7: .*{re.escape(named)}"):
        rebuild_reference_study(7, impossible)


def test_another_interval_transform_is_refused(study):
    other = copy.deepcopy(study)
    other["generator"]["survival"]["interval"] = "log"
    with pytest.raises(ValueError, match="interval must be 'log-log', got 'log'"):
        rebuild_reference_study(0, other)


def test_own_estimators_agree_with_greenwood():
    rng = np.random.default_rng(5)
    # Rounded to half months: many ties, between deaths and with censorings.
    months = np.ceil(rng.exponential(8, size=60) * 2) / 2
    event = rng.random(60) < 0.8
    in_arm = rng.random(60) < 0.5
    risk = np.round(rng.standard_normal(60), 1)
    response = greenwood.Surv(months, event)

    curve = greenwood.KaplanMeier(conf_type="log-log").fit(response)
    assert km_median(months, event) == pytest.approx(curve.median(ci=True))
    test = greenwood.logrank_test(response, group=in_arm)
    assert logrank_p(months, event, in_arm) == pytest.approx(test.p_value)
    assert harrell_c(months, event, risk) == pytest.approx(
        greenwood.concordance_index(response, risk)
    )


def test_a_curve_with_a_step_at_one_half_has_no_usable_median():
    # Four deaths, none censored: S is 3/4, 1/2, 1/4, 0.
    assert np.isnan(km_median(np.array([1.0, 2.0, 3.0, 4.0]), np.ones(4, dtype=bool))).all()


def test_terms_add_up_on_the_log_scale():
    table = pd.DataFrame(
        {"age_years": [70.0, 60.0], "cr1_months": [6.0, np.nan], "mut_nras": [0.0, np.nan]}
        | {"mut_kras": [1.0, np.nan], "disease": ["AML secondary", "T-ALL"]}
    )
    terms = [
        {"covariate": "age_years", "center": 60, "per": 10, "hazard_ratio": 1.1},
        {"covariate": "cr1_months", "below": 12, "hazard_ratio": 1.3},
        {"covariate": ["mut_nras", "mut_kras"], "is": [1], "hazard_ratio": 1.5},
        {"covariate": "disease", "is": ["AML secondary"], "hazard_ratio": 1.2},
    ]
    # The second patient is at every reference, or the covariate does not apply.
    expected = [math.log(1.1 * 1.3 * 1.5 * 1.2), 0.0]
    assert linear_predictor(table, terms) == pytest.approx(expected)


def test_shares_are_exact_to_the_nearest_patient():
    rng = np.random.default_rng(0)
    labels = exact_shares(rng, 28, {"A": 0.43, "B": 0.33, "C": 0.24})
    # 12.04, 9.24 and 6.72 of 28.
    assert [int((labels == name).sum()) for name in "ABC"] == [12, 9, 7]


def test_a_block_loses_its_values_in_the_same_patients():
    rng = np.random.default_rng(0)
    table = pd.DataFrame({"wbc": np.arange(10.0), "anc": np.arange(10.0)})
    missing = [{"together": ["wbc", "anc"], "share": 0.3}, {"together": ["anc"], "share": 0.4}]
    masked = mask_missing(rng, table, missing)
    assert masked["wbc"].isna().sum() == 3
    assert masked["anc"].isna().sum() == 4
    assert masked.loc[masked["wbc"].isna(), "anc"].isna().all()
    assert table.notna().all(axis=None)
