"""Propensity, weights and overlap: against R, by hand, and at the edges."""

from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from evaluation.regimens.adjusted.design import adjustment_design
from evaluation.regimens.adjusted.propensity import (
    POPULATIONS,
    balancing_weights,
    effective_sample_size,
    fit_propensity,
    positivity,
    propensity_limits,
    propensity_note,
)

SHARED = Path(__file__).parents[4].parent / "shared"
# Two of four had the arm without the covariate, three of four with it: scores .5 and .75.
FLAG = pd.DataFrame({"flag": [0, 0, 0, 0, 1, 1, 1, 1]})
TREATED = np.array([1, 1, 0, 0, 1, 1, 1, 0], dtype=bool)


@pytest.fixture(scope="module")
def by_hand():
    return fit_propensity(adjustment_design(FLAG), TREATED)


def test_scores_are_the_shares(by_hand):
    np.testing.assert_allclose(by_hand.score, [0.5] * 4 + [0.75] * 4)
    assert by_hand.terms == ("(Intercept)", "flag")
    assert not by_hand.separated
    assert by_hand.note == ""


@pytest.mark.parametrize(
    ("kind", "expected"),
    [
        ("IPTW", [2, 2, 2, 2, 4 / 3, 4 / 3, 4 / 3, 4]),
        # The share of the arm is 5/8.
        ("stabilised IPTW", [1.25, 1.25, 0.75, 0.75, 5 / 6, 5 / 6, 5 / 6, 1.5]),
        ("overlap", [0.5, 0.5, 0.5, 0.5, 0.25, 0.25, 0.25, 0.75]),
        ("matching", [1, 1, 1, 1, 1 / 3, 1 / 3, 1 / 3, 1]),
        ("as treated", [1, 1, 1, 1, 1, 1, 1, 3]),
    ],
)
def test_weights_by_hand(by_hand, kind, expected):
    np.testing.assert_allclose(balancing_weights(by_hand, kind).weight, expected)
    assert kind in POPULATIONS


def test_trimmed_weights_stop_at_the_percentiles(by_hand):
    trimmed = balancing_weights(by_hand, "IPTW", trim=(0, 50)).weight
    np.testing.assert_allclose(trimmed, [2, 2, 2, 2, 4 / 3, 4 / 3, 4 / 3, 2])


@pytest.mark.parametrize("kind", POPULATIONS)
def test_influence_through_the_propensity_is_the_derivative(kind):
    rng = np.random.default_rng(4)
    design = adjustment_design(pd.DataFrame(rng.normal(size=(60, 3)), columns=list("abc")))
    arm = rng.random(60) < 1 / (1 + np.exp(-design.matrix[:, 0]))
    value = rng.normal(size=60)

    def total(case):
        fitted = fit_propensity(design, arm, case_weights=case)
        return float(np.sum(case * balancing_weights(fitted, kind).weight * value))

    weights = balancing_weights(fit_propensity(design, arm), kind)
    influence = weights.influence_of(value)
    for patient in (0, 31):
        case = np.ones(60)
        case[patient] += 1e-6
        slope = (total(case) - total(np.ones(60))) / 1e-6
        assert influence[patient] == pytest.approx(slope, rel=1e-4, abs=1e-5)


def test_effective_sample_size_by_hand():
    # (1 + 1 + 2)^2 / (1 + 1 + 4)
    assert effective_sample_size([1, 1, 2]) == pytest.approx(16 / 6)
    assert effective_sample_size([3, 3, 3]) == pytest.approx(3)
    assert effective_sample_size([0, 0]) == 0


def test_overlap_is_judged_by_the_stated_rule(by_hand):
    found = positivity(by_hand)
    assert found.verdict.startswith("overlap adequate: 0% of patients outside")
    # Arm: (2 * 2 + 3 * 4/3)^2 / (2 * 4 + 3 * 16/9) / 5; reference: (2 + 2 + 4)^2 / 24 / 3.
    assert found.effective_share == pytest.approx(min(64 / (40 / 3) / 5, 64 / 24 / 3))
    # Pairs: 2 x 2 equal, 2 x 1 lower, 3 x 2 higher, 3 x 1 equal.
    assert found.c_statistic == pytest.approx((2 + 6 + 1.5) / 15)


def test_limits_follow_the_share_of_the_arm():
    np.testing.assert_allclose(propensity_limits(0.5), (0.1, 0.9))
    # Odds of 1/9 for the arm times 1/9 and 9.
    np.testing.assert_allclose(propensity_limits(0.1), (1 / 82, 0.5))
    np.testing.assert_allclose(propensity_limits(0.9), (0.5, 81 / 82))
    with pytest.raises(ValueError, match="share must be above 0"):
        propensity_limits(1.0)


