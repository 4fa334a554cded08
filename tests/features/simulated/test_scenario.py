import greenwood
import numpy as np
import pandas as pd
import pytest

from features.covariates.columns import read_covariates
from features.covariates.dictionary import read_dictionary
from features.errors import InputError
from features.simulated.scenario import read_scenario, scenario_names, simulate_cohort

# Large cohorts, so that what a method recovers is more than chance.
pytestmark = pytest.mark.slow
DICTIONARY = read_dictionary()
COMPLETE = {"missing": {"mechanism": "none"}}
NO_FRAILTY = {"centers": {"frailty_sd": 0.0}}
N = 20_000
# Enough for a log hazard ratio to within 0.06; greenwood takes a third of a second.
N_COX = 3_000


def simulate(name="randomised", seed=1, n=N, **changes):
    fields = {"n": n, **COMPLETE, **NO_FRAILTY, **changes}
    return simulate_cohort(read_scenario(name, fields), seed)


def cox(table, columns):
    """{column: (log hazard ratio, standard error)}."""
    response = greenwood.Surv(table["os_months"].to_numpy(), event=table["os_event"].to_numpy())
    fit = greenwood.CoxPH().fit(response, columns)
    return dict(zip(columns, zip(fit.coef_, fit.std_error_, strict=True), strict=True)), fit


def log_hr_of_ldac(cohort, adjusted):
    """Log hazard ratio of LDAC with its standard error, crude or given the linear predictor."""
    columns = pd.DataFrame({"ldac": (cohort.table["regimen"] == "LDAC").astype(float)})
    if adjusted:
        columns["linear_predictor"] = cohort.truth.linear_predictor
    return cox(cohort.table, columns)[0]["ldac"]


def kaplan_meier(times, events, at):
    return np.asarray(
        greenwood.KaplanMeier().fit(greenwood.Surv(times, event=events)).predict(np.asarray(at))
    )


# ------------------------------------------------------------------------ the table


def test_the_same_seed_gives_the_same_bytes():
    first, again, other = (simulate(n=500, seed=s, missing={}) for s in (3, 3, 4))
    assert first.table.to_csv() == again.table.to_csv() != other.table.to_csv()
    assert first.truth.event_time.tobytes() == again.truth.event_time.tobytes()


@pytest.mark.parametrize("name", scenario_names())
def test_every_scenario_stays_within_the_dictionary(name):
    cohort = simulate_cohort(read_scenario(name, {"n": 2000}), seed=5)
    known = [c for c in DICTIONARY.values() if c.name in cohort.table]
    assert len(known) > 45
    # Reading refuses what is outside limits and vocabulary.
    read = read_covariates(cohort.table, known, {})
    assert (cohort.table["anc_1e9_per_l"] > cohort.table["wbc_1e9_per_l"]).sum() == 0
    assert read["disease"].nunique() == 8
    assert cohort.table["patient_id"].is_unique
    assert set(cohort.table["regimen"]) == {"HMA", "LDAC"}
    assert set(cohort.table["os_event"]) == {0, 1}
    assert (cohort.table["os_months"] > 0).all()
    assert set(cohort.table["provenance"]) == {"simulated; no real patient"}


def test_every_covariate_that_can_be_derived_can_be_simulated():
    from features.covariates.derived import DERIVATIONS

    table = simulate(n=50).table
    assert {column for d in DERIVATIONS.values() for column in d.inputs} <= set(table)


def test_structural_gaps_are_where_the_value_cannot_exist():
    table = simulate(n=3000).table
    assert (table["cr1_months"].isna() == (table["rr_status"] == "refractory")).all()
    assert (table["hma_agent"].isna() == (table["regimen"] == "LDAC")).all()
    assert (table["mut_npm1"].notna() == table["disease"].str.startswith("AML")).all()


def test_shares_of_missing_values_are_those_asked_for():
    # 31% of all, and 27.5% of those with AML, to the nearest patient.
    table = simulate(n=4000, missing={"mechanism": "completely_at_random"}).table
    assert table["wbc_1e9_per_l"].isna().sum() == 1240
    aml = simulate(n=4000).table["disease"].str.startswith("AML")
    assert table.loc[aml, "mut_npm1"].isna().sum() == round(0.275 * aml.sum())
    half = simulate(n=4000, missing={"mechanism": "at_random", "share": 0.5}).table
    assert half["ldh_u_per_l"].isna().sum() == 2000


def test_missing_at_random_depends_on_what_stays_complete():
    table = simulate(missing={"mechanism": "at_random"}).table
    assert table[["age_years", "ecog", "os_months"]].notna().all(axis=None)
    missing = table["wbc_1e9_per_l"].isna()
    assert table["age_years"][missing].mean() > table["age_years"][~missing].mean() + 3
    at_chance = simulate(missing={"mechanism": "completely_at_random"}).table
    missing = at_chance["wbc_1e9_per_l"].isna()
    difference = at_chance["os_months"][missing].mean() - at_chance["os_months"][~missing].mean()
    # Standard error about 11 / sqrt(20000 * 0.31 * 0.69) = 0.17.
    assert abs(difference) < 0.6


