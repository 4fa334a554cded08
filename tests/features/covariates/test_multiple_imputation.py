import greenwood
import numpy as np
import pandas as pd
import pytest

from features.covariates.dictionary import read_dictionary
from features.covariates.multiple_imputation import multiply_impute, pool_rubin
from features.errors import InputError
from features.outcome import Outcome
from features.simulated.scenario import read_scenario, simulate_cohort

pytestmark = pytest.mark.slow

DICTIONARY = read_dictionary()
COVARIATES = ["age_years", "sex", "disease", "rr_status", "cr1_months", "ecog", "prior_hma",
              "wbc_1e9_per_l", "complex_karyotype", "mut_tp53", "hma_agent"]  # fmt: skip


def parts(n, seed=1, **changes):
    """Covariates, outcome and regimen of a simulated cohort."""
    table = simulate_cohort(read_scenario("confounded", {"n": n, **changes}), seed).table
    outcome = Outcome(table["os_months"], table["os_event"])
    return table[COVARIATES], outcome, table["regimen"].to_numpy(dtype=object)


@pytest.fixture(scope="module")
def incomplete():
    covariates, outcome, regimen = parts(150)
    # The simulator always knows the status; here a tenth is not known.
    lost = np.arange(150) % 10 == 0
    return covariates.assign(rr_status=covariates["rr_status"].mask(lost)), outcome, regimen


@pytest.fixture(scope="module")
def completed(incomplete):
    return multiply_impute(*incomplete, m=3, seed=2)


def test_observed_cells_are_unchanged(incomplete, completed):
    covariates = incomplete[0]
    for table in completed:
        assert table.columns.tolist() == covariates.columns.tolist()
        assert (table.dtypes == covariates.dtypes).all()
        pd.testing.assert_frame_equal(table.where(covariates.notna()), covariates)


def test_nothing_given_is_written_to(incomplete):
    before = incomplete[0].copy()
    multiply_impute(*incomplete, m=1, seed=3)
    pd.testing.assert_frame_equal(incomplete[0], before)


def test_only_structural_cells_stay_missing(incomplete, completed):
    covariates, _, regimen = incomplete
    for table in completed:
        filled = table.drop(columns=["cr1_months", "hma_agent"])
        assert filled.notna().all(axis=None)
        assert (table["hma_agent"].isna() == (regimen == "LDAC")).all()
        # Also where the status itself was drawn: refractory and no first remission, or relapsed
        # and one.
        refractory = table["rr_status"] == "refractory"
        assert (table["cr1_months"].isna() <= refractory).all()
        unseen = covariates["cr1_months"].isna()
        assert (table["cr1_months"][unseen].isna() == refractory[unseen]).all()


def test_every_drawn_value_is_possible(incomplete, completed):
    for table in completed:
        for name in COVARIATES:
            values, covariate = table[name].dropna(), DICTIONARY[name]
            if covariate.kind == "category":
                assert set(values) <= set(covariate.vocabulary)
            elif covariate.kind == "flag":
                assert set(values) <= {0.0, 1.0}
            else:
                assert values.between(*covariate.limits).all()
            if covariate.kind == "integer":
                assert (values % 1 == 0).all()


def test_the_same_seed_gives_the_same_bytes(incomplete, completed):
    again = multiply_impute(*incomplete, m=3, seed=2)
    assert [t.to_csv() for t in again] == [t.to_csv() for t in completed]


def test_the_first_tables_do_not_depend_on_how_many_follow(incomplete, completed):
    (alone,) = multiply_impute(*incomplete, m=1, seed=2)
    assert alone.to_csv() == completed[0].to_csv()


def test_the_tables_differ_from_each_other_and_between_seeds(incomplete, completed):
    (other,) = multiply_impute(*incomplete, m=1, seed=4)
    assert len({t.to_csv() for t in [*completed, other]}) == 4