def unequal(seed, strength, n=300):
    """Arms of about 1 to 9; of equal covariates without a strength, else ever further apart."""
    rng = np.random.default_rng(seed)
    arm = np.zeros(n, dtype=bool)
    arm[rng.permutation(n)[: n // 10]] = True
    table = pd.DataFrame(rng.normal(size=(n, 2)), columns=list("ab"))
    table["a"] += strength * arm
    return positivity(fit_propensity(adjustment_design(table), arm))


def test_a_randomised_cohort_of_unequal_arms_overlaps():
    for seed in range(5):
        found = unequal(seed, 0)
        assert found.verdict.startswith("overlap adequate: 0% of patients outside preference")


def test_unequal_arms_far_apart_do_not_overlap():
    for seed in range(5):
        found = unequal(seed, 3)
        assert found.verdict.startswith("overlap poor")
        assert found.outside > 0.5


def test_separated_arms_are_said_and_fitted_by_firth():
    table = pd.DataFrame({"flag": [0, 0, 0, 1, 1, 1]})
    found = fit_propensity(adjustment_design(table), np.array([0, 0, 0, 1, 1, 0], dtype=bool))
    assert found.separated
    assert "Firth" in found.note
    assert positivity(found).verdict.startswith("overlap poor (arms separated)")
    assert ((found.score > 0) & (found.score < 1)).all()


def test_several_tables_are_judged_by_their_medians(by_hand):
    flag = FLAG.assign(flag=[0, 1, 0, 1, 0, 1, 0, 1])
    other = fit_propensity(adjustment_design(flag), TREATED)
    tables = (by_hand, other, other)
    assert positivity(*tables) == positivity(other)
    apart = fit_propensity(
        adjustment_design(pd.DataFrame({"flag": TREATED.astype(float)})), TREATED
    )
    assert positivity(by_hand, by_hand, apart).verdict.startswith("overlap adequate")
    assert positivity(by_hand, apart, apart).verdict.startswith("overlap poor (arms separated)")
    assert propensity_note([by_hand, by_hand]) == ""
    assert propensity_note([by_hand, apart]).endswith("Firth's logistic regression (1 of 2 tables)")
    assert propensity_note([apart, apart]) == apart.note


def test_three_arms_are_refused():
    with pytest.raises(ValueError, match="in pairs"):
        fit_propensity(adjustment_design(FLAG), np.array([0, 1, 2, 0, 1, 2, 0, 1]))


def test_unknown_weights_are_refused(by_hand):
    with pytest.raises(ValueError, match="kind must be one of"):
        balancing_weights(by_hand, "overlapping")


def mdacc():
    path = SHARED / "data" / "mdacc_venhma_ldac.csv"
    if not path.exists():
        pytest.skip("the public cohorts are not beside this checkout")
    table = pd.read_csv(path).dropna(
        subset=["age", "wbc", "cyto_risk", "aml_group", "sex", "bm_blasts", "platelets", "hgb"]
    )
    covariates = pd.DataFrame(
        {
            "age": table["age"],
            "male": table["sex"] == "male",
            "lwbc": np.log(table["wbc"]),
            "sec": table["aml_group"] == "secondary",
            "unfav": table["cyto_risk"] == "unfavorable",
            **{name: table[name] for name in ("bm_blasts", "platelets", "hgb")},
        }
    ).astype(float)
    return covariates, (table["trt"] == 1).to_numpy()


def test_propensity_matches_r():
    # R 4.2.2: glm(trt ~ age + male + lwbc + sec + unfav + bm_blasts + platelets + hgb, binomial)
    covariates, treated = mdacc()
    found = fit_propensity(adjustment_design(covariates), treated)
    expected = [4.747188023, -0.02683120478, -0.8595373696, -0.3307546795, 0.1424572675,
                0.2530316935, 0.004406812188, 0.004422087886, -0.2356490616]  # fmt: skip
    np.testing.assert_allclose(found.fit.coef, expected, rtol=1e-7)
    np.testing.assert_allclose(
        [found.score.min(), found.score.max()], [0.09502292317, 0.9970442908], rtol=1e-8
    )
    assert positivity(found).c_statistic == pytest.approx(0.7025543089, rel=1e-9)


@pytest.mark.parametrize(
    ("kind", "arm", "reference"),
    [
        ("IPTW", 64.23110342, 47.69191999),
        ("stabilised IPTW", 64.23110342, 47.69191999),
        ("overlap", 60.72017577, 51.25703872),
        ("as treated", 71.0, 33.04703593),
        ("matching", 57.94562107, 51.04535955),
    ],
)
def test_effective_sizes_match_r(kind, arm, reference):
    # R 4.2.2: sum(w)^2 / sum(w^2) in each arm
    covariates, treated = mdacc()
    weight = balancing_weights(fit_propensity(adjustment_design(covariates), treated), kind).weight
    sizes = [effective_sample_size(weight[rows]) for rows in (treated, ~treated)]
    np.testing.assert_allclose(sizes, [arm, reference], rtol=1e-8)