# ------------------------------------------------------------------------ the truth


@pytest.mark.parametrize("changes", [
    {},
    {"baseline": {"distribution": "lognormal"}},
    {"regimen": {"hazard_ratio": 2.2, "change_months": 6.0, "later_hazard_ratio": 0.9}},
    {"baseline": {"distribution": "lognormal"},
     "regimen": {"hazard_ratio": 2.2, "change_months": 6.0, "later_hazard_ratio": 0.9}},
    {"centers": {"frailty_sd": 0.5}},
    {"unmeasured": {"hazard_ratio": 1.6}},
])  # fmt: skip
def test_true_survival_is_that_of_the_generated_times(changes):
    cohort = simulate(**changes)
    at = [1.0, 3.0, 6.0, 9.0, 15.0, 30.0]
    for arm in ("HMA", "LDAC"):
        received = (cohort.table["regimen"] == arm).to_numpy()
        truth = cohort.truth.survival(at, arm)[received]
        lived = cohort.truth.event_time[received][:, None] > np.array(at)
        error = np.sqrt((truth * (1 - truth)).sum(axis=0)) / received.sum()
        assert (np.abs(truth.mean(axis=0) - lived.mean(axis=0)) < 4 * error).all()


def test_kaplan_meier_of_the_table_finds_the_true_survival():
    cohort = simulate()
    at = [3.0, 6.0, 12.0, 24.0]
    for arm in ("HMA", "LDAC"):
        rows = cohort.table[cohort.table["regimen"] == arm]
        curve = kaplan_meier(rows["os_months"].to_numpy(), rows["os_event"].to_numpy(), at)
        # Standard error below 0.5 / sqrt(8000) = 0.006, and the censoring adds little.
        assert np.abs(curve - cohort.truth.mean_survival(at, arm)).max() < 0.02


def test_true_survival_is_a_survival_function():
    truth = simulate("non_proportional", n=200).truth
    alive = truth.survival(np.linspace(0, 60, 200), "LDAC")
    assert alive.shape == (200, 200)
    assert (alive[:, 0] == 1).all()
    assert (np.diff(alive, axis=1) <= 0).all()
    assert ((alive >= 0) & (alive <= 1)).all()


@pytest.mark.parametrize("name", ["randomised", "non_proportional"])
def test_true_differences_by_summing_under_the_curves(name):
    truth = simulate(name, n=300).truth
    fine = np.linspace(0, 12, 12_001)
    alive = {arm: truth.mean_survival(fine, arm) for arm in ("HMA", "LDAC")}
    table = truth.regimen_difference([12.0]).set_index("scale")["estimate"]
    # Event probability is 1 - survival, so the reference arm's survival comes first.
    assert table["event probability difference"] == pytest.approx(
        alive["LDAC"][-1] - alive["HMA"][-1], abs=1e-12
    )
    assert table["RMST difference"] == pytest.approx(
        np.trapezoid(alive["HMA"] - alive["LDAC"], fine), abs=1e-4
    )


def test_the_other_arm_as_reference_changes_the_sign():
    truth = simulate(n=200).truth
    one = truth.regimen_difference([6.0, 12.0])
    other = truth.regimen_difference([6.0, 12.0], reference_arm="HMA")
    assert one["estimate"].tolist() == pytest.approx((-other["estimate"]).tolist())
    assert set(other["arm"]) == {"LDAC"}


def test_without_an_effect_the_truth_is_no_difference():
    truth = simulate("null", n=200).truth
    assert truth.regimen_difference([6.0, 24.0])["estimate"].abs().max() < 1e-12


# ------------------------------------------------------------- what methods recover, and which not


def test_cox_recovers_the_effects_of_a_weibull_cohort():
    effects = [
        {"covariate": "mut_tp53", "is": [1], "hazard_ratio": 2.0},
        {"covariate": "ecog", "center": 1, "per": 1, "hazard_ratio": 1.3},
        {"covariate": "pb_blasts_percent", "above": 5, "hazard_ratio": 1.2},
    ]
    table = simulate(n=N_COX, effects=effects).table
    fitted, _ = cox(table, pd.DataFrame({
        "ldac": (table["regimen"] == "LDAC").astype(float),
        "mut_tp53": (table["mut_tp53"] == 1).astype(float),
        "ecog": table["ecog"],
        "blasts": (table["pb_blasts_percent"] > 5).astype(float),
    }))  # fmt: skip
    truth = {"ldac": 1.67, "mut_tp53": 2.0, "ecog": 1.3, "blasts": 1.2}
    for name, ratio in truth.items():
        estimate, error = fitted[name]
        assert error < 0.06
        assert abs(estimate - np.log(ratio)) < 4 * error


def test_all_default_effects_together():
    cohort = simulate(n=N_COX)
    columns = pd.DataFrame({
        "ldac": (cohort.table["regimen"] == "LDAC").astype(float),
        "linear_predictor": cohort.truth.linear_predictor,
    })  # fmt: skip
    fitted, model = cox(cohort.table, columns)
    assert abs(fitted["linear_predictor"][0] - 1) < 4 * fitted["linear_predictor"][1]
    assert abs(fitted["ldac"][0] - np.log(1.67)) < 4 * fitted["ldac"][1]
    assert model.cox_zph(transform="km").global_test["p_value"] > 0.001