def test_a_complete_table_is_returned_as_it_is():
    covariates, outcome, regimen = parts(40, missing={"mechanism": "none"})
    # Genes are not asked of ALL, which the dictionary has no rule for.
    covariates = covariates.drop(columns="mut_tp53")
    for table in multiply_impute(covariates, outcome, regimen, m=2, seed=1):
        pd.testing.assert_frame_equal(table, covariates)


def test_a_covariate_with_one_observed_value_gets_it():
    covariates, outcome, regimen = parts(40, missing={"mechanism": "none"})
    few = pd.DataFrame({"inv3": [0.0, np.nan] * 20, "hb_g_per_l": [80.0, np.nan] * 20})
    (table,) = multiply_impute(few.join(covariates["ecog"]), outcome, regimen, m=1, seed=1)
    assert set(table["inv3"]) == {0.0}
    assert set(table["hb_g_per_l"]) == {80.0}


def test_means_and_effects_are_recovered_where_complete_cases_are_biased():
    # TP53 doubles the hazard and goes with a complex karyotype. It is tested less often in those
    # with a complex karyotype and in those who die within 6 months: at random given both.
    effects = [{"covariate": "mut_tp53", "is": [1], "hazard_ratio": 2.0}]
    cohort = simulate_cohort(
        read_scenario("randomised", {
            "n": 3000, "effects": effects, "missing": {"mechanism": "none"},
            "centers": {"frailty_sd": 0.0},
        }),
        seed=6,
    )  # fmt: skip
    table = cohort.table[cohort.table["disease"].str.startswith("AML")].reset_index(drop=True)
    outcome = Outcome(table["os_months"], table["os_event"])
    regimen = table["regimen"].to_numpy(dtype=object)
    full = table[["complex_karyotype", "mut_tp53", "wbc_1e9_per_l", "anc_1e9_per_l"]]
    full = full.assign(
        wbc_1e9_per_l=np.log(full["wbc_1e9_per_l"]),
        anc_1e9_per_l=np.log(full["anc_1e9_per_l"] + 0.01),
    )
    rng = np.random.default_rng(8)
    chance = 0.1 + 0.4 * (full["complex_karyotype"] == 1) + 0.3 * (table["os_months"] < 6)
    high = full["wbc_1e9_per_l"] > full["wbc_1e9_per_l"].median()
    given = full.assign(
        mut_tp53=full["mut_tp53"].mask(rng.random(len(full)) < chance),
        anc_1e9_per_l=full["anc_1e9_per_l"].mask(rng.random(len(full)) < 0.1 + 0.6 * high),
    )
    completed = multiply_impute(given, outcome, regimen, m=6, seed=9)
    for name in ("mut_tp53", "anc_1e9_per_l"):
        truth = full[name].mean()
        pooled = pool_rubin(
            [t[name].mean() for t in completed], [t[name].var() / len(t) for t in completed]
        )
        error = np.sqrt(pooled.variance)
        cases = given[name].dropna()
        assert abs(cases.mean() - truth) > 5 * cases.std() / np.sqrt(len(cases))
        assert abs(pooled.estimate - truth) < 3 * error
        assert 0 < pooled.missing_information < 0.8

    def log_hazard_ratio(mutated):
        response = greenwood.Surv(outcome.time, event=outcome.event.astype(int))
        columns = pd.DataFrame({"ldac": regimen == "LDAC", "tp53": mutated}).astype(float)
        fit = greenwood.CoxPH().fit(response, columns)
        return fit.coef_, fit.std_error_**2

    fits = [log_hazard_ratio(t["mut_tp53"]) for t in completed]
    pooled = pool_rubin([f[0] for f in fits], [f[1] for f in fits], outcome.n_events - 2)
    truth = np.log([1.67, 2.0])
    assert (np.abs(pooled.estimate - truth) < 3 * np.sqrt(pooled.variance)).all()