@pytest.mark.parametrize("name", ["randomised", "confounded", "null", "unmeasured"])
def test_which_comparison_finds_no_effect_where_there_is_none(name):
    cohort = simulate(name, n=2 * N_COX, regimen={"hazard_ratio": 1.0})
    crude, crude_error = log_hr_of_ldac(cohort, adjusted=False)
    adjusted, error = log_hr_of_ldac(cohort, adjusted=True)
    if name == "randomised":
        assert abs(crude) < 4 * crude_error
    else:
        # Those who get LDAC are worse off to begin with.
        assert crude > 4 * crude_error
    if name == "unmeasured":
        assert adjusted > 4 * error
    else:
        assert abs(adjusted) < 4 * error


def test_stronger_confounding_biases_more():
    crude = [
        log_hr_of_ldac(simulate("null", n=N_COX, assignment={"strength": s}), adjusted=False)[0]
        for s in (0.5, 2.0)
    ]
    assert crude == sorted(crude)


def test_a_lognormal_baseline_is_no_proportional_hazards_model():
    cohort = simulate(n=N_COX, baseline={"distribution": "lognormal"})
    columns = pd.DataFrame({
        "ldac": (cohort.table["regimen"] == "LDAC").astype(float),
        "linear_predictor": cohort.truth.linear_predictor,
    })  # fmt: skip
    _, model = cox(cohort.table, columns)
    assert model.cox_zph(transform="km").global_test["p_value"] < 1e-6


def test_an_effect_that_changes_is_no_proportional_hazards_model():
    cohort = simulate("non_proportional", n=N_COX)
    columns = pd.DataFrame({
        "ldac": (cohort.table["regimen"] == "LDAC").astype(float),
        "linear_predictor": cohort.truth.linear_predictor,
    })  # fmt: skip
    _, model = cox(cohort.table, columns)
    tests = model.cox_zph(transform="km").per_term
    assert tests["ldac"]["p_value"] < 1e-6


@pytest.mark.parametrize(
    ("changes", "direction"),
    [
        ({"informative": 1.0}, 1),
        ({"informative": -1.0}, -1),
        ({"by_prognosis": 1.0}, 1),
        ({}, 0),
    ],
)
def test_losing_the_sickest_makes_kaplan_meier_too_optimistic(changes, direction):
    cohort = simulate(censoring={"rate_per_month": 0.06, **changes})
    table = cohort.table
    truth = (cohort.truth.event_time > 12).mean()
    curve = kaplan_meier(table["os_months"].to_numpy(), table["os_event"].to_numpy(), [12.0])[0]
    if direction:
        assert direction * (curve - truth) > 0.02
    else:
        assert abs(curve - truth) < 0.015


def test_centers_differ_by_their_frailty():
    cohort = simulate(centers={"count": 12, "frailty_sd": 0.6})
    frailty = cohort.truth.log_hazard - cohort.truth.linear_predictor
    by_center = pd.Series(frailty).groupby(cohort.table["center"])
    assert by_center.std().max() < 1e-12
    assert 0.3 < by_center.first().std() < 1.0


# ------------------------------------------------------------------------------ mistakes


@pytest.mark.parametrize(
    ("changes", "where"),
    [
        ({"n": 0}, "scenario randomised: n"),
        ({"patients": 5}, "scenario randomised: patients"),
        ({"missing": {"share": 1.0}}, "scenario randomised: missing.share"),
        ({"regimen": {"change_months": 6.0}}, "scenario randomised: regimen"),
        ({"effects": [{"covariate": "mut_tp35", "is": [1], "hazard_ratio": 2}]},
         "scenario randomised: effects.0"),
        ({"effects": [{"covariate": "ecog", "per": 1, "hazard_ratio": 2}]},
         "scenario randomised: effects.0"),
    ],
)  # fmt: skip
def test_a_scenario_that_cannot_be_is_refused(changes, where):
    with pytest.raises(InputError) as error:
        read_scenario(changes=changes)
    assert where in [problem.where for problem in error.value.problems]


def test_an_unknown_scenario_names_those_there_are():
    with pytest.raises(InputError) as error:
        read_scenario("confounding")
    (problem,) = error.value.problems
    assert problem.allowed == "randomised, confounded, null, non_proportional, unmeasured"
    assert problem.remedy.startswith("did you mean 'confounded'?")


def test_an_unknown_regimen_has_no_truth():
    truth = simulate(n=10).truth
    with pytest.raises(InputError, match="HMA, LDAC"):
        truth.survival([6.0], "AZA")
    with pytest.raises(InputError, match="HMA, LDAC"):
        truth.regimen_difference([6.0], reference_arm="AZA")


def test_changes_keep_what_they_do_not_name():
    scenario = read_scenario("confounded", {"assignment": {"strength": 2.0}})
    assert scenario.assignment.mechanism == "confounded"
    assert scenario.assignment.strength == 2.0