@pytest.mark.parametrize(
    ("change", "what"),
    [
        (lambda c, r: (c, r, 0), "Not a number of completed tables"),
        (lambda c, r: (c.assign(ecog=np.nan), r, 1), "The covariate holds no value"),
        (lambda c, r: (c, np.where(r == "LDAC", None, r), 1), "The regimen is missing"),
        (lambda c, r: (c.drop(columns="rr_status"), r, 1),
         "It cannot be told whether a missing value exists"),
        (lambda c, r: (c, None, 1), "It cannot be told whether a missing value exists"),
    ],
)  # fmt: skip
def test_what_cannot_be_imputed_is_refused(incomplete, change, what):
    covariates, outcome, regimen = incomplete
    covariates, regimen, m = change(covariates, regimen)
    with pytest.raises(InputError) as error:
        multiply_impute(covariates, outcome, regimen, m, seed=1)
    assert what in [problem.what for problem in error.value.problems]


# ------------------------------------------------------------------------------ Rubin's rules


def test_rubin_by_hand():
    # m = 3, mean (1 + 2 + 3) / 3 = 2; within (0.5 + 0.4 + 0.6) / 3 = 0.5; between the variance of
    # 1, 2, 3, which is 1, times 1 + 1/3; total 0.5 + 4/3 = 11/6; share (4/3) / (11/6) = 8/11.
    pooled = pool_rubin([1.0, 2.0, 3.0], [0.5, 0.4, 0.6])
    assert pooled.estimate == pytest.approx(2.0)
    assert pooled.variance == pytest.approx(11 / 6)
    # 2 / (8/11)^2 = 2 * 121 / 64 = 3.78125.
    assert pooled.df == pytest.approx(3.78125)
    # r = (4/3) / 0.5 = 8/3; (8/3 + 2 / 6.78125) / (11/3) = (2.666667 + 0.294931) / 3.666667.
    assert pooled.missing_information == pytest.approx(0.807708, abs=1e-6)


def test_barnard_rubin_by_hand():
    # As above with 20 complete-data degrees: observed 21 / 23 * 20 * (1 - 8/11) = 4.980237;
    # 1 / (1 / 3.78125 + 1 / 4.980237) = 2.149352.
    pooled = pool_rubin([1.0, 2.0, 3.0], [0.5, 0.4, 0.6], complete_df=20)
    assert pooled.df == pytest.approx(2.149352, abs=1e-6)
    # (8/3 + 2 / 5.149352) / (11/3) = (2.666667 + 0.388399) / 3.666667.
    assert pooled.missing_information == pytest.approx(0.833199, abs=1e-6)


def test_equal_estimates_cost_nothing():
    pooled = pool_rubin([2.0, 2.0], [0.5, 0.5])
    assert (pooled.estimate, pooled.variance) == (2.0, 0.5)
    assert np.isinf(pooled.df)
    assert pooled.missing_information == 0
    # 21 / 23 * 20 = 18.26087.
    assert pool_rubin([2.0, 2.0], [0.5, 0.5], complete_df=20).df == pytest.approx(18.26087)


def test_several_estimates_are_pooled_side_by_side():
    together = pool_rubin([[1.0, 5.0], [2.0, 5.5]], [[0.5, 0.1], [0.4, 0.2]])
    second = pool_rubin([5.0, 5.5], [0.1, 0.2])
    assert together.estimate.shape == (2,)
    assert [value[1] for value in together] == pytest.approx(list(second))


@pytest.mark.parametrize(
    ("estimates", "variances"),
    [([1.0], [0.5]), ([1.0, 2.0], [0.5]), ([1.0, 2.0], [0.5, 0.0]), (1.0, 0.5),
     ([1.0, 2.0], [0.5, np.nan])],
)  # fmt: skip
def test_what_cannot_be_pooled_is_refused(estimates, variances):
    with pytest.raises(InputError, match="cannot be pooled"):
        pool_rubin(estimates, variances)
